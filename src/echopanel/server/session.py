"""A session: two sources, one clock, one transcript. It outlives its connections."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import structlog

from echopanel.audio import SAMPLE_RATE, AudioFrame, Source, to_samples, to_seconds
from echopanel.engine.bleed import BleedMarker
from echopanel.engine.engine import Engine, SourcePipeline
from echopanel.engine.events import Event, Trouble
from echopanel.engine.pipeline import PipelineOptions
from echopanel.engine.recovery import Past
from echopanel.errors import EchoPanelError, ErrorCode, StoreError, UnknownSession
from echopanel.server.accounts import checked
from echopanel.server.audience import Audience
from echopanel.server.keeper import Entry, Keeper
from echopanel.server.outbox import Outbox
from echopanel.server.stored import from_stored, to_stored
from echopanel.server.track import Track
from echopanel.store.transcripts import ResumeRecord
from echopanel.transcript import Coverage, Final, Gap, Partial
from echopanel.wire.fields import MAX_SAMPLE
from echopanel.wire.messages import (
    Ack,
    Error,
    FinalMessage,
    Flow,
    Flushed,
    GapMessage,
    PartialMessage,
    ServerMessage,
    SourceFlow,
    SourceReady,
)
from echopanel.wire.timeline import Timeline

log = structlog.get_logger(__name__)

FLOW_INTERVAL_S = 1.0
RETRY_STORE_S = 1.0
REPAIR_AGAIN_S = 0.5
REPAIR_RARELY_S = 30.0
RECOVERY_SAMPLES = SAMPLE_RATE
# An idle machine catches up on what was put off.
REPAIR_BELOW_LOAD = 0.5


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Bounds of one session: seconds of audio ahead of the recogniser."""

    credit_s: float = 60.0


