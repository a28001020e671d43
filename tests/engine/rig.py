"""A recogniser on the scripted model, and a voice detector that hears loudness: all of it exact."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar, cast

import numpy as np
import pytest

from echopanel.asr.fake import Fake, FakeModel, Script
from echopanel.asr.provider import DecodeOptions, Hypothesis, Model, ModelSpec
from echopanel.asr.silero import WINDOW
from echopanel.asr.vad import Probabilities, SileroVad, VadStream
from echopanel.audio import SAMPLE_RATE, AudioFrame, Chunk, Samples, Source, float_to_pcm16, to_samples
from echopanel.engine.engine import Engine
from echopanel.engine.events import Event
from echopanel.engine.excerpt import Excerpt
from echopanel.engine.metrics import Metrics
from echopanel.engine.options import PipelineOptions
from echopanel.engine.pace import Pace
from echopanel.engine.pipeline import Pipeline
from echopanel.engine.recogniser import Recogniser, Request
from echopanel.engine.settings import EngineSettings
from echopanel.policy.clock import SessionClock
from echopanel.policy.endpoint import EndpointSettings
from echopanel.policy.load import LoadMeter
from echopanel.policy.scheduler import JobKind, Scheduler, SchedulerSettings
from echopanel.transcript import Coverage, Final, Gap, Partial
from tests.helpers.threads import check_threads

T = TypeVar("T")
Audio = Samples | Sequence[AudioFrame]

SPEC = ModelSpec("fake", "scripted")
FRAME = SAMPLE_RATE // 10
PATIENCE_S = 20.0  # so long nothing takes; a test that waits longer has failed


class LoudVad:
    """Stands in for Silero: a window that is loud is speech. A reset forgets the part of a window."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)

    def stream(self) -> VadStream:
        """A fresh detector."""
        return cast(VadStream, LoudVad())

    def reset(self) -> None:
        self._rest = np.zeros(0, np.float32)

    def push(self, samples: Samples) -> Probabilities:
        heard = np.concatenate((self._rest, samples))
        count = len(heard) // WINDOW
        self._rest = heard[count * WINDOW :]
        peaks = np.abs(heard[: count * WINDOW].reshape(count, WINDOW)).max(axis=1, initial=0.0)
        return np.asarray(peaks > 0.01, np.float32)


LOUD_VAD = cast(SileroVad, LoudVad())


def speech(seconds: float, level: float = 0.5) -> Samples:
    """Something loud."""
    return np.full(to_samples(seconds), level, np.float32)


def silence(seconds: float) -> Samples:
    """Nothing."""
    return np.zeros(to_samples(seconds), np.float32)


def said(*parts: Samples) -> Samples:
    """Parts one behind the other."""
    return np.concatenate(parts)


UTTERANCE = said(silence(0.5), speech(2.0), silence(1.0))


def frames(
    samples: Samples, source: Source = Source.MIC, start: int = 0, size: int = FRAME
) -> list[AudioFrame]:
    """Audio as a client sends it."""
    return [
        AudioFrame(source, start + at, float_to_pcm16(samples[at : at + size]))
        for at in range(0, len(samples), size)
    ]


async def soon(condition: Callable[[], bool]) -> None:
    """Let the event loop and the worker threads go on until the condition holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.002)


def quarters(texts: Iterable[str]) -> list[int]:
    """Which quarter seconds of the timeline the scripted model's words name, in order."""
    return [int(word[1:].partition("l")[0]) for text in texts for word in text.split()]


@dataclass
class Rig:
    """A recogniser with its scripted model."""

    fake: Fake
    model: FakeModel
    recogniser: Recogniser
    metrics: Metrics = field(default_factory=Metrics)
    pace: Pace = field(default_factory=lambda: Pace(interval_s=0.5, speculate=False))
    models: OneModel = field(kw_only=True)

    def ask(
        self,
        kind: JobKind = JobKind.FINAL,
        *,
        session: str = "s",
        source: Source = Source.MIC,
        samples: Samples | None = None,
    ) -> asyncio.Future[Hypothesis]:
        """Queue one second, or other samples."""
        chunk = Chunk(source, 0, speech(1.0) if samples is None else samples)
        return self.recogniser.submit(
            Request(
                session, source, kind, chunk.seconds, lambda: Excerpt(chunk, DecodeOptions(), chunk.start)
            )
        )

    @property
    def calls(self) -> list[tuple[Chunk, ...]]:
        """What the model was given."""
        return self.model.calls


@dataclass
class OneModel:
    """A line-up of one model that is never given up; it notes what is said of it."""

    model: Model
    waiting: bool = False
    max_batch: int = 16
    fault: str = ""
    said: list[str] = field(default_factory=list)

    def pick(self, kind: JobKind, language: str | None) -> Model:
        return self.model

    def serving(self, language: str | None) -> str:
        return "scripted"

    def worked(self, model: Model) -> None:
        self.said.append("worked")

    def failed(self, model: Model, problem: str, *, hung: bool) -> None:
        self.said.append("hung" if hung else "failed")


