"""What happens in a session, told to its client and to those who read along: numbered, stored, then sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import structlog

from echopanel.engine.events import Event, Trouble
from echopanel.errors import ErrorCode, StoreError, UnknownSession
from echopanel.server.audience import Audience
from echopanel.server.keeper import Keeper
from echopanel.server.outbox import Outbox
from echopanel.server.stored import from_stored, to_stored
from echopanel.transcript import Final, Gap, Partial, Revision
from echopanel.wire.messages import (
    Error,
    FinalMessage,
    Flushed,
    GapMessage,
    PartialMessage,
    RevisionMessage,
    ServerMessage,
    Watching,
)

log = structlog.get_logger(__name__)

RETRY_STORE_S = 1.0


async def missed_by(keeper: Keeper, session_id: str, last_event: int) -> list[ServerMessage]:
    """What a spectator is told who has seen events up to `last_event`: what of these there is, and the rest.

    Raises:
        StoreError: there is no such session, or the disk does not do its part.
    """
    store = keeper.transcripts
    known = await keeper.store(store.last_event, session_id, last_event)
    missed = await keeper.store(store.events_after, session_id, last_event)
    return [Watching(session_id, known), *map(from_stored, missed)]


class Broadcast:
    """The events of one session on their way out.

    `last_event` is the number of the newest; `trouble` is why the disk does not take them, "" while it does.
    """

    def __init__(self, session_id: str, keeper: Keeper) -> None:
        self.audience = Audience()
        self.last_event = 0
        self._session_id = session_id
        self._keeper = keeper
        self._outbox: Outbox | None = None
        self._order = asyncio.Lock()  # attaching must not fall between storing an event and sending it
        self._events: asyncio.Queue[Event | Flushed] = asyncio.Queue()
        self.trouble = ""

    def __repr__(self) -> str:
        return f"<Broadcast of {self._session_id} [event {self.last_event}, {self._events.qsize()} to tell]>"

    @property
    def attached(self) -> bool:
        """Whether a connection listens."""
        return self._outbox is not None

    async def attach(
        self, outbox: Outbox, first: ServerMessage, last_event: int, troubles: Iterable[str]
    ) -> Outbox | None:
        """Send to `outbox` from now on: `first`, what was missed since `last_event`, and what ails the disk.

        Returns the outbox whose place it took.
        """
        async with self._order:
            missed = await self._keeper.store(
                self._keeper.transcripts.events_after, self._session_id, last_event
            )
            outbox.preload([first, *(from_stored(stored) for stored in missed)])
            for trouble in {self.trouble, *troubles} - {""}:
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
            outbox.preload(await missed_by(self._keeper, self._session_id, last_event))
            self.audience.add(outbox)

    def tell(self, message: ServerMessage) -> None:
        """Send something to whoever is attached; nobody: what matters is stored and sent on resuming."""
        self.audience.tell(message)
        self.answer(message)

    def answer(self, message: ServerMessage) -> None:
        """Send something to the client alone, if it is there."""
        if self._outbox is not None:
            self._outbox.put(message)

    def add(self, event: Event | Flushed) -> None:
        """Something has happened: it is stored, if it must not be forgotten, and told, in order."""
        self._events.put_nowait(event)

    async def told(self) -> None:
        """Return when everything that was added has been told."""
        await self._events.join()

    async def run(self) -> None:
        """Store and tell what is added, until cancelled."""
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
                    await self._keeper.store(self._keeper.transcripts.add_events, self._session_id, durable)
            except UnknownSession:
                raise
            except StoreError as error:
                if not self.trouble:
                    log.error("cannot store the transcript", session=self._session_id, error=str(error))
                    self.tell(Error(ErrorCode.STORAGE_FAILED, str(error), fatal=False))
                self.trouble = str(error)
                return False
            self.trouble = ""
            for message in messages:
                self.tell(message)
            return True

    def _message(self, event: Event | Flushed) -> ServerMessage:
        match event:
            case Partial():
                return PartialMessage(event)
            case Final():
                self.last_event += 1
                return FinalMessage(self.last_event, event)
            case Revision():
                self.last_event += 1
                return RevisionMessage(self.last_event, event)
            case Gap():
                self.last_event += 1
                return GapMessage(self.last_event, event)
            case Trouble():
                return Error(ErrorCode.RECOGNISER_FAILED, f"{event.source}: {event.message}", fatal=False)
            case Flushed():
                return event