class LiveSession:
    """Owns the pipelines of a session and everything that is to be told about them."""

    def __init__(
        self,
        session_id: str,
        record: ResumeRecord,
        *,
        engine: Engine,
        keeper: Keeper,
        limits: SessionLimits,
    ) -> None:
        self.id = session_id
        self.record = record
        self.audience = Audience()
        self._outbox: Outbox | None = None
        self._order = asyncio.Lock()  # attaching must not fall between storing an event and sending it
        self._engine = engine
        self._keeper = keeper
        self._credit = to_samples(limits.credit_s)
        self._clock = engine.clock(record.origin_ms)
        self._events: asyncio.Queue[Event | Flushed] = asyncio.Queue()
        self._last_event = 0
        self._finishing = False
        self._storage_trouble = ""
        self._saved_origin_ms = record.origin_ms
        options = options_of(record)
        self._bleed = BleedMarker(self._events.put_nowait, self._heard_until)
        self._tracks = {
            source: Track(engine.pipeline(session_id, source, options, self._clock, self._bleed.take))
            for source in record.sources
        }

    def __repr__(self) -> str:
        return f"<LiveSession {self.id} {[track.pipeline for track in self._tracks.values()]}>"

    # --- what comes in ----------------------------------------------------------------------------

    def take(self, frame: AudioFrame) -> None:
        """Accept audio: trim what is known already, keep the rest, recognise it; none after `finish`."""
        if self._finishing:
            return
        track = self._tracks[frame.source]
        accepted = track.timeline.accept(frame)
        if accepted.frame is None:
            self._acknowledge(frame.source, track)  # a replay of what is here; say so again
            return
        with self._engine.metrics.ingest_seconds.time():
            track.pipeline.feed(accepted.frame)
        refused = partial(self._refused, frame.source)
        self._keeper.append(Entry(self.id, accepted.frame, self._kept, refused))

    async def flush(self, flush_id: str) -> None:
        """Make everything taken so far final, then say so behind the last final."""
        await self._settle(give_up=False)
        self._events.put_nowait(Flushed(flush_id))

    async def finish(self, captured: Mapping[Source, int]) -> None:
        """Make everything final; what the client captured but never sent is lost."""
        self._finishing = True
        for source, sample in captured.items():
            self._tracks[source].timeline.finish(sample)
            self._tracks[source].pipeline.lose_until(sample, "not_received")
        await self._settle(give_up=True)
        await self._events.join()

    async def _settle(self, *, give_up: bool) -> None:
        async with asyncio.TaskGroup() as group:
            for source, track in self._tracks.items():
                group.create_task(self._settle_source(source, track.pipeline, give_up=give_up))
        self._bleed.release()

    async def _settle_source(self, source: Source, pipeline: SourcePipeline, *, give_up: bool) -> None:
        await pipeline.flush()
        before = math.inf
        # What does not get less is put off until later, unless there is no later.
        while len(pipeline.shed) < before or (give_up and pipeline.shed):
            before = len(pipeline.shed)
            await self._repair_source(source, pipeline, give_up=give_up)
            if pipeline.shed:
                await asyncio.sleep(REPAIR_AGAIN_S)

    async def _repair_source(self, source: Source, pipeline: SourcePipeline, *, give_up: bool) -> None:
        """Recognise what was put off; what the disk does not give just now stays put off."""
        try:
            await pipeline.repair(partial(self._read, source), give_up=give_up)
        except StoreError as error:
            log.error("cannot read the journal", session=self.id, source=source, error=str(error))
            self._refused(source, error)

    async def _read(self, source: Source, start: int, end: int) -> bytes:
        """Audio out of the journal, once it is there.

        Raises:
            StoreError: the disk does not take it, or does not give it.
        """
        if end > self._tracks[source].kept:
            await self._keeper.write()
        if end > self._tracks[source].kept:
            raise StoreError("what was put off is not in the journal yet, because the disk refuses it")
        return await self._keeper.read(self.id, source, start, end)

    async def recover(self, pasts: Mapping[Source, Past], last_event: int) -> None:
        """Take up what an earlier process left: recognise again what was journaled and is not final."""
        self._last_event = last_event
        for source, past in pasts.items():
            self._bleed.remember(past.finals)
            track = self._tracks[source]
            track.kept = past.end
            track.timeline = Timeline(past.end)
            track.pipeline.restore(past)
            damaged = {end for _, end in past.damaged}
            for start, end, skipped in past.unheard(RECOVERY_SAMPLES):
                if start in damaged:
                    track.pipeline.lose_until(start, "journal_damaged")
                pcm = await self._keeper.read(self.id, source, start, end)
                track.pipeline.feed(AudioFrame(source, start, pcm, skipped=skipped))

    # --- what goes out ----------------------------------------------------------------------------

    @property
    def sources(self) -> tuple[Source, ...]:
        """The channels it was started with."""
        return tuple(self._tracks)

    @property
    def last_event(self) -> int:
        """The number of the newest event."""
        return self._last_event

    @property
    def received(self) -> int:
        """Samples that came, of all sources."""
        return sum(track.pipeline.ledger.coverage().received for track in self._tracks.values())

    @property
    def attached(self) -> bool:
        """Whether a connection listens."""
        return self._outbox is not None

    async def attach(self, outbox: Outbox, first: ServerMessage, last_event: int) -> Outbox | None:
        """Send to `outbox` from now on: `first`, what was missed since `last_event`; returns the old one."""
        async with self._order:
            missed = await self._keeper.store(self._keeper.transcripts.events_after, self.id, last_event)
            outbox.preload([first, *(from_stored(stored) for stored in missed)])
            for trouble in {self._storage_trouble, *(track.refused for track in self._tracks.values())} - {
                ""
            }:
                outbox.put(Error(ErrorCode.STORAGE_FAILED, trouble, fatal=False))
            old, self._outbox = self._outbox, outbox
            return old

    def detach(self, outbox: Outbox) -> bool:
        """The connection of `outbox` has ended; what happens now is sent when the client comes back.

        False: another one had taken over.
        """
        if self._outbox is not outbox:
            return False
        self._outbox = None
        return True

    async def watch(self, outbox: Outbox, last_event: int) -> None:
        """Let somebody read along in `outbox`: what was missed since `last_event`, then what comes."""
        async with self._order:
            missed = await self._keeper.store(self._keeper.transcripts.events_after, self.id, last_event)
            outbox.preload(map(from_stored, missed))
            self.audience.add(outbox)

    def tell(self, message: ServerMessage) -> None:
        """Send something to whoever is attached; nobody: what matters is stored and sent on resuming."""
        self.audience.tell(message)
        if self._outbox is not None:
            self._outbox.put(message)

    async def run(self) -> None:
        """Recognise, publish and report until cancelled."""
        async with asyncio.TaskGroup() as group:
            for track in self._tracks.values():
                group.create_task(track.pipeline.run())
            group.create_task(self._bleed.run())
            group.create_task(self._publish())
            group.create_task(self._report())
            group.create_task(self._repair())

    async def _publish(self) -> None:
        """Write what must not be forgotten to disk, then queue it for sending, in order."""
        while True:
            events = [await self._events.get()]
            while not self._events.empty():
                events.append(self._events.get_nowait())
            messages = [self._message(event) for event in events]
            while not await self._deliver(messages):  # noqa: ASYNC110 - nobody says when a disk is well again
                await asyncio.sleep(RETRY_STORE_S)
            for _ in events:
                self._events.task_done()

    async def _deliver(self, messages: Sequence[ServerMessage]) -> bool:
        """Store finals and gaps, then send; while the disk refuses, say so: nothing is sent unstored."""
        durable = [stored for message in messages if (stored := to_stored(message)) is not None]
        async with self._order:
            try:
                if durable:
                    await self._keeper.store(self._keeper.transcripts.add_events, self.id, durable)
            except UnknownSession:
                raise
            except StoreError as error:
                if not self._storage_trouble:
                    log.error("cannot store the transcript", session=self.id, error=str(error))
                    self.tell(Error(ErrorCode.STORAGE_FAILED, str(error), fatal=False))
                self._storage_trouble = str(error)
                return False
            self._storage_trouble = ""
            for message in messages:
                self.tell(message)
            return True

    def _message(self, event: Event | Flushed) -> ServerMessage:
        match event:
            case Partial():
                return PartialMessage(event)
            case Final():
                self._last_event += 1
                return FinalMessage(self._last_event, event)
            case Gap():
                self._last_event += 1
                return GapMessage(self._last_event, event)
            case Trouble():
                return Error(ErrorCode.RECOGNISER_FAILED, f"{event.source}: {event.message}", fatal=False)
            case Flushed():
                return event

    async def _report(self) -> None:
        changes = self._engine.changed
        while True:
            self.tell(self.flow())
            await changes.wait(FLOW_INTERVAL_S)
            await self._save_origin()

    async def _save_origin(self) -> None:
        """Keep where the session clock began, so that times go on after a restart."""
        if self._saved_origin_ms == self._clock.origin_ms:
            return
        record = replace(self.record, origin_ms=self._clock.origin_ms)
        try:
            await self._keeper.store(self._keeper.transcripts.save_resume, self.id, record)
            self._saved_origin_ms = self._clock.origin_ms
        except StoreError as error:
            log.error("cannot store the session's clock", session=self.id, error=str(error))

    async def _repair(self) -> None:
        """While there is time, recognise what was put off; what does not work is tried ever more rarely."""
        wait = REPAIR_AGAIN_S
        while True:
            await asyncio.sleep(wait)
            before = self._put_off
            if self._engine.status().load < REPAIR_BELOW_LOAD:
                for source, track in self._tracks.items():
                    await self._repair_source(source, track.pipeline, give_up=False)
            wait = min(2 * wait, REPAIR_RARELY_S) if 0 < before <= self._put_off else REPAIR_AGAIN_S

    @property
    def _put_off(self) -> int:
        return sum(len(track.pipeline.shed) for track in self._tracks.values())

    def flow(self) -> Flow:
        """How the server and the sources are doing now."""
        status = self._engine.status()
        return Flow(
            level=status.level,
            plan=status.plan,
            reason=status.reason,
            load=status.load,
            rtf_last=status.rtf_last,
            rtf_mean=status.rtf_mean,
            rtf_p95=status.rtf_p95,
            chunk_interval_s=status.chunk_interval_s,
            queue_depth=status.queue_depth,
            sources={source: self._source_flow(source, track) for source, track in self._tracks.items()},
        )

    def _source_flow(self, source: Source, track: Track) -> SourceFlow:
        queued, bound = self._engine.queued(self.id, source)
        coverage = self._ledger(source, track)
        return SourceFlow(
            backlog_s=round(to_seconds(coverage.pending), 3),
            queued=queued,
            queue_bound=bound,
            fill=round(queued / bound, 3),
            lag_s=track.pipeline.lag_s,
            credit=self._credit_of(track),
            coverage=coverage,
        )

    def standing(self) -> dict[Source, SourceReady]:
        """Where each source stands: the next sample wanted, and how far the client may send."""
        return {
            source: SourceReady(track.kept, self._credit_of(track)) for source, track in self._tracks.items()
        }

    def coverage(self) -> dict[Source, Coverage]:
        """The ledgers."""
        return {source: self._ledger(source, track) for source, track in self._tracks.items()}

    def _ledger(self, source: Source, track: Track) -> Coverage:
        return checked(track.pipeline.ledger.coverage(), self.id, source, self._engine.metrics)

    def _heard_until(self) -> float:
        """Seconds on the session clock before which the text of the loudspeakers is final."""
        track = self._tracks.get(Source.SYSTEM)
        return math.inf if track is None else self._clock.at(Source.SYSTEM, track.pipeline.handled)

    def _kept(self, source: Source, sample: int) -> None:
        """Audio before `sample` is on disk."""
        track = self._tracks[source]
        track.kept = max(track.kept, sample)
        track.refused = ""
        self._acknowledge(source, track)

    def _refused(self, source: Source, error: EchoPanelError) -> None:
        """The disk does not take audio now: the ack is withheld; the client keeps its copy and is told."""
        track = self._tracks[source]
        if not track.refused:
            self.tell(Error(ErrorCode.STORAGE_FAILED, str(error), fatal=False))
        track.refused = str(error)

    def _acknowledge(self, source: Source, track: Track) -> None:
        self.tell(Ack(source, track.kept, self._credit_of(track)))

    def _credit_of(self, track: Track) -> int:
        return min(track.kept, track.pipeline.handled, MAX_SAMPLE - self._credit) + self._credit


def options_of(record: ResumeRecord) -> PipelineOptions:
    """What the client wants of the recogniser."""
    return PipelineOptions.of(record.language, record.prompt, record.hotwords, partials=record.partials)
