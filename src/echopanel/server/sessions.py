"""All sessions of a server: admission, resuming, retention, ending."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from echopanel.audio import Source
from echopanel.engine.engine import Engine, Slot
from echopanel.engine.metrics import Metrics
from echopanel.engine.recovery import Past, Range
from echopanel.errors import ErrorCode, ModelUnavailable, Overloaded, StoreError
from echopanel.server.keeper import Keeper
from echopanel.server.outbox import Outbox
from echopanel.server.session import LiveSession, SessionLimits
from echopanel.store.transcripts import ResumeRecord, SessionRecord, SessionState, StoredEvent
from echopanel.transcript import Coverage, Final, Gap
from echopanel.wire.messages import Error, Limits, Ready, Start, Stopped

log = structlog.get_logger(__name__)

NOT_READY_RETRY_S = 2.0
UNAVAILABLE_RETRY_S = 30.0


class Refused(Exception):
    """A session cannot be opened; `error` says why and when to come back."""

    def __init__(self, error: Error) -> None:
        super().__init__(error)
        self.error = error


@dataclass(slots=True, eq=False)
class Entry:
    """A session, the task that runs it, its slot while a client is there, and since when none is."""

    session: LiveSession
    task: asyncio.Task[None]
    slot: Slot | None = None
    detached_at: float | None = None
    ending: bool = field(default=False)


class Sessions:
    """Opens, resumes and ends sessions; owns their tasks."""

    def __init__(
        self,
        engine: Engine,
        keeper: Keeper,
        limits: Limits,
        session_limits: SessionLimits,
    ) -> None:
        self._engine = engine
        self._keeper = keeper
        self._limits = limits
        self._session_limits = session_limits
        self._entries: dict[str, Entry] = {}
        self._going_away = ""
        self._recovered = False

    def __repr__(self) -> str:
        attached = sum(entry.session.attached for entry in self._entries.values())
        return f"<Sessions {attached} attached of {len(self._entries)}>"

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._entries

    def coverage(self, session_id: str) -> dict[Source, Coverage] | None:
        """The ledgers of a running session."""
        entry = self._entries.get(session_id)
        return None if entry is None else entry.session.coverage()

    @property
    def metrics(self) -> Metrics:
        """What is measured."""
        return self._engine.metrics

    @property
    def ready(self) -> bool:
        """Whether sessions can be opened."""
        return self._recovered and self._engine.ready and not self._going_away

    @property
    def going_away(self) -> str:
        """Why the server takes no more sessions; "" while it does."""
        return self._going_away

    # --- opening and resuming -----------------------------------------------------------------------

    async def open(self, start: Start, client: str, outbox: Outbox) -> LiveSession:
        """Open or resume a session and let `outbox` have its `ready` and everything after.

        Raises:
            Refused: with the error to answer.
        """
        if self._going_away:
            raise Refused(Error(ErrorCode.GOING_AWAY, self._going_away, retry_after=NOT_READY_RETRY_S))
        if not self.ready:
            raise Refused(
                Error(ErrorCode.NOT_READY, "the server is still starting", retry_after=NOT_READY_RETRY_S)
            )
        slot = self._admit(client)
        try:
            await self._engine.load()
            token = start.resume_token or secrets.token_urlsafe(24)
            entry = await self._resumed(start, token) if start.resume_token else await self._new(start, token)
        except ModelUnavailable as error:
            self._engine.release(slot)
            raise Refused(Error(ErrorCode.NOT_READY, str(error), retry_after=UNAVAILABLE_RETRY_S)) from error
        except BaseException:
            self._engine.release(slot)
            raise
        self._replace_slot(entry, slot)
        await self._attach(entry, start, token, outbox)
        return entry.session

    def _admit(self, client: str) -> Slot:
        try:
            return self._engine.admit(client)
        except Overloaded as full:
            raise Refused(Error(full.code, full.message, retry_after=full.retry_after)) from full

    async def _new(self, start: Start, token: str) -> Entry:
        session_id = secrets.token_hex(8)
        record = SessionRecord(
            id=session_id,
            created=datetime.now(UTC),
            title=start.title,
            language=start.language,
            provider=self._engine.settings.model.provider,
            model=self._engine.settings.model.name,
            continues=start.continues,
        )
        resume = resume_record(start, token)
        store = self._keeper.transcripts
        try:
            await self._keeper.store(store.create_session, record)
            await self._keeper.store(store.save_resume, session_id, resume)
            await self._keeper.audio(self._keeper.journal.session, session_id)
        except StoreError as error:
            raise Refused(Error(ErrorCode.STORAGE_FAILED, str(error))) from error
        log.info("session opened", session=session_id, sources=list(start.sources))
        return self._run(self._live(session_id, resume))

    def _live(self, session_id: str, record: ResumeRecord) -> LiveSession:
        return LiveSession(
            session_id, record, engine=self._engine, keeper=self._keeper, limits=self._session_limits
        )

    def _run(self, session: LiveSession) -> Entry:
        entry = Entry(session, asyncio.create_task(session.run(), name=f"session {session.id}"))
        entry.task.add_done_callback(lambda task: self._failed(entry, task))
        self._entries[session.id] = entry
        return entry

    async def recover(self) -> None:
        """Reopen the sessions that an earlier process left unfinished; their clients may come back.

        Raises:
            StoreError: the data directory cannot be read.
        """
        store = self._keeper.transcripts
        for session_id, record in (await self._keeper.store(store.resumable)).items():
            stored = await self._keeper.store(store.events_after, session_id)
            ranges = await self._keeper.audio(self._keeper.ranges, session_id)
            pasts = {source: past_of(source, ranges[source], stored) for source in record.sources}
            session = self._live(session_id, record)
            entry = self._run(session)
            entry.detached_at = time.monotonic()
            await session.recover(pasts, max((one.number for one in stored), default=0))
            log.info("session reopened", session=session_id, sources=list(record.sources))
        self._recovered = True

    async def _resumed(self, start: Start, token: str) -> Entry:
        entry = self._entries.get(start.session or "")
        if entry is None or not hmac.compare_digest(entry.session.record.token_sha256, digest(token)):
            raise Refused(
                Error(
                    ErrorCode.UNKNOWN_SESSION,
                    "no such session, or its time to resume has passed; "
                    "start a new one and name this in `continues`",
                )
            )
        if set(start.sources) != set(entry.session.sources):
            raise Refused(
                Error(ErrorCode.INVALID_START, "a resumed session keeps its sources; name the same")
            )
        await self._keeper.write()  # so that `next` is what is really in the journal
        return entry

    async def _attach(self, entry: Entry, start: Start, token: str, outbox: Outbox) -> None:
        session = entry.session
        ready = Ready(
            session=session.id,
            resume_token=token,
            resumed=start.resume_token is not None,
            sources=session.standing(),
            limits=self._limits,
            provider=self._engine.settings.model.provider,
            model=self._engine.settings.model.name,
        )
        entry.detached_at = None
        taken_over = await session.attach(outbox, ready, start.last_event)
        if taken_over is not None:
            taken_over.put(
                Error(ErrorCode.SESSION_TAKEN_OVER, "another connection goes on with this session")
            )
        self._engine.metrics.sessions.set(self.attached)
        log.info("client attached", session=session.id, resumed=ready.resumed)

    def _replace_slot(self, entry: Entry, slot: Slot | None) -> None:
        if entry.slot is not None:
            self._engine.release(entry.slot)
        entry.slot = slot

    # --- detaching and ending -----------------------------------------------------------------------

    @property
    def attached(self) -> int:
        """Sessions with a client."""
        return sum(entry.session.attached for entry in self._entries.values())

    def detach(self, session: LiveSession, outbox: Outbox) -> None:
        """A connection has ended. Its session waits for the client to come back; the slot does not."""
        session.detach(outbox)
        entry = self._entries.get(session.id)
        if entry is None or session.attached:
            return
        self._replace_slot(entry, None)
        entry.detached_at = time.monotonic()
        self._engine.metrics.sessions.set(self.attached)
        log.info("client detached", session=session.id)

    async def stop(self, session: LiveSession, captured: Mapping[Source, int]) -> None:
        """Finish a session because its client said so, and tell it when everything is written."""
        entry = self._entries.get(session.id)
        if entry is not None:
            await self._end(entry, captured, SessionState.ENDED)

    async def look_after(self) -> None:
        """Finish the sessions whose clients did not come back in time; count what waits. Call it often."""
        pending = sum(
            ledger.pending for entry in self._entries.values() for ledger in entry.session.coverage().values()
        )
        self._engine.metrics.pending_samples.set(pending)
        now = time.monotonic()
        for entry in list(self._entries.values()):
            gone = entry.detached_at
            if gone is not None and now - gone > self._limits.resume_window_s:
                await self._end(entry, {}, SessionState.INTERRUPTED)

    async def go_away(self, reason: str) -> None:
        """Take no more sessions, and tell all clients to come back later."""
        self._going_away = reason
        for entry in self._entries.values():
            entry.session.tell(Error(ErrorCode.GOING_AWAY, reason, retry_after=NOT_READY_RETRY_S))

    async def close(self) -> None:
        """End all tasks; what is unfinished stays in the journal."""
        for entry in self._entries.values():
            entry.task.cancel()
        await asyncio.gather(*(entry.task for entry in self._entries.values()), return_exceptions=True)

    async def _end(self, entry: Entry, captured: Mapping[Source, int], state: SessionState) -> None:
        """Make everything final, write the ledger, say so, delete the audio, end the task."""
        if entry.ending:
            return
        entry.ending = True
        session, store = entry.session, self._keeper.transcripts
        try:
            await session.finish(captured)
            await self._keeper.store(store.save_coverage, session.id, session.coverage())
            await self._keeper.store(store.end_session, session.id, datetime.now(UTC), state)
            await self._keeper.write()
            await self._keeper.retire(session.id)
        finally:
            entry.ending = False
        self._entries.pop(session.id, None)
        self._replace_slot(entry, None)
        session.tell(Stopped(session.id, session.coverage()))
        entry.task.cancel()
        log.info("session ended", session=session.id, state=state)

    def _failed(self, entry: Entry, task: asyncio.Task[None]) -> None:
        """A session's task ended by itself: a bug, which must cost its own session only."""
        if task.cancelled() or task.exception() is None:
            return
        log.error("session failed", session=entry.session.id, exc_info=task.exception())
        entry.session.tell(
            Error(ErrorCode.INTERNAL, "the session failed on the server; its log has the cause")
        )
        self._entries.pop(entry.session.id, None)
        self._replace_slot(entry, None)


def digest(token: str) -> str:
    """What is kept of a resume token: enough to know it again, useless to whoever reads the disk."""
    return hashlib.sha256(token.encode()).hexdigest()


def resume_record(start: Start, token: str) -> ResumeRecord:
    """What another process needs to go on with the session."""
    return ResumeRecord(
        token_sha256=digest(token),
        sources=start.sources,
        language=start.language,
        prompt=start.prompt,
        hotwords=start.hotwords,
        partials=start.partials,
    )


def past_of(source: Source, journaled: Sequence[Range], stored: Sequence[StoredEvent]) -> Past:
    """What the disk knows of one source."""
    finals = [one.event.segment for one in stored if isinstance(one.event, Final)]
    gaps = [one.event for one in stored if isinstance(one.event, Gap)]
    return Past(
        journaled=tuple(journaled),
        finals=tuple(segment for segment in finals if segment.source is source),
        gaps=tuple(gap for gap in gaps if gap.source is source),
    )
