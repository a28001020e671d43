"""The recognition side of a server, wired together: model, queue, workers, pace, health."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace

from echopanel.asr.catalog import Catalog
from echopanel.asr.provider import ModelSpec
from echopanel.asr.registry import Providers, get_provider
from echopanel.asr.stock import check_installed
from echopanel.asr.vad import SileroVad
from echopanel.audio import Source
from echopanel.engine.events import Event
from echopanel.engine.health import Health, HealthReport
from echopanel.engine.lead import LEAD_S
from echopanel.engine.lineup import Lineup
from echopanel.engine.metrics import Metrics
from echopanel.engine.models import ModelHost, ModelRegistry, WarmUp
from echopanel.engine.options import PipelineOptions
from echopanel.engine.pipeline import Pipeline
from echopanel.engine.quality import Quality
from echopanel.engine.recogniser import Recogniser
from echopanel.engine.second_pass import Progress, SecondPass, Turn, no_waiting
from echopanel.engine.settings import EngineSettings, LoadStrategy
from echopanel.engine.signal import Signal
from echopanel.engine.standin import StandIn
from echopanel.engine.streaming import StreamingPipeline
from echopanel.engine.streams import Streams
from echopanel.engine.tasks import background
from echopanel.errors import ErrorCode, Overloaded
from echopanel.policy.admission import Admission, Refusal, Slot
from echopanel.policy.clock import SessionClock
from echopanel.policy.endpoint import EndpointSettings
from echopanel.policy.load import LoadMeter
from echopanel.policy.scheduler import Scheduler, SchedulerSettings
from echopanel.transcript import Refined

__all__ = ["Engine", "Slot", "SourcePipeline", "Status"]

TICK_S = 0.5
WATCH_S = 0.1
RETRY_AFTER_S = 30.0
# A machine with time to spare catches up on what was put off, behind live speech.
IDLE_BELOW = 0.7

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

    def __init__(self, settings: EngineSettings, providers: Providers | None = None) -> None:
        """By default the recognisers are those that are installed."""
        self.settings = settings
        self.metrics = Metrics()
        self._vad = SileroVad()
        self._models = ModelRegistry(
            providers or get_provider, self.metrics, settings.model_memory_bytes, self._vad
        )
        self._lineup = Lineup(self._models, self._vad, settings)
        self._loading: asyncio.Task[None] | None = None
        self._recogniser = Recogniser(
            self._lineup,
            Scheduler(scheduler_settings(settings)),
            LoadMeter(settings.max_inference),
            self.metrics,
            workers=settings.max_inference,
            stuck_after_s=settings.stuck_after_s,
        )
        streaming = self.host.capabilities.streaming
        self._streams = Streams(lambda: self.host.model, self.metrics) if streaming else None
        self.quality = Quality(settings, self._recogniser, self._lineup, self.metrics)
        self._health = Health(
            self.host, self._lineup, self._recogniser, settings.probe_interval_s, self._streams
        )
        self._admission = Admission(settings.admission)
        self._pipelines: weakref.WeakKeyDictionary[Pipeline, bool] = weakref.WeakKeyDictionary()
        self._tasks: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        return f"<Engine {self.host!r} {self._recogniser!r}>"

    @property
    def host(self) -> ModelHost:
        """The model that sessions are promised."""
        return self._lineup.first

    @property
    def changed(self) -> Signal:
        """Tells of changes of the quality."""
        return self.quality.changed

    @property
    def ready(self) -> bool:
        """Whether sessions can be taken: the model is warm, or is to be loaded by the first of them."""
        return self.host.ready or self.settings.load_strategy is LoadStrategy.LAZY

    async def start(self) -> None:
        """Load and warm the model (`eager`), begin doing so in the background (`hybrid`), or leave it.

        Raises:
            ModelUnavailable: it cannot be used, with what to do.
        """
        self._tasks.append(background(self._watch(), "engine watchdog"))
        self._tasks.append(background(self._tick(), "engine tick"))
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
            self._loading = asyncio.create_task(self._lineup.load(), name="load model")
        # Whoever asked may go away meanwhile; others want the model too.
        await asyncio.shield(self._loading)

    async def close(self) -> None:
        """Stop the workers and free the model."""
        tasks = [task for task in (*self._tasks, self._loading) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._recogniser.close()
        if self._streams is not None:
            await self._streams.close()
        await self._lineup.close()
        await self._models.unload_all()

    def pipeline(
        self,
        session: str,
        source: Source,
        options: PipelineOptions,
        clock: SessionClock,
        emit: Callable[[Event], None],
        *,
        alone: bool = True,
    ) -> SourcePipeline:
        """A new source for a session; run its `run` and feed it. `alone`: the session has no other.

        A secondary source that is not alone is put off when there is far too much to do; of one that is, the
        times of words may be guessed then.
        """
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
                standin=StandIn(
                    session,
                    options,
                    self._recogniser,
                    self._lineup,
                    lambda: self.quality.pace,
                    self.settings.stuck_after_s,
                ),
            )
        options = replace(options, alone=alone)
        put_off = source is self.settings.secondary_source and not alone
        quality = self.quality
        pipeline = Pipeline(
            session,
            source,
            options,
            recogniser=self._recogniser,
            vad=self._vad.stream(),
            endpoint=self._endpoint,
            clock=clock,
            metrics=self.metrics,
            pace=lambda: quality.secondary_pace if put_off else quality.pace,
            emit=emit,
        )
        self._pipelines[pipeline] = put_off
        return pipeline

    @property
    def _endpoint(self) -> EndpointSettings:
        """How speech is cut: also with its left context an utterance is no longer than the model can take."""
        endpoint, most_s = self.settings.endpoint, self.host.capabilities.max_chunk_seconds - LEAD_S
        return replace(endpoint, max_utterance_s=min(endpoint.max_utterance_s, most_s))

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

    async def check_installed(self, spec: ModelSpec) -> None:
        """Make sure that a model can be loaded without fetching it first.

        Raises:
            ModelUnavailable: it cannot, with the command that installs it.
            ConfigError: the provider is not there.
        """
        await asyncio.to_thread(check_installed, spec)

    async def refine(
        self, work: SecondPass, turn: Turn = no_waiting, on_progress: Progress = lambda _: None
    ) -> Refined:
        """Recognise the recordings of a session once more, with a model that is loaded for that alone.

        Raises:
            ModelUnavailable: it cannot be loaded, or there is no room for it.
            AudioError, TranscriptionFailed: as `SecondPass.run`.
        """
        async with self._models.lease(work.spec, WarmUp(1, 1)) as host:
            refined = await work.run(host, self._vad, turn, on_progress)
        if not host.life.leases:
            await host.unload()
        return refined

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
        reading, standing = self._recogniser.reading(), self.quality.standing
        return Status(
            level=standing.plan.level,
            plan=standing.name,
            reason=standing.reason,
            load=round(reading.load, 3),
            rtf_last=round(reading.rtf_last, 4),
            rtf_mean=round(reading.rtf_mean, 4),
            rtf_p95=round(reading.rtf_p95, 4),
            chunk_interval_s=self.quality.pace.interval_s,
            queue_depth=self._recogniser.depth,
        )

    @property
    def idle(self) -> bool:
        """Whether there is time for what was put off."""
        return self.quality.standing.plan.secondary_live and self.leisurely

    @property
    def calm(self) -> bool:
        """Whether there is time, and has been for a while: the ladder is at full quality."""
        return self.quality.standing.plan.level == 0 and self.leisurely

    @property
    def leisurely(self) -> bool:
        """Whether the first model has time for what nobody waits for, as far as live speech goes."""
        return not self.quality.standing.plan.fallback and self._recogniser.reading().load < IDLE_BELOW

    async def health(self) -> HealthReport:
        """The answer of `/health`."""
        return await self._health.report()

    async def _watch(self) -> None:
        """Look after the workers: whoever speaks waits for one that hangs."""
        while True:
            self._recogniser.check_workers()
            await asyncio.sleep(WATCH_S)

    async def _tick(self) -> None:
        """Twice a second: decide on the quality."""
        while True:
            self.quality.tick(put_off for pipeline, put_off in self._pipelines.items() if pipeline.speaking)
            await asyncio.sleep(TICK_S)


def scheduler_settings(settings: EngineSettings) -> SchedulerSettings:
    """What the queue is told."""
    return SchedulerSettings(
        max_running=settings.max_inference,
        max_batch=settings.max_batch,
        secondary=settings.secondary_source,
        bounds={Source.MIC: settings.queue_bound_mic, Source.SYSTEM: settings.queue_bound_system},
    )
