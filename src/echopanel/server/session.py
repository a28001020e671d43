"""A session: two sources, one clock, one transcript. It outlives its connections."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

import structlog

from echopanel.audio import SAMPLE_RATE, AudioFrame, Source, to_samples, to_seconds
from echopanel.engine.bleed import BleedMarker
from echopanel.engine.engine import Engine
from echopanel.engine.options import PipelineOptions
from echopanel.engine.recovery import CONTEXT_S, Past
from echopanel.errors import EchoPanelError, ErrorCode, StoreError
from echopanel.server.accounts import checked
from echopanel.server.audience import Audience
from echopanel.server.broadcast import Broadcast
from echopanel.server.deferred import Deferred
from echopanel.server.keeper import Entry, Keeper
from echopanel.server.outbox import Outbox
from echopanel.server.track import Track
from echopanel.store.transcripts import ResumeRecord
from echopanel.transcript import Coverage
from echopanel.wire.fields import MAX_SAMPLE
from echopanel.wire.messages import (
    Ack,
    Error,
    Flow,
    Flushed,
    ServerMessage,
    SourceFlow,
    SourceReady,
)
from echopanel.wire.timeline import Timeline

log = structlog.get_logger(__name__)

FLOW_INTERVAL_S = 1.0
CONTEXT_SAMPLES = to_samples(CONTEXT_S)
RECOVERY_SAMPLES = SAMPLE_RATE
# A source's clock is stored when it has moved by this much: nobody sees less between two lines.
CLOCK_STEP_S = 0.02
# A source from which nothing came for so long sends nothing; frames are 0.4 s at most.
QUIET_S = 1.0


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
        self._engine = engine
        self._keeper = keeper
        self._credit = to_samples(limits.credit_s)
        self._clock = engine.clock(record.origin_ms)
        self._broadcast = Broadcast(session_id, keeper)
        self._finishing = False
        options = options_of(record)
        self._bleed = BleedMarker(self._broadcast.add, self._heard_until)
        alone = len(record.sources) == 1
        self._tracks = {
            source: Track(
                engine.pipeline(session_id, source, options, self._clock, self._bleed.take, alone=alone)
            )
            for source in record.sources
        }
        self._deferred = Deferred(
            session_id, self._tracks, engine=engine, keeper=keeper, refused=self._refused
        )

    def __repr__(self) -> str:
        return f"<LiveSession {self.id} {[track.pipeline for track in self._tracks.values()]}>"

    # --- what comes in ----------------------------------------------------------------------------

    def take(self, frame: AudioFrame) -> None:
        """Accept audio: trim what is known already, keep the rest, recognise it; none after `finish`."""
        if self._finishing:
            return
        track = self._tracks[frame.source]
        track.came_at = time.monotonic()
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
        self._broadcast.add(Flushed(flush_id))

    def close(self, captured: Mapping[Source, int]) -> None:
        """Take no more audio; what the client captured but never sent is lost."""
        self._finishing = True
        for source, sample in captured.items():
            self._tracks[source].timeline.finish(sample)
            self._tracks[source].pipeline.lose_until(sample, "not_received")

    async def put_aside(self, captured: Mapping[Source, int]) -> None:
        """Note that a closed session is to be completed, by whichever process can.

        Raises:
            StoreError: the disk does not take the note.
        """
        stopped = dict(captured)
        record = replace(self._dated(), stopped=stopped)
        store = self._keeper.transcripts
        await self._keeper.store(store.save_coverage, self.id, self.coverage())
        await self._keeper.store(store.stop_session, self.id, datetime.now(UTC), record)
        self.record = record

    async def finish(self, captured: Mapping[Source, int]) -> None:
        """Make everything final; what the client captured but never sent is lost."""
        self.close(captured)
        await self._settle(give_up=True)
        await self._broadcast.told()

    async def _settle(self, *, give_up: bool) -> None:
        await self._deferred.settle(give_up=give_up)
        self._bleed.release()

    async def recover(self, pasts: Mapping[Source, Past], last_event: int) -> None:
        """Take up what an earlier process left: recognise again what was journaled and is not final."""
        self._broadcast.last_event = last_event
        self._set_clock(pasts)
        for source, past in pasts.items():
            self._bleed.remember(past.finals)
            track = self._tracks[source]
            track.kept = past.end
            track.timeline = Timeline(past.end)
            context = await self._keeper.read(self.id, source, *past.context(CONTEXT_SAMPLES))
            track.pipeline.restore(past, context)
            damaged = {end for _, end in past.damaged}
            for start, end, skipped in past.unheard(RECOVERY_SAMPLES):
                if start in damaged:
                    track.pipeline.lose_until(start, "journal_damaged")
                pcm = await self._keeper.read(self.id, source, start, end)
                track.pipeline.feed(AudioFrame(source, start, pcm, skipped=skipped))

    def _set_clock(self, pasts: Mapping[Source, Past]) -> None:
        for source, offset in self.record.offsets.items():
            done = pasts[source].done
            self._clock.place(source, done, to_seconds(done) + offset)

    # --- what goes out ----------------------------------------------------------------------------

    @property
    def sources(self) -> tuple[Source, ...]:
        """The channels it was started with."""
        return tuple(self._tracks)

    @property
    def audience(self) -> Audience:
        """Those who read along."""
        return self._broadcast.audience

    @property
    def refused(self) -> str:
        """Why the disk does not take its audio or its text just now; "" while it does."""
        refusals = (track.refused for track in self._tracks.values())
        return self._broadcast.trouble or next(filter(None, refusals), "")

    @property
    def received(self) -> int:
        """Samples that came, of all sources."""
        return sum(track.pipeline.ledger.coverage().received for track in self._tracks.values())

    @property
    def attached(self) -> bool:
        """Whether a connection listens."""
        return self._broadcast.attached

    async def attach(self, outbox: Outbox, first: ServerMessage, last_event: int) -> Outbox | None:
        """Send to `outbox` from now on: `first`, what was missed since `last_event`; returns the old one."""
        refusals = [track.refused for track in self._tracks.values()]
        return await self._broadcast.attach(outbox, first, last_event, refusals)

    def detach(self, outbox: Outbox) -> bool:
        """The connection of `outbox` has ended; False: another one had taken over."""
        return self._broadcast.detach(outbox)

    async def watch(self, outbox: Outbox, last_event: int) -> None:
        """Let somebody read along in `outbox`: what was missed since `last_event`, then what comes."""
        await self._broadcast.watch(outbox, last_event)

    def answer(self, message: ServerMessage) -> None:
        """Send something to the client alone, if it is there."""
        self._broadcast.answer(message)

    def tell(self, message: ServerMessage) -> None:
        """Send something to whoever is attached; nobody: what matters is stored and sent on resuming."""
        self._broadcast.tell(message)

    async def run(self) -> None:
        """Recognise, publish and report until cancelled."""
        async with asyncio.TaskGroup() as group:
            for track in self._tracks.values():
                group.create_task(track.pipeline.run())
            group.create_task(self._bleed.run())
            group.create_task(self._broadcast.run())
            group.create_task(self._report())
            group.create_task(self._deferred.run())

    async def _report(self) -> None:
        changes = self._engine.changed
        while True:
            self.tell(self.flow())
            await changes.wait(FLOW_INTERVAL_S)
            await self._save_clock()

    async def _save_clock(self) -> None:
        """Keep what the session clock knows, so that times go on after a restart."""
        record = self._dated()
        if record == self.record or self._finishing:
            return
        try:
            await self._keeper.store(self._keeper.transcripts.save_resume, self.id, record)
            self.record = record
        except StoreError as error:
            log.error("cannot store the session's clock", session=self.id, error=str(error))

    def _dated(self) -> ResumeRecord:
        """The record with the session clock as it is now; small steps of a source do not count."""
        offsets = self._clock.offsets()
        known = self.record.offsets
        if known.keys() == offsets.keys() and all(
            abs(offsets[source] - known[source]) < CLOCK_STEP_S for source in offsets
        ):
            offsets = known
        return replace(self.record, origin_ms=self._clock.origin_ms, offsets=offsets)

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
        """Seconds on the session clock before which the text of the loudspeakers is final.

        Where no audio of theirs comes and no more than its silent end waits, nothing is played.
        """
        track = self._tracks.get(Source.SYSTEM)
        if track is None:
            return math.inf
        waiting = to_seconds(track.pipeline.end - track.pipeline.handled) > QUIET_S
        if not waiting and time.monotonic() - track.came_at > QUIET_S:
            return math.inf
        return self._clock.at(Source.SYSTEM, track.pipeline.handled)

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
