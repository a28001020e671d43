"""Programs that come and go: several at once, killed, interrupted, and a server that is started anew."""

from __future__ import annotations

import signal
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from tests.e2e.programs import Json, Server, serving, stream, streaming
from tests.e2e.sounds import silence, write_wav
from tests.helpers.speech import SAMPLE_RATE, Speech, wer

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SAID = (
    "It was the best of times, it was the worst of times, "
    "it was the age of wisdom, it was the age of foolishness, "
    "it was the epoch of belief, it was the epoch of incredulity"
)
SECONDS = 12.8


@pytest.fixture(scope="module")
def clip(two_cities: Speech, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first six clauses."""
    samples = two_cities.load()[: round(SECONDS * SAMPLE_RATE)]
    return write_wav(tmp_path_factory.mktemp("clip") / "clip.wav", samples)


def speaking(event: Json) -> bool:
    """There is text that will stay."""
    return event["type"] == "partial" and bool(event["stable"])


def test_a_killed_client_disturbs_nobody(server: Server, clip: Path) -> None:
    """Two stream at once; one is killed in the middle of a word; the other has every word."""
    with streaming(server, clip, "--speed", "2") as other, streaming(server, clip, "--speed", "2") as victim:
        victim.until(speaking)
        victim.process.kill()
        assert victim.process.wait() == -signal.SIGKILL
        assert other.finish() == 0
    assert wer(SAID, other.text()) <= 0.05
    assert other.ledgers["mic"]["lost"] == 0


def test_two_sources_share_a_clock(server: Server, two_cities: Speech, tmp_path: Path) -> None:
    """The same speech 20 s later in the second file is 20 s later in the transcript, word by word."""
    speech = two_cities.load()[: round(SECONDS * SAMPLE_RATE)]
    mic = write_wav(tmp_path / "mic.wav", speech)
    system = write_wav(tmp_path / "system.wav", np.concatenate([silence(20.0), speech]))
    streamed = stream(server, mic, system, "--speed", "4")
    assert wer(SAID, streamed.text("mic")) <= 0.05
    assert wer(SAID, streamed.text("system")) <= 0.05
    pairs = zip(streamed.words("mic"), streamed.words("system"), strict=False)
    shifts = [later[1] - sooner[1] for sooner, later in pairs if sooner[0] == later[0]]
    assert len(shifts) > 20
    assert median(shifts) == pytest.approx(20.0, abs=0.1)


def test_an_interrupted_stream_shows_its_end(server: Server, two_cities: Speech) -> None:
    """Ctrl-C: what was sent until then becomes final text, all of it, and the exit code tells."""
    with streaming(server, two_cities.path) as running:
        running.until(speaking)
        running.process.send_signal(signal.SIGINT)
        assert running.finish() == 130
    ledger = running.ledgers["mic"]
    assert ledger["captured"] == ledger["transcribed"] + ledger["silence"]
    heard = running.text().lower()
    assert heard.startswith("it was the best")
    assert running.of("final")[-1]["end_sample"] == ledger["captured"]


def test_a_restarted_server_is_found_again(tmp_path: Path, clip: Path) -> None:
    """A server is stopped while somebody speaks; on a new one the client goes on, and no word is missing."""
    with serving(tmp_path / "data") as first, streaming(first, clip) as running:
        running.until(speaking)
        assert first.stop() == 0
        with serving(tmp_path / "data", "--port", str(first.port)):
            assert running.finish() == 0, running.stderr
    states = [event["state"] for event in running.of("link")]
    assert states.count("live") >= 1
    assert "waiting" in states
    assert wer(SAID, running.text()) <= 0.05
    ledger = running.ledgers["mic"]
    assert ledger["lost"] == 0


def test_a_killed_stream_goes_on_from_its_spool(server: Server, clip: Path, tmp_path: Path) -> None:
    """The same command again goes on with the session: every word once, and what was final stays."""
    again = (clip, "--spool", tmp_path / "spool", "--speed", "2")
    with streaming(server, *again) as victim:
        victim.until(lambda event: event["type"] == "final")
        victim.process.kill()
        victim.process.wait()
    streamed = stream(server, *again)
    assert streamed.of("final")[0] == victim.of("final")[0]
    assert wer(SAID, streamed.text()) <= 0.05
    assert streamed.ledgers["mic"]["captured"] == round(SECONDS * SAMPLE_RATE)
    assert streamed.ledgers["mic"]["lost"] == 0
    assert not (tmp_path / "spool").exists()
