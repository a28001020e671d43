"""A streaming pipeline on the fake `voxtral`, whose text tells to the sample what it was given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from echopanel.asr.provider import DecodeOptions, Model, ModelSpec, Provider
from echopanel.asr.vad import SileroVad
from echopanel.asr.voxtral import Voxtral
from echopanel.audio import Samples, Source, float_to_pcm16
from echopanel.engine.events import Event
from echopanel.engine.metrics import Metrics
from echopanel.engine.options import PipelineOptions
from echopanel.engine.streaming import StreamingPipeline
from echopanel.engine.streams import Streams
from echopanel.policy.clock import SessionClock
from echopanel.policy.endpoint import EndpointSettings
from echopanel.transcript import Coverage, Final, Partial
from tests.engine.rig import LOUD_VAD, frames, soon
from tests.helpers.fake_voxtral import spoken
from tests.helpers.threads import check_threads

T = TypeVar("T")


@dataclass
class Heard:
    """A pipeline, what it was fed and what it said."""

    pipeline: StreamingPipeline
    audio: list[Samples] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def of(self, kind: type[T]) -> list[T]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def coverage(self) -> Coverage:
        """The ledger."""
        return self.pipeline.ledger.coverage()

    def feed(self, samples: Samples, size: int = 1600) -> None:
        """Hand audio in all at once."""
        for frame in frames(samples, self.pipeline.source, self.pipeline.end, size):
            self.pipeline.feed(frame)
            assert self.coverage.balanced()
        self.audio.append(samples)

    async def play(self, samples: Samples, size: int = 1600) -> None:
        """Hand audio in bit by bit, each bit heard before the next comes."""
        for at in range(0, len(samples), size):
            self.feed(samples[at : at + size])
            await asyncio.sleep(0.001)

    async def read(self, start: int, end: int) -> bytes:
        """The journal."""
        return float_to_pcm16(np.concatenate(self.audio)[start:end])

    def check(self, *, whole: bool = True) -> None:
        """Each final says exactly what lies in its range; `whole`: and all else was silence.

        Partials only grow into their final.
        """
        audio = np.concatenate(self.audio)
        stable: dict[str, str] = {}
        for event in self.events:
            if isinstance(event, Partial):
                assert event.stable.startswith(stable.get(event.segment_id, ""))
                stable[event.segment_id] = event.stable
            if isinstance(event, Final):
                segment = event.segment
                assert segment.text.split() == spoken(
                    float_to_pcm16(audio[segment.start_sample : segment.end_sample])
                )
                assert segment.text.startswith(stable.get(segment.id, ""))
                times = [time for word in segment.words for time in (word.start, word.end)]
                assert times == sorted(times)
                assert segment.start - 0.01 <= times[0]
        coverage = self.coverage
        assert coverage.balanced()
        if whole:
            assert (coverage.pending, coverage.lost, self.pipeline.shed) == (0, 0, [])
            finals = sorted((f.segment.start_sample, f.segment.end_sample) for f in self.of(Final))
            silent = audio.copy()
            for start, end in finals:
                silent[start:end] = 0
            assert not silent.any()
            assert coverage.transcribed == sum(end - start for start, end in finals)
            assert coverage.captured == len(audio)


@asynccontextmanager
async def streaming(model: Model) -> AsyncIterator[Streams]:
    """Streams that are closed at the end, and with them the model."""
    check_threads()
    streams = Streams(lambda: model, Metrics())
    try:
        yield streams
    finally:
        await streams.close()
        await asyncio.to_thread(model.close)


@asynccontextmanager
async def hearing(
    streams: Streams,
    *,
    source: Source = Source.MIC,
    session: str = "s",
    partials: bool = True,
    vad: SileroVad = LOUD_VAD,
    endpoint: EndpointSettings | None = None,
) -> AsyncIterator[Heard]:
    """A running pipeline."""
    heard: Heard
    pipeline = StreamingPipeline(
        session,
        source,
        PipelineOptions(DecodeOptions(language="en"), partials),
        streams=streams,
        vad=vad.stream(),
        endpoint=endpoint or EndpointSettings(),
        clock=SessionClock(),
        metrics=streams._metrics,
        emit=lambda event: heard.events.append(event),
    )
    heard = Heard(pipeline)
    running = asyncio.create_task(pipeline.run())
    try:
        yield heard
    finally:
        running.cancel()
        failed = await asyncio.gather(running, return_exceptions=True)
        assert isinstance(failed[0], asyncio.CancelledError), failed


async def loaded(spec: ModelSpec, provider: Provider | None = None) -> Model:
    """A model, loaded aside."""
    return await asyncio.to_thread((provider or Voxtral()).load, spec)


__all__ = ["Heard", "hearing", "loaded", "soon", "streaming"]
