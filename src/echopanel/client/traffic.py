"""What outlives the connections of a meeting: audio and requests not yet answered, events not yet read."""

from __future__ import annotations

import asyncio

from echopanel.client.events import LinkState, LinkStatus
from echopanel.client.inbox import Inbox
from echopanel.client.outgoing import Outgoing
from echopanel.client.spool import Spool
from echopanel.client.standing import Standing
from echopanel.errors import ConnectionLost, EchoPanelError
from echopanel.wire import messages as m


class Pulse:
    """Wakes everybody who waits at the time it is fired."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def fire(self) -> None:
        """Wake them."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self) -> None:
        """Sleep until the next `fire`."""
        await self._event.wait()


class Traffic:
    """Both directions of a meeting, and where the link stands.

    `work` is fired when there may be something to send, `moved` when a waiting caller may go on.
    """

    def __init__(self, outgoing: Outgoing, spool: Spool | None = None) -> None:
        self.outgoing = outgoing
        self.inbox = Inbox()
        self.work = Pulse()
        self.moved = Pulse()
        self.state = LinkState.CLOSED
        self.session: str | None = None
        self.last_event = 0
        self.stopped: m.Stopped | None = None
        self.failure: EchoPanelError | None = None
        self._answered: set[str] = set()
        self._spool = spool
        self._standing = Standing()

    def __repr__(self) -> str:
        return f"<Traffic {self.state} {self.outgoing!r} {self.inbox!r}>"

    def become(self, state: LinkState, reason: str = "", retry_in: float | None = None) -> None:
        """The one place where the state changes; the reader is told."""
        self.state = state
        buffered_s, dropped_s = round(self.outgoing.buffered_s, 3), round(self.outgoing.dropped_s, 3)
        self.inbox.put(LinkStatus(state, reason, retry_in, buffered_s, dropped_s, self.session))
        self.moved.fire()

    def restart(self, start: m.Start, ready: m.Ready, caught_up: int) -> None:
        """A connection is ready; with more than `caught_up` samples to send it is catching up."""
        self.session = ready.session
        if not ready.resumed:
            self.last_event = 0
            self._standing = Standing()
        elif ready.last_event is not None:
            self._forget(ready.last_event)
        self.failure = None
        self.outgoing.restart(ready)
        state = LinkState.CATCHING_UP if self.outgoing.unsent > caught_up else LinkState.LIVE
        self.become(state, _how(start))
        self.work.fire()

    def sent(self, caught_up: int) -> None:
        """Something was sent."""
        if self.state is LinkState.CATCHING_UP and self.outgoing.unsent <= caught_up:
            self.become(LinkState.LIVE)
        self.moved.fire()

    def receive(self, message: m.ServerMessage | m.Unknown) -> None:
        """Take what the server says, but for `ready`, fatal errors and what belongs to the connection."""
        match message:
            case m.Ack():
                self.outgoing.acknowledge(message.source, message.sample)
                if self._spool is not None:
                    self._spool.acknowledge(message.source, message.sample)
            case m.PartialMessage(event) | m.GapMessage(_, event):
                self.inbox.put(event)
            case m.FinalMessage(number, event):
                self._standing.take(number, (), (event.segment,))
                self.inbox.put(event)
            case m.RevisionMessage(number, revision):
                self._standing.take(number, revision.replaces, revision.segments)
                self.inbox.put(revision)
            case m.Flow(chunk_interval_s=interval_s):
                self.outgoing.follow(interval_s)
                self.inbox.put(message)
            case m.Error():
                self.inbox.put(message)
            case m.Flushed(name):
                self.outgoing.flushed(name)
                self._answered.add(name)
            case m.Stopped():
                self.stopped = message
        self.work.fire()
        self.moved.fire()

    def _forget(self, last_event: int) -> None:
        """Take back what the server no longer has."""
        lost = self._standing.forget(last_event)
        if lost is not None:
            self.inbox.put(lost)

    @property
    def connected(self) -> bool:
        """Whether audio flows."""
        return self.state in (LinkState.LIVE, LinkState.CATCHING_UP)

    def close(self) -> None:
        """Nothing will move any more."""
        if self.stopped is None and self.failure is None:
            self.failure = ConnectionLost("the meeting was closed", resumable=True)
        if self.state is not LinkState.CLOSED:
            self.become(LinkState.CLOSED)
            self.inbox.close()

    def fail(self, error: EchoPanelError) -> None:
        """Callers and the reader get `error`."""
        self.failure = error
        self.inbox.fail(error)
        self.moved.fire()

    async def answer(self, name: str) -> None:
        """Wait for the answer to a flush.

        Raises:
            EchoPanelError: it will not come.
        """
        while name not in self._answered and self.stopped is None:
            self.check()
            await self.moved.wait()
        self._answered.discard(name)

    async def end(self) -> m.Stopped:
        """Wait for the server to say `stopped`.

        Raises:
            EchoPanelError: it will not.
        """
        while self.stopped is None:
            self.check()
            await self.moved.wait()
        return self.stopped

    def check(self) -> None:
        """Raise what the meeting has failed with, if it has."""
        if self.failure is not None:
            raise self.failure


def _how(start: m.Start) -> str:
    """What kind of connection was asked for; "" for the first of a meeting."""
    if start.continues is not None:
        return f"session {start.continues} is over, a new one continues it"
    return "" if start.resume_token is None else "resumed"