@asynccontextmanager
async def rigged(
    script: Script | None = None,
    *,
    workers: int = 1,
    max_batch: int = 16,
    bound: int = 100,
    stuck_after_s: float = 60.0,
) -> AsyncIterator[Rig]:
    """A recogniser that is closed at the end, with no call left hanging."""
    check_threads()
    fake = Fake(script)
    model = cast(FakeModel, fake.load(SPEC))
    models = OneModel(model)
    metrics = Metrics()
    recogniser = Recogniser(
        models,
        Scheduler(
            SchedulerSettings(max_running=workers, max_batch=max_batch, bounds=dict.fromkeys(Source, bound))
        ),
        LoadMeter(workers),
        metrics,
        workers=workers,
        stuck_after_s=stuck_after_s,
    )
    try:
        yield Rig(fake, model, recogniser, metrics, models=models)
    finally:
        fake.release()
        await recogniser.close()


@dataclass
class Played:
    """A pipeline and what it said; every step is checked for what must always hold."""

    pipeline: Pipeline
    recogniser: Recogniser
    events: list[Event] = field(default_factory=list)

    def of(self, kind: type[T]) -> list[T]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def texts(self) -> list[str]:
        """The text of the finals."""
        return [final.segment.text for final in self.of(Final)]

    @property
    def coverage(self) -> Coverage:
        """The ledger."""
        return self.pipeline.ledger.coverage()

    def feed(self, samples: Audio, start: int | None = None, size: int = FRAME) -> None:
        """Hand audio in all at once."""
        for frame in self._frames(samples, start, size):
            self.pipeline.feed(frame)
            assert self.coverage.balanced()

    async def play(self, samples: Audio, start: int | None = None) -> None:
        """Hand audio in as if live: after each frame the recogniser may finish what it was asked."""
        for frame in self._frames(samples, start, FRAME):
            self.pipeline.feed(frame)
            assert self.coverage.balanced()
            await soon(lambda: not self.recogniser._calls)
            await asyncio.sleep(0)

    async def flush(self) -> None:
        """Make everything final."""
        async with asyncio.timeout(PATIENCE_S):
            await self.pipeline.flush()
        assert self.coverage.balanced()

    def check(self) -> None:
        """Stable text only grows and finals begin with it; finals come in order, save what was put off."""
        stable: dict[str, str] = {}
        revisions: dict[str, int] = {}
        put_off = {(gap.start_sample, gap.end_sample) for gap in self.of(Gap)}
        ranges: list[tuple[int, int]] = []
        for event in self.events:
            if isinstance(event, Partial):
                assert event.stable.startswith(stable.get(event.segment_id, ""))
                assert event.revision == revisions.get(event.segment_id, 0) + 1
                stable[event.segment_id] = event.stable
                revisions[event.segment_id] = event.revision
            elif isinstance(event, Final):
                assert event.segment.text.startswith(stable.pop(event.segment.id, ""))
                revisions[event.segment.id] = -1
                ranges.append((event.segment.start_sample, event.segment.end_sample))
        live = [one for one in ranges if one not in put_off]
        assert live == sorted(live)
        ranges.sort()
        assert all(start < end for start, end in ranges)
        assert all(one[1] <= other[0] for one, other in itertools.pairwise(ranges))

    def _frames(self, samples: Audio, start: int | None, size: int) -> Iterator[AudioFrame]:
        if isinstance(samples, np.ndarray):
            at = self.pipeline.end if start is None else start
            return iter(frames(samples, self.pipeline.source, at, size))
        return iter(samples)


@asynccontextmanager
async def playing(
    rig: Rig,
    *,
    source: Source = Source.MIC,
    session: str = "s",
    partials: bool = True,
    alone: bool = False,
    vad: SileroVad = LOUD_VAD,
    endpoint: EndpointSettings | None = None,
) -> AsyncIterator[Played]:
    """A running pipeline."""
    played: Played
    pipeline = Pipeline(
        session,
        source,
        PipelineOptions(DecodeOptions(language="en"), partials, alone),
        recogniser=rig.recogniser,
        vad=vad.stream(),
        endpoint=endpoint or EndpointSettings(),
        clock=SessionClock(),
        metrics=rig.metrics,
        pace=lambda: rig.pace,
        emit=lambda event: played.events.append(event),
    )
    played = Played(pipeline, rig.recogniser)
    running = asyncio.create_task(pipeline.run())
    try:
        yield played
        played.check()
    finally:
        running.cancel()
        failed = await asyncio.gather(running, return_exceptions=True)
        assert isinstance(failed[0], asyncio.CancelledError), failed


def pending(events: Iterable[Event]) -> list[tuple[int, int, str, str]]:
    """Gaps as (start, end, reason, status)."""
    return [(e.start_sample, e.end_sample, e.reason, e.status.value) for e in events if isinstance(e, Gap)]


def install(monkeypatch: pytest.MonkeyPatch, fake: Fake) -> None:
    """Let engines made from now on use the scripted model and hear loudness."""
    monkeypatch.setattr("echopanel.engine.engine.get_provider", lambda name: fake)
    monkeypatch.setattr("echopanel.engine.engine.SileroVad", LoudVad)


@asynccontextmanager
async def engine_of(fake: Fake, settings: EngineSettings) -> AsyncIterator[Engine]:
    """An engine, not started; at the end it is closed with no call left hanging."""
    check_threads()
    engine = Engine(settings)
    try:
        yield engine
    finally:
        fake.release()
        await engine.close()
