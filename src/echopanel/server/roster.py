"""The running sessions: their tasks, the slots of those with a client, and how each of them ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import structlog

from echopanel.audio import Source
from echopanel.engine.engine import Engine, Slot
from echopanel.engine.signal import Signal
from echopanel.errors import ErrorCode
from echopanel.server.ending import put_aside, wind_up
from echopanel.server.keeper import Keeper
from echopanel.server.outbox import Outbox
from echopanel.server.resuming import Ended
from echopanel.server.session import LiveSession
from echopanel.store.transcripts import SessionState
from echopanel.wire.messages import Error, Stopped

log = structlog.get_logger(__name__)

# So many sessions may wait for their clients, or as many as may be open; then the one with the least audio
# is given up.
MAX_DETACHED = 100


@dataclass(slots=True, eq=False)
class Entry:
    """A session, the task that runs it, its slot while a client is there, and since when none is.

    `attaching` counts the connections that are about to take it; `stopping` is the task that puts it aside,
    `ending` the one that finishes it, and `given_up` says that nobody can come back to it.
    """

    session: LiveSession
    task: asyncio.Task[None]
    slot: Slot | None = None
    detached_at: float | None = None
    attaching: int = 0
    stopping: asyncio.Task[None] | None = None
    ending: asyncio.Task[None] | None = None
    given_up: bool = False

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """Those of its tasks that there are."""
        return [task for task in (self.task, self.stopping, self.ending) if task is not None]


class Roster:
    """Owns the tasks of all sessions. A session without a client waits for `resume_window_s` seconds."""

    def __init__(self, engine: Engine, keeper: Keeper, resume_window_s: float) -> None:
        self._engine = engine
        self._keeper = keeper
        self._resume_window_s = resume_window_s
        self._entries: dict[str, Entry] = {}
        self._ended: dict[str, Ended] = {}
        self.left = Signal()

    def __repr__(self) -> str:
        return f"<Roster {self.attached} attached of {len(self._entries)}>"

    def __contains__(self, session_id: object) -> bool:
        return session_id in self._entries

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def get(self, session_id: str) -> Entry | None:
        """A running session."""
        return self._entries.get(session_id)

    def ended(self, session_id: str) -> Ended | None:
        """A session that was stopped not long ago."""
        return self._ended.get(session_id)

    @property
    def attached(self) -> int:
        """Sessions with a client."""
        return sum(entry.session.attached for entry in self)

    def run(self, session: LiveSession) -> Entry:
        """Let a session run until it ends."""
        entry = Entry(session, asyncio.create_task(session.run(), name=f"session {session.id}"))
        entry.task.add_done_callback(lambda task: self._failed(entry, task))
        self._entries[session.id] = entry
        return entry

    def enter(self, entry: Entry, slot: Slot | None) -> None:
        """A client is there now; it has brought a slot or goes on with the one of the client before."""
        if slot is not None:
            self._replace_slot(entry, slot)
        entry.detached_at = None
        self._engine.metrics.sessions.set(self.attached)

    def leave(self, entry: Entry) -> None:
        """Note that nobody is there, if so."""
        if entry.session.attached or entry.attaching or entry.session.id not in self._entries:
            return
        self._replace_slot(entry, None)
        entry.detached_at = time.monotonic()
        self._engine.metrics.sessions.set(self.attached)
        self.left.notify()
        log.info("client detached", session=entry.session.id)
        waiting = [one for one in self._entries.values() if one.detached_at is not None and not one.ending]
        if len(waiting) > max(MAX_DETACHED, self._engine.settings.admission.limit):
            least = min(waiting, key=lambda one: (one.session.received, one.detached_at or 0.0))
            self.give_up(least)

    def detach(self, session: LiveSession, outbox: Outbox, *, resumable: bool) -> None:
        """A connection has ended. Its session waits for the client to come back; the slot does not.

        Not `resumable`: the client is not to come back, so the session ends.
        """
        entry = self._entries.get(session.id)
        if not session.detach(outbox) or entry is None:
            return
        self.leave(entry)
        if not resumable and not entry.attaching:
            self.give_up(entry)

    async def stop(
        self, session: LiveSession, captured: Mapping[Source, int], *, wait_repair: bool = True
    ) -> None:
        """Finish a session because its client said so, and tell it when everything is written.

        Without `wait_repair` it is told as soon as everything is kept; those who read along see the rest.
        """
        entry = self._entries.get(session.id)
        if entry is None:
            return
        if wait_repair:
            await asyncio.shield(self._finish(entry, captured, SessionState.ENDED))
            return
        if entry.stopping is None:
            entry.stopping = asyncio.create_task(
                self._put_aside(entry, captured), name=f"stop of session {session.id}"
            )
            entry.stopping.add_done_callback(lambda task: self._failed(entry, task))
        await asyncio.shield(entry.stopping)
        session.answer(Stopped(session.id, session.coverage()))

    def complete(self, entry: Entry, captured: Mapping[Source, int]) -> None:
        """Finish a session that was put aside; nobody waits for it."""
        self._finish(entry, captured, SessionState.ENDED)

    async def look_after(self) -> None:
        """Finish the sessions whose clients did not come back in time; count what waits. Call it often."""
        pending = sum(
            ledger.pending for entry in self._entries.values() for ledger in entry.session.coverage().values()
        )
        self._engine.metrics.pending_samples.set(pending)
        long_ago = time.monotonic() - self._resume_window_s
        for entry in list(self._entries.values()):
            waits = entry.detached_at is not None and entry.detached_at < long_ago
            if waits and not entry.attaching and entry.ending is None:
                self.give_up(entry)
        self._ended = {name: ended for name, ended in self._ended.items() if ended.at >= long_ago}

    async def close(self) -> None:
        """End all tasks; what is unfinished stays in the journal."""
        entries = self._entries.values()
        tasks = [task for entry in entries for task in entry.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def give_up(self, entry: Entry) -> None:
        """End a session to which nobody can come back."""
        entry.given_up = True
        self._finish(entry, {}, SessionState.INTERRUPTED)

    async def _put_aside(self, entry: Entry, captured: Mapping[Source, int]) -> None:
        await put_aside(entry.session, self._keeper, captured)
        log.info("session put aside", session=entry.session.id)
        self.complete(entry, captured)

    def _finish(
        self, entry: Entry, captured: Mapping[Source, int], state: SessionState
    ) -> asyncio.Task[None]:
        """End a session, whatever becomes of who asked for it; who asks again gets the same task."""
        if entry.ending is None:
            entry.ending = asyncio.create_task(
                self._end(entry, captured, state), name=f"end of session {entry.session.id}"
            )
            entry.ending.add_done_callback(lambda task: self._failed(entry, task))
        return entry.ending

    async def _end(self, entry: Entry, captured: Mapping[Source, int], state: SessionState) -> None:
        session = entry.session
        await wind_up(session, self._keeper, captured, state)
        stopped = Stopped(session.id, session.coverage())
        if not entry.given_up:
            self._ended[session.id] = Ended(session.record, session.standing(), stopped, time.monotonic())
        self._drop(entry)
        session.tell(stopped)
        log.info("session ended", session=session.id, state=state)

    def _failed(self, entry: Entry, task: asyncio.Task[None]) -> None:
        """A session's task ended by itself: a bug, which must cost its own session only."""
        if task.cancelled() or task.exception() is None:
            return
        log.error("session failed", session=entry.session.id, exc_info=task.exception())
        entry.session.tell(
            Error(ErrorCode.INTERNAL, "the session failed on the server; its log has the cause")
        )
        self._drop(entry)

    def _drop(self, entry: Entry) -> None:
        self._entries.pop(entry.session.id, None)
        self._replace_slot(entry, None)
        self._engine.metrics.sessions.set(self.attached)
        for task in entry.tasks:
            if task is not asyncio.current_task():
                task.cancel()

    def _replace_slot(self, entry: Entry, slot: Slot | None) -> None:
        if entry.slot is not None:
            self._engine.release(entry.slot)
        entry.slot = slot
