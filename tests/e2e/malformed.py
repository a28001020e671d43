"""Messages that a client must never send, and a client that sends them."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from struct import pack
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

START: dict[str, Any] = {"type": "start", "version": 1, "sources": ["mic"]}
GOOD: tuple[dict[str, Any], ...] = (
    START,
    {"type": "flush", "id": "f1"},
    {"type": "stop", "captured": {"mic": 1600}},
    {"type": "ping", "id": "1"},
)
JUNK: tuple[Any, ...] = (
    None,
    True,
    -1,
    2**63,
    1.5,
    "",
    "x" * 5000,
    "\ud800",
    [],
    [[]],
    {},
    {"mic": {}},
    [None],
)
PRINTABLE = range(32, 0xD800)


def _bytes(chance: Random) -> bytes:
    return chance.randbytes(chance.randrange(400))


def _text(chance: Random) -> str:
    return "".join(chr(chance.choice(PRINTABLE)) for _ in range(chance.randrange(200)))


def _truncated(chance: Random) -> str:
    text = json.dumps(chance.choice(GOOD))
    return text[: chance.randrange(len(text))]


def _wrong_type(chance: Random) -> str:
    """One field of a good message has a value that it cannot have."""
    message = dict(chance.choice(GOOD))
    return json.dumps(message | {chance.choice(list(message)): chance.choice(JUNK)})


def _no_object(chance: Random) -> str:
    numbers = ("1e999", "NaN", "-Infinity", "9" * 5000)
    return chance.choice(("3", "null", "[]", '"start"', "[" * 30_000, '{"type":' * 9000, *numbers))


def _header(chance: Random) -> bytes:
    """An audio frame with something wrong in its header, or with half a sample."""
    version, source, index, time, size = 1, 0, 0, 0.0, 640
    match chance.randrange(6):
        case 0:
            version = chance.randrange(2, 256)
        case 1:
            source = chance.randrange(2, 256)
        case 2:
            index = chance.randrange(2**53, 2**64)
        case 3:
            time = chance.choice((math.nan, math.inf, -math.inf, -1.0, 1e300))
        case 4:
            size = chance.choice((0, 1, 641, 40_001))
        case _:
            return pack("<BBBBQd", 1, 0, 0, 0, 0, 0.0)[: chance.randrange(20)]
    return pack("<BBBBQd", version, source, 0, 0, index, time) + chance.randbytes(size)


def _huge(chance: Random) -> bytes:
    return chance.randbytes(chance.randrange(65_537, 100_000))


KINDS: tuple[Callable[[Random], str | bytes], ...] = (
    _bytes,
    _text,
    _truncated,
    _wrong_type,
    _no_object,
    _header,
)


def malformed(chance: Random) -> str | bytes:
    """One message; one in a hundred is larger than any may be."""
    return _huge(chance) if chance.random() < 0.01 else chance.choice(KINDS)(chance)


@dataclass(slots=True)
class Attacker:
    """Connects again and again, on every second connection into its own session, and sends what is malformed.

    `codes` counts how the connections ended.
    """

    url: str
    chance: Random
    codes: Counter[int] = field(default_factory=Counter)
    sent: int = 0
    _resume: dict[str, Any] = field(default_factory=dict)

    async def send(self, count: int) -> None:
        """Send `count` messages."""
        last = self.sent + count
        while self.sent < last:
            async with connect(self.url, max_size=None) as socket:
                try:
                    if self.chance.random() < 0.5:
                        await self._begin(socket)
                    await self._attack(socket, min(self.chance.randrange(1, 4), last - self.sent))
                except ConnectionClosed as closed:
                    self.codes[closed.rcvd.code if closed.rcvd else 1006] += 1

    async def _begin(self, socket: ClientConnection) -> None:
        """Open a session, or resume it."""
        await socket.send(json.dumps(START | self._resume))
        ready = json.loads(await socket.recv())
        # What was sent may have been a `stop` by chance, and then the session is over.
        self._resume = {name: ready[name] for name in ("session", "resume_token") if name in ready}

    async def _attack(self, socket: ClientConnection, count: int) -> None:
        for _ in range(count):
            self.sent += 1
            if self.chance.random() < 0.02:
                socket.transport.write(self.chance.randbytes(200))  # no WebSocket frame at all
                continue
            message = malformed(self.chance)
            # Text in bytes may be what no encoder makes.
            as_text = isinstance(message, bytes) and self.chance.random() < 0.1
            data = message.encode(errors="surrogatepass") if isinstance(message, str) else message
            await socket.send(data, text=isinstance(message, str) or as_text)
        await socket.send(json.dumps({"type": "ping"}))  # malformed for certain: it has no id
        while True:
            await socket.recv()
