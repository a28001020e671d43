"""The composition root: which names a server answers to, what it looks after, what it does not say."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import structlog

from echopanel.asr.fake import Fake
from echopanel.audio import SAMPLE_RATE, Source
from echopanel.server.logs import configure_logging
from echopanel.server.server import guard_of
from echopanel.transcript import Coverage
from echopanel.wire import messages as m
from tests.engine.rig import soon
from tests.helpers.speech import Speech, wer
from tests.server.rig import serving, settings_of, talk


def test_names_a_server_answers_to(tmp_path: Path) -> None:
    """Without a token its own; with one any, because the token keeps others out."""
    local = guard_of(settings_of(tmp_path, server={"host": "127.0.0.7"}))
    assert local.token is None
    assert local.hosts == frozenset({"127.0.0.1", "127.0.0.7", "::1", "localhost"})
    origins = {"allowed_origins": "https://meet.example"}
    exposed = guard_of(settings_of(tmp_path, server={"host": "0.0.0.0", "token": "correct-horse"} | origins))
    assert (exposed.token, exposed.hosts) == ("correct-horse", None)
    assert exposed.origins == ("https://meet.example",)


async def test_sessions_whose_clients_stay_away_end_by_themselves(
    tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to ask; audio that waits is a metric meanwhile."""
    monkeypatch.setattr("echopanel.server.server.EXPIRY_INTERVAL_S", 0.02)
    async with serving(settings_of(tmp_path, store={"resume_window_s": 0}), fake) as served:
        metric = served.server.engine.metrics.registry.get_sample_value
        async with served.started() as client:
            await client.speak(talk(0.5)[:12_000])
            await soon(lambda: metric("echopanel_pending_samples") == 12_000)
        await soon(lambda: client.ready.session not in served.sessions.roster)
        await soon(lambda: metric("echopanel_pending_samples") == 0)


@pytest.fixture
def logs() -> Iterator[None]:
    """Logging as the program sets it up, and afterwards as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging("info", "json")
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


async def test_the_log_never_tells_what_was_said(
    tmp_path: Path, fake: Fake, capsys: pytest.CaptureFixture[str], logs: None
) -> None:
    """Ids and figures of a whole session, with its troubles, and not a word of it."""
    async with serving(settings_of(tmp_path), fake) as served:
        async with served.started(title="Secret merger", prompt="Kestrel", hotwords="Okafor") as client:
            await client.speak(talk(0.5, 0.5))
            await client.stop()
        assert client.texts
    log = capsys.readouterr().err
    assert client.ready.session in log
    for secret in ("w0l32", "Secret merger", "Kestrel", "Okafor", client.ready.resume_token):
        assert secret not in log


async def test_real_speech_with_the_real_recogniser(tmp_path: Path, two_cities: Speech) -> None:
    """tiny.en and Silero through a socket: partials, then finals with all words, on both sources at once."""
    samples = two_cities.load()[: round(10.45 * SAMPLE_RATE)]
    said = " ".join(word for word, end in two_cities.word_times if end < 10.45)
    settings = settings_of(tmp_path, model={"provider": "faster-whisper", "name": "tiny.en", "warmup": 2})
    async with serving(settings, Fake()) as served:
        assert (await served.http.get("/health")).json()["status"] == "ready"
        async with served.started(Source.MIC, Source.SYSTEM, language="en") as client:
            for start in range(0, len(samples), SAMPLE_RATE):
                for source in Source:
                    await client.speak(samples[start : start + SAMPLE_RATE], source)
                if start == 3 * SAMPLE_RATE:
                    await client.got(m.PartialMessage)
            stopped = await client.stop()
        for source in Source:
            finals = " ".join(one.text for one in client.segments if one.source is source)
            assert wer(said, finals) <= 0.04
            assert stopped.coverage[source].pending == 0
        kinds = [type(one) for one in client.received]
        assert kinds.index(m.PartialMessage) < kinds.index(m.FinalMessage)
        assert client.of(m.PartialMessage)[0].partial.text.startswith("It")


async def test_many_silent_sources_cost_no_recognition(tmp_path: Path, fake: Fake) -> None:
    """Twenty connected sources without a word: no call, and every ledger is silence."""
    async with serving(settings_of(tmp_path), fake) as served:
        for _ in range(10):
            async with served.started(*Source) as client:
                for source in Source:
                    await client.speak(np.zeros(4 * SAMPLE_RATE, np.float32), source)
                stopped = await client.stop()
                silent = Coverage(captured=64_000, received=64_000, silence=64_000)
                assert stopped.coverage == dict.fromkeys(Source, silent)
        assert served.calls == 0


async def test_the_panel_cannot_be_framed_nor_run_what_is_not_ours(tmp_path: Path, fake: Fake) -> None:
    """Its page comes with a policy that names no other place, and is asked for anew each time."""
    async with serving(settings_of(tmp_path), fake) as served:
        response = await served.http.get("/")
    assert response.status_code == 200
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
    assert response.headers["cache-control"] == "no-cache"
