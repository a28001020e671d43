"""What waits to be sent to one client: bounded, and never older than it has to be."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

from echopanel.audio import Source
from echopanel.wire.messages import Ack, Error, Flow, PartialMessage, ServerMessage, Stopped

Key = tuple[str, str | Source | int]


class Outbox:
    """Messages in order. A newer ack, flow or partial takes the place of an unsent older one of its kind.

    When the rest reaches the bound the client does not read: `overflowed` is set, and nothing more is taken;
    nor is anything behind a message that ends the connection.
    """

    def __init__(self, bound: int, waited: Callable[[float], None] = lambda _: None) -> None:
        """`waited` is told the seconds that each message spent here."""
        self._bound = bound
        self._allowance = 0  # messages of `preload` not sent yet, which do not count
        self._serial = 0
        self._ended = False
        self._waited = waited
        self._waiting: OrderedDict[Key, tuple[float, ServerMessage]] = OrderedDict()
        self._filled = asyncio.Event()
        self.overflowed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Outbox {len(self._waiting)} of {self._bound}>"

    def __len__(self) -> int:
        return len(self._waiting)

    def preload(self, messages: Iterable[ServerMessage]) -> None:
        """Add messages however many, for a client that comes back after a long time."""
        for message in messages:
            self._allowance += 1
            self.put(message)

    def put(self, message: ServerMessage) -> None:
        """Add a message."""
        if self._ended:
            return
        self._ended = isinstance(message, Stopped) or (isinstance(message, Error) and message.fatal)
        key = self._key(message)
        self._waiting.pop(key, None)
        if len(self._waiting) >= self._bound + self._allowance:
            self.overflowed.set()
        if self.overflowed.is_set():
            return
        self._waiting[key] = (time.monotonic(), message)
        self._filled.set()

    async def get(self) -> ServerMessage:
        """The oldest message, when there is one."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        self._allowance = max(0, self._allowance - 1)
        put_at, message = self._waiting.popitem(last=False)[1]
        self._waited(time.monotonic() - put_at)
        return message

    def _key(self, message: ServerMessage) -> Key:
        match message:
            case PartialMessage(partial):
                return ("partial", partial.segment_id)
            case Ack(source):
                return ("ack", source)
            case Flow():
                return ("flow", "")
        self._serial += 1
        return ("message", self._serial)
