"""The recognition side of a server, wired together: model, queue, workers, pace, health."""

from __future__ import annotations

import asyncio
import contextlib
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from echopanel.asr.catalog import Catalog
from echopanel.asr.registry import get_provider
from echopanel.asr.vad import SileroVad
from echopanel.audio import Source
from echopanel.engine.events import Event
from echopanel.engine.health import Health, HealthReport
from echopanel.engine.metrics import Metrics
from echopanel.engine.models import ModelRegistry, WarmUp
from echopanel.engine.pace import Pace
from echopanel.engine.pipeline import Pipeline, PipelineOptions
from echopanel.engine.recogniser import Recogniser
from echopanel.engine.settings import EngineSettings, LoadStrategy
from echopanel.engine.signal import Signal
from echopanel.engine.streaming import StreamingPipeline
from echopanel.engine.streams import Streams
from echopanel.errors import ErrorCode, ModelUnavailable, Overloaded
from echopanel.policy.admission import Admission, Refusal, Slot
from echopanel.policy.chunking import ChunkInterval
from echopanel.policy.clock import SessionClock
from echopanel.policy.load import LoadMeter
from echopanel.policy.scheduler import Scheduler, SchedulerSettings

__all__ = ["Engine", "Slot", "SourcePipeline", "Status"]

log = structlog.get_logger(__name__)

TICK_S = 0.5
RETRY_AFTER_S = 30.0

SourcePipeline = Pipeline | StreamingPipeline


@dataclass(frozen=True, slots=True)
class Status:
    """How the engine is doing; `level` and `plan` name the quality it works at."""

    level: int
    plan: str
    reason: str
    load: float
    rtf_last: float
    rtf_mean: float
    rtf_p95: float
    chunk_interval_s: float
    queue_depth: int


