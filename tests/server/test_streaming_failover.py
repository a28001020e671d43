"""A streaming model whose processes are killed or hang: captions go on from the fallback, nothing is lost."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from echopanel.asr.fake import Fake
from echopanel.audio import Samples, Source
from echopanel.config import Settings
from echopanel.wire import messages as m
from tests.engine.rig import silence, soon
from tests.helpers.fake_voxtral import LETTERS
from tests.helpers.voxtral import FakeBinary, FakeVoxtral, babble, fake_binary
from tests.server.rig import Client, Served, serving, settings_of

MIC = Source.MIC


@pytest.fixture
def binary(tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> FakeBinary:
    """What `voxtral` is for servers of the test; any other provider is the scripted one."""
    binary = fake_binary(tmp_path / "fake")
    voxtral = FakeVoxtral(binary, interval_s=0.1, hang_s=3.0, load_s=15.0)
    monkeypatch.setattr(
        "echopanel.engine.engine.get_provider", lambda name: voxtral if name == "voxtral" else fake
    )
    return binary


def settings(tmp_path: Path, binary: FakeBinary) -> Settings:
    """A scripted model stands in for `voxtral`."""
    return settings_of(
        tmp_path,
        model={"provider": "voxtral"},
        voxtral={"bin": str(binary.program), "model": binary.model},
        ladder={"fallback": "fake:spare", "dwell_s": 0.1},
        engine={"stuck_after_s": 2.0},
    )


def send_all(binary: FakeBinary, number: signal.Signals) -> None:
    """Signal every process that was started, the one that stands by too."""
    for one in binary.started:
        with suppress(ProcessLookupError):
            os.kill(one["pid"], number)


def said(seconds: float, seed: int) -> Samples:
    """An utterance and the pause that ends it."""
    return np.concatenate([babble(seconds, seed), silence(1.0)])


def streamed(text: str) -> bool:
    """Whether the fake program heard it all; the scripted model says numbers."""
    return all(any(letter in LETTERS for letter in word) for word in text.split())


async def final(client: Client, count: int) -> str:
    """The text of a final, by number."""
    await client.until(lambda: len(client.segments) >= count)
    return client.segments[count - 1].text


async def whole(client: Client, finals: int) -> None:
    """End the session: all that was said is text, once and in order."""
    coverage = (await client.stop()).coverage[MIC]
    assert (coverage.pending, coverage.lost) == (0, 0)
    ranges = [(one.start_sample, one.end_sample) for one in client.segments]
    assert ranges == sorted(ranges)
    assert sum(end - start for start, end in ranges) == coverage.transcribed
    assert len(ranges) == finals


async def spare_ready(served: Served) -> None:
    """The fallback is loaded behind the first model."""
    await soon(lambda: bool(served.fake.models) and served.server.engine._lineup.stands_in("en"))


async def test_a_killed_process_and_the_fallback_hears_the_utterance(
    tmp_path: Path, fake: Fake, binary: FakeBinary
) -> None:
    """From its start, with partials; the next one has a fresh process, and the level stays."""
    async with (
        serving(settings(tmp_path, binary), fake) as served,
        served.started(language="en") as client,
    ):
        await spare_ready(served)
        await client.speak(said(1.5, 1))
        assert streamed(await final(client, 1))
        speech = said(4.0, 2)
        await client.speak(speech[:24_000])
        await client.until(
            lambda: any(one.partial.segment_id == "mic-2" for one in client.of(m.PartialMessage))
        )
        assert not served.model.calls
        send_all(binary, signal.SIGKILL)
        shown = len(client.of(m.PartialMessage))
        await client.speak(speech[24_000:40_000])
        await client.speak(speech[40_000:48_000])
        await client.until(lambda: bool(served.model.calls))
        await client.until(lambda: len(client.of(m.PartialMessage)) > shown)
        await client.speak(speech[48_000:])
        assert not streamed(await final(client, 2))
        count = 2
        while not streamed(client.segments[-1].text):  # a busy machine may need more time for a process
            await client.speak(said(1.5, count))
            count += 1
            await final(client, count)
        await whole(client, count)


async def test_a_process_that_hangs_and_the_fallback_takes_over_until_it_is_well(
    tmp_path: Path, fake: Fake, binary: FakeBinary
) -> None:
    """Level 4 and back; meanwhile streams are not even tried."""
    async with (
        serving(settings(tmp_path, binary), fake) as served,
        served.started(language="en") as client,
    ):
        await spare_ready(served)
        speech = said(3.0, 1)
        await client.speak(speech[:24_000])
        await client.got(m.PartialMessage)
        started = len(binary.started)  # one that is started just now is not stopped
        send_all(binary, signal.SIGSTOP)
        await client.speak(speech[24_000:])
        assert not streamed(await final(client, 1))
        await client.until(lambda: any(flow.level == 4 for flow in client.of(m.Flow)))
        flow = next(flow for flow in client.of(m.Flow) if flow.level == 4)
        assert flow.plan == "fallback model (spare)"
        assert flow.reason.startswith("model hangs: the recogniser did not answer within")
        await client.until(lambda: client.of(m.Flow)[-1].level == 0)
        assert len(binary.started) > started
        count = 1
        while not streamed(client.segments[-1].text):
            await client.speak(said(1.5, 10 + count))
            count += 1
            await final(client, count)
        await whole(client, count)
