"""A whole engine with a streaming model: the fake `voxtral`, the fake server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from echopanel.asr.provider import DecodeOptions, ModelSpec
from echopanel.asr.voxtral_realtime.settings import RealtimeSettings
from echopanel.audio import Source, float_to_pcm16
from echopanel.engine.engine import Engine
from echopanel.engine.events import Event
from echopanel.engine.health import HealthStatus
from echopanel.engine.offline import transcribe
from echopanel.engine.options import PipelineOptions
from echopanel.engine.settings import EngineSettings
from echopanel.engine.streaming import StreamingPipeline
from echopanel.errors import ErrorCode, ModelUnavailable, Overloaded
from echopanel.policy.clock import SessionClock
from echopanel.transcript import Final
from tests.engine.rig import LoudVad, frames, said, silence
from tests.helpers.fake_realtime import Faults, fake_server
from tests.helpers.fake_voxtral import spoken
from tests.helpers.voxtral import babble, fake_binary

OPTIONS = PipelineOptions(DecodeOptions())


@pytest.fixture(autouse=True)
def loudness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loud is speech."""
    monkeypatch.setattr("echopanel.engine.engine.SileroVad", LoudVad)


@asynccontextmanager
async def started(spec: ModelSpec) -> AsyncIterator[Engine]:
    """A running engine."""
    engine = Engine(EngineSettings(spec, max_inference=1))
    try:
        await engine.start()
        yield engine
    finally:
        await engine.close()


async def heard(engine: Engine, source: Source, seed: int) -> tuple[list[str], list[str]]:
    """What was said, and what came out as finals."""
    events: list[Event] = []
    pipeline = engine.pipeline("s", source, OPTIONS, SessionClock(), events.append)
    assert isinstance(pipeline, StreamingPipeline)
    running = asyncio.create_task(pipeline.run())
    audio = babble(3.0, seed)
    for frame in frames(said(silence(0.5), audio, silence(1.0)), source):
        pipeline.feed(frame)
        await asyncio.sleep(0.001)
    await pipeline.flush()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    finals = [event for event in events if isinstance(event, Final)]
    return spoken(float_to_pcm16(audio)), " ".join(final.segment.text for final in finals).split()


async def test_speech_through_processes(tmp_path: Path) -> None:
    """Loaded, warmed up, healthy; two sources at once; a recording as well."""
    async with started(fake_binary(tmp_path / "fake").spec(max_processes=3)) as engine:
        assert engine.ready
        for said_words, words in await asyncio.gather(
            heard(engine, Source.MIC, 1), heard(engine, Source.SYSTEM, 2)
        ):
            assert words == said_words
        report = await engine.health()
        assert (report.status, report.reason) == (HealthStatus.READY, "")
        audio = babble(2.0, 3)
        transcript = await transcribe(engine, [audio, silence(1.0)], DecodeOptions())
        assert transcript.segments[0].text.split() == spoken(float_to_pcm16(audio))


async def test_speech_through_servers(tmp_path: Path) -> None:
    """The least used server that works is taken; one that is not there does no harm."""
    with fake_server() as one, fake_server() as other:
        settings = RealtimeSettings((one.url, other.url))
        async with started(ModelSpec("voxtral-realtime", "any", options=settings)) as engine:
            for said_words, words in await asyncio.gather(
                heard(engine, Source.MIC, 1), heard(engine, Source.SYSTEM, 2)
            ):
                assert words == said_words
            assert (one.connections - 2, other.connections) == (1, 1)
            one.faults = Faults(status=503)
            for seed in range(3):
                said_words, words = await heard(engine, Source.MIC, seed)
                assert words == said_words
            assert (await engine.health()).status is HealthStatus.READY


async def test_no_more_sessions_than_there_are_processes(tmp_path: Path) -> None:
    """Refused at once, with a time to come back; who has gone makes room."""
    async with started(fake_binary(tmp_path / "fake").spec(max_processes=2)) as engine:
        slot = engine.admit("a")
        pipelines = [
            engine.pipeline("s", source, OPTIONS, SessionClock(), lambda _: None) for source in Source
        ]
        with pytest.raises(Overloaded) as refused:
            engine.admit("b")
        assert refused.value.code is ErrorCode.OVERLOADED
        assert refused.value.retry_after
        runs = [asyncio.create_task(pipeline.run()) for pipeline in pipelines]
        await asyncio.sleep(0)
        for run in runs:
            run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)
        engine.release(slot)
        engine.admit("b")


async def test_a_model_that_does_not_work_is_told_at_the_start(tmp_path: Path) -> None:
    """The reason is that of the program, or of the server."""
    binary = fake_binary(tmp_path / "fake", crash_s=1.5)
    with pytest.raises(ModelUnavailable, match=r"first inference failed: .*code -6"):
        async with started(binary.spec()):
            pass
    with fake_server() as server:
        settings = RealtimeSettings((server.url,), model="another")
        with pytest.raises(ModelUnavailable, match=r"does not exist.*realtime\.model"):
            async with started(ModelSpec("voxtral-realtime", "any", options=settings)):
                pass