class Engine:
    """One per server, on one event loop. `start` may take as long as loading a model does."""

    def __init__(self, settings: EngineSettings, metrics: Metrics | None = None) -> None:
        self.settings = settings
        self.metrics = metrics or Metrics()
        self.changed = Signal()
        self._vad = SileroVad()
        self._models = ModelRegistry(get_provider, self.metrics, settings.model_memory_bytes, self._vad)
        self.host = self._models.host(settings.model)
        self._leases = contextlib.AsyncExitStack()
        self._loading: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._interval = ChunkInterval(settings.chunking)
        self._recogniser = Recogniser(
            lambda: self.host.model,
            Scheduler(scheduler_settings(settings)),
            LoadMeter(settings.max_inference),
            self.metrics,
            workers=settings.max_inference,
            stuck_after_s=settings.stuck_after_s,
        )
        streaming = self.host.capabilities.streaming
        self._streams = Streams(lambda: self.host.model, self.metrics) if streaming else None
        self._health = Health(self.host, self._recogniser, settings.probe_interval_s, self._streams)
        self._pace = Pace(self._interval.interval)
        self._admission = Admission(settings.admission)
        self._pipelines: weakref.WeakSet[Pipeline] = weakref.WeakSet()
        self._tasks: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        return f"<Engine {self.host!r} {self._recogniser!r}>"

    @property
    def ready(self) -> bool:
        """Whether sessions can be taken: the model is warm, or is to be loaded by the first of them."""
        return self.host.ready or self.settings.load_strategy is LoadStrategy.LAZY

    async def start(self) -> None:
        """Load and warm the model (`eager`), begin doing so in the background (`hybrid`), or leave it.

        Raises:
            ModelUnavailable: it cannot be used, with what to do.
        """
        self._tasks.append(asyncio.create_task(self._tick(), name="engine tick"))
        match self.settings.load_strategy:
            case LoadStrategy.EAGER:
                await self.load()
            case LoadStrategy.HYBRID:
                self._tasks.append(asyncio.create_task(self.load(), name="load model in background"))

    async def load(self) -> None:
        """Load and warm the model unless that is done or under way already.

        Raises:
            ModelUnavailable: it cannot be used, with what to do.
        """
        if self._loading is None or (self._loading.done() and not self.host.ready):
            self._loading = asyncio.create_task(self._lease(), name="load model")
        # Whoever asked may go away meanwhile; others want the model too.
        await asyncio.shield(self._loading)

    async def _lease(self) -> None:
        warm_up = WarmUp(self.settings.warmup_level, self.settings.max_batch)
        await self._leases.enter_async_context(self._models.lease(self.settings.model, warm_up))

    async def close(self) -> None:
        """Stop the workers and free the model."""
        tasks = [task for task in (*self._tasks, self._loading, self._renewing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._recogniser.close()
        if self._streams is not None:
            await self._streams.close()
        await self._leases.aclose()
        await self._models.unload_all()

    def pipeline(
        self,
        session: str,
        source: Source,
        options: PipelineOptions,
        clock: SessionClock,
        emit: Callable[[Event], None],
    ) -> SourcePipeline:
        """A new source for a session; run its `run` and feed it."""
        if self._streams is not None:
            return StreamingPipeline(
                session,
                source,
                options,
                streams=self._streams,
                vad=self._vad.stream(),
                endpoint=self.settings.endpoint,
                clock=clock,
                metrics=self.metrics,
                emit=emit,
            )
        pipeline = Pipeline(
            session,
            source,
            options,
            recogniser=self._recogniser,
            vad=self._vad.stream(),
            endpoint=self.settings.endpoint,
            clock=clock,
            metrics=self.metrics,
            pace=lambda: self._pace,
            emit=emit,
        )
        self._pipelines.add(pipeline)
        return pipeline

    def clock(self, origin_ms: float | None) -> SessionClock:
        """The clock of a session; `origin_ms` is the capture time that counts as zero, if it is known."""
        return SessionClock(origin_ms)

    def catalogue(self) -> list[dict[str, object]]:
        """The models known by name, and which are on this machine; reads the disk."""
        return [
            {
                "name": one.name,
                "megabytes": one.megabytes,
                "languages": one.languages,
                "here": one.folder is not None,
            }
            for one in Catalog().listings()
        ]

    def admit(self, client: str) -> Slot:
        """The right to one session; give it back with `release`.

        Raises:
            Overloaded: at once, with the reason and when to come back.
        """
        if self._streams is not None and not self._streams.room:
            self.metrics.refusals.labels(ErrorCode.OVERLOADED).inc()
            raise Overloaded(ErrorCode.OVERLOADED, "all streams of the recogniser are taken", RETRY_AFTER_S)
        admitted = self._admission.try_acquire(client)
        if isinstance(admitted, Refusal):
            self.metrics.refusals.labels(admitted.code).inc()
            raise Overloaded(admitted.code, admitted.message, admitted.retry_after)
        return admitted

    def release(self, slot: Slot) -> None:
        """Take a slot back; doing so again does nothing."""
        self._admission.release(slot)

    def queued(self, session: str, source: Source) -> tuple[int, int]:
        """Jobs of a source that wait, and how many may."""
        bound = self.settings.queue_bound_mic if source is Source.MIC else self.settings.queue_bound_system
        if self._streams is not None:
            return self._streams.queued(session, source), bound
        return self._recogniser.queued(session, source), bound

    def status(self) -> Status:
        """The figures of `flow`."""
        reading = self._recogniser.reading()
        return Status(
            level=0,
            plan="full quality",
            reason="",
            load=round(reading.load, 3),
            rtf_last=round(reading.rtf_last, 4),
            rtf_mean=round(reading.rtf_mean, 4),
            rtf_p95=round(reading.rtf_p95, 4),
            chunk_interval_s=self._pace.interval_s,
            queue_depth=self._recogniser.depth,
        )

    async def health(self) -> HealthReport:
        """The answer of `/health`."""
        return await self._health.report()

    async def _tick(self) -> None:
        """Twice a second: look after the workers, and set the pace by the load."""
        while True:
            if self._recogniser.check_workers() and (self._renewing is None or self._renewing.done()):
                self._renewing = asyncio.create_task(self._renew_model(), name="load model again")
            self._set_pace()
            await asyncio.sleep(TICK_S)

    async def _renew_model(self) -> None:
        """What hung one worker may hang the next as well."""
        try:
            await self.host.renew()
        except ModelUnavailable as error:
            log.error("cannot load the model again", error=str(error))

    def _set_pace(self) -> None:
        reading = self._recogniser.reading()
        backlog = self._recogniser.backlog_s
        speakers = sum(pipeline.speaking for pipeline in self._pipelines)
        least = self._recogniser.interval_for(speakers)
        interval = self._interval.observe(reading.load, backlog, time.monotonic(), least)
        pace = Pace.at(reading.load, interval)
        if pace != self._pace:
            log.info("pace", interval_s=interval, speculate=pace.speculate, load=round(reading.load, 2))
            self._pace = pace
            self._recogniser.gather_s = pace.gather_s
            self.changed.notify()
        self.metrics.load.set(reading.load)
        self.metrics.rtf.set(reading.rtf_mean)
        self.metrics.backlog_seconds.set(backlog)
        self.metrics.chunk_interval_seconds.set(interval)


def scheduler_settings(settings: EngineSettings) -> SchedulerSettings:
    """What the queue is told."""
    return SchedulerSettings(
        max_running=settings.max_inference,
        max_batch=settings.max_batch,
        secondary=settings.secondary_source,
        bounds={Source.MIC: settings.queue_bound_mic, Source.SYSTEM: settings.queue_bound_system},
    )
