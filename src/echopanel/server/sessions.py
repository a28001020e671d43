"""Opening sessions for clients: admission, resuming, and what an earlier process left."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from echopanel.audio import Source
from echopanel.engine.engine import Engine, Slot
from echopanel.engine.metrics import Metrics
from echopanel.errors import ErrorCode, ModelUnavailable, Overloaded, StoreError
from echopanel.server.keeper import Keeper
from echopanel.server.outbox import Outbox
from echopanel.server.resuming import (
    Ended,
    adopt_audio,
    ended_before,
    fresh_number,
    is_token,
    past_of,
    resume_record,
)
from echopanel.server.roster import Entry, Roster
from echopanel.server.session import LiveSession, SessionLimits
from echopanel.server.stored import from_stored
from echopanel.store.transcripts import ResumeRecord, SessionRecord
from echopanel.wire.messages import Error, Limits, Ready, SourceReady, Start

log = structlog.get_logger(__name__)

NOT_READY_RETRY_S = 2.0
UNAVAILABLE_RETRY_S = 30.0
FAREWELL_S = 2.0


class Refused(Exception):
    """A session cannot be opened; `error` says why and when to come back."""

    def __init__(self, error: Error) -> None:
        super().__init__(error)
        self.error = error


class Sessions:
    """Opens and resumes sessions for clients, and reopens those of an earlier process."""

    def __init__(self, engine: Engine, keeper: Keeper, limits: Limits, session_limits: SessionLimits) -> None:
        self.roster = Roster(engine, keeper, limits.resume_window_s)
        self._engine = engine
        self._keeper = keeper
        self._limits = limits
        self._session_limits = session_limits
        self._going_away = ""
        self._recovered = False

    def __repr__(self) -> str:
        return f"<Sessions {self.roster!r}>"

    @property
    def metrics(self) -> Metrics:
        """What is measured."""
        return self._engine.metrics

    @property
    def ready(self) -> bool:
        """Whether sessions can be opened."""
        return self._recovered and self._engine.ready and not self._going_away

    # --- opening and resuming -----------------------------------------------------------------------

    async def open(self, start: Start, client: str, outbox: Outbox) -> LiveSession | None:
        """Open or resume a session and let `outbox` have its `ready` and everything after.

        None: it has ended meanwhile, and its `stopped` is on its way.

        Raises:
            Refused: with the error to answer.
            StoreError: the disk does not do its part.
        """
        self._check_ready()
        await self._load()
        if ended := await self._ended(start):
            await self._say_again(ended, start, outbox)
            return None
        entry = self._find(start)
        slot = self._admit(client) if entry is None or entry.slot is None else None
        token = start.resume_token or secrets.token_urlsafe(24)
        try:
            if entry is None:
                entry = await self._new(start, token)
            await self._attach(entry, start, token, outbox, slot)
        except BaseException:
            if slot is not None:
                self._engine.release(slot)
            raise
        return entry.session

    def _check_ready(self) -> None:
        if self._going_away:
            raise Refused(Error(ErrorCode.GOING_AWAY, self._going_away, retry_after=NOT_READY_RETRY_S))
        if not self.ready:
            why = self._engine.host.error or "the server is still starting"
            raise Refused(Error(ErrorCode.NOT_READY, why, retry_after=NOT_READY_RETRY_S))

    def _admit(self, client: str) -> Slot:
        try:
            return self._engine.admit(client)
        except Overloaded as full:
            raise Refused(Error(full.code, full.message, retry_after=full.retry_after)) from full

    async def _load(self) -> None:
        try:
            await self._engine.load()
        except ModelUnavailable as error:
            raise Refused(Error(ErrorCode.NOT_READY, str(error), retry_after=UNAVAILABLE_RETRY_S)) from error

    async def _ended(self, start: Start) -> Ended | None:
        """The end of the session to resume, if it was stopped not long ago, by this process or another."""
        if start.session is None or start.session in self.roster:
            return None
        ended = self.roster.ended(start.session)
        return ended or await ended_before(self._keeper, start.session, self._limits.resume_window_s)

    def _find(self, start: Start) -> Entry | None:
        """The session to resume; None when none is asked for."""
        if start.resume_token is None:
            return None
        entry = self.roster.get(start.session or "")
        if entry is None or entry.given_up or not is_token(start.resume_token, entry.session.record):
            raise Refused(UNKNOWN)
        check_resume(start, entry.session.record)
        return entry

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
            await self._keeper.store(store.create_session, record, resume)
            await self._keeper.audio(self._keeper.journal.session, session_id)
        except StoreError:
            with contextlib.suppress(StoreError):
                await self._keeper.store(store.delete, session_id)
            raise
        log.info("session opened", session=session_id, sources=list(start.sources))
        return self.roster.run(self._live(session_id, resume))

    def _live(self, session_id: str, record: ResumeRecord) -> LiveSession:
        return LiveSession(
            session_id, record, engine=self._engine, keeper=self._keeper, limits=self._session_limits
        )

    async def _attach(
        self, entry: Entry, start: Start, token: str, outbox: Outbox, slot: Slot | None
    ) -> None:
        session, resumed = entry.session, start.resume_token is not None
        entry.attaching += 1
        try:
            if resumed:
                await self._keeper.write()  # so that `next` is what is really in the journal
            known = await self._known(session.id, start) if resumed else None
            ready = self._ready(session.id, token, session.standing(), known)
            taken_over = await session.attach(outbox, ready, known or 0)
        except BaseException:
            if not resumed:
                self.roster.give_up(entry)
            raise
        finally:
            entry.attaching -= 1
            self.roster.leave(entry)
        if entry.given_up:
            raise Refused(UNKNOWN)
        self.roster.enter(entry, slot)
        if taken_over is not None:
            taken_over.put(
                Error(ErrorCode.SESSION_TAKEN_OVER, "another connection goes on with this session")
            )
        if ended := self.roster.ended(session.id):
            outbox.put(ended.stopped)
        log.info("client attached", session=session.id, resumed=resumed)

    async def _say_again(self, ended: Ended, start: Start, outbox: Outbox) -> None:
        """The end of a session, for a client that may have missed it."""
        session_id, token = ended.stopped.session, start.resume_token or ""
        if not is_token(token, ended.record):
            raise Refused(UNKNOWN)
        check_resume(start, ended.record)
        known = await self._known(session_id, start)
        missed = await self._keeper.store(self._keeper.transcripts.events_after, session_id, known)
        ready = self._ready(session_id, token, ended.standing, known)
        outbox.preload([ready, *map(from_stored, missed), ended.stopped])

    async def _known(self, session_id: str, start: Start) -> int:
        """The newest event that both sides have: a power cut may have taken what the client saw behind it."""
        return await self._keeper.store(self._keeper.transcripts.last_event, session_id, start.last_event)

    def _ready(
        self, session_id: str, token: str, standing: dict[Source, SourceReady], known: int | None
    ) -> Ready:
        """Where a session stands; `known`: it is resumed, behind that event."""
        return Ready(
            session=session_id,
            resume_token=token,
            resumed=known is not None,
            last_event=known,
            sources=standing,
            limits=self._limits,
            provider=self._engine.settings.model.provider,
            model=self._engine.settings.model.name,
        )

    # --- over a restart of the server ---------------------------------------------------------------

    async def recover(self) -> None:
        """Reopen the sessions that an earlier process left unfinished; their clients may come back.

        Raises:
            StoreError: the data directory cannot be read.
            ModelUnavailable: there are such sessions, and the model cannot be used.
        """
        unfinished = await self._keeper.store(self._keeper.transcripts.resumable)
        unfinished |= await adopt_audio(self._keeper, unfinished)
        if unfinished:
            await self._engine.load()
        for session_id, record in unfinished.items():
            try:
                await self._reopen(session_id, record)
            except StoreError as error:
                log.error("session cannot be reopened", session=session_id, error=str(error))
        self._recovered = True

    async def _reopen(self, session_id: str, record: ResumeRecord) -> None:
        stored = await self._keeper.store(self._keeper.transcripts.events_after, session_id)
        found = await self._keeper.audio(self._keeper.found, session_id)
        pasts = {source: past_of(source, found[source], stored) for source in record.sources}
        about = await self._keeper.store(self._keeper.transcripts.session, session_id)
        session = self._live(session_id, record)
        entry = self.roster.run(session)
        entry.detached_at = time.monotonic()
        await session.recover(pasts, fresh_number(stored, about.created))
        log.info("session reopened", session=session_id, sources=list(record.sources))
        if record.stopped is not None:
            self.roster.complete(entry, record.stopped)

    async def go_away(self, reason: str) -> None:
        """Take no more sessions, tell all clients to come back later, and wait a moment until they know."""
        self._going_away = reason
        for entry in self.roster:
            entry.session.tell(replace(entry.session.flow(), plan="going away", reason=reason))
            entry.session.tell(Error(ErrorCode.GOING_AWAY, reason, retry_after=NOT_READY_RETRY_S))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                while self.roster.attached:
                    await self.roster.left.wait(FAREWELL_S)


UNKNOWN = Error(
    ErrorCode.UNKNOWN_SESSION,
    "no such session, or its time to resume has passed; start a new one and name this in `continues`",
)


def check_resume(start: Start, record: ResumeRecord) -> None:
    """Whether what a client says of the session that it resumes is true.

    Raises:
        Refused: it is not.
    """
    if set(start.sources) != set(record.sources):
        raise Refused(Error(ErrorCode.INVALID_START, "a resumed session keeps its sources; name the same"))
