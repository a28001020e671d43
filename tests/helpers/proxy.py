"""A TCP proxy on loopback: a network that cuts, refuses, delays, throttles, swallows and repeats."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.helpers.websocket_frames import Splitter


@dataclass(frozen=True, slots=True)
class Weather:
    """How the network is now, for connections old and new.

    `delay_s` holds each piece of data up for a random time up to that, `rate` is the bytes a second that pass
    in each direction, `repeat` the probability that a binary message of the client comes twice. `hole`:
    nothing passes, nothing is refused, and what was swallowed comes when it ends. `down`: connections are
    refused.
    """

    delay_s: float = 0.0
    rate: float | None = None
    repeat: float = 0.0
    hole: bool = False
    down: bool = False


CALM = Weather()


@dataclass
class Proxy:
    """Connections to `target`; each is cut after a random number of bytes, in the middle of anything.

    `cuts` is how many are still to come; `refuse` is how many connections after each cut are not accepted.
    `plain`: they may carry anything, not only one WebSocket each, and nothing can be repeated.
    """

    target: int
    chance: random.Random
    cuts: int = 0
    most_bytes: int = 200_000
    refuse: int = 0
    plain: bool = False
    port: int = 0
    made: int = 0
    refused: int = 0
    weather: Weather = CALM
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _to_refuse: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def change(self, weather: Weather) -> None:
        """From now on the network is like this."""
        self.weather = weather
        self._changed.set()
        self._changed = asyncio.Event()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        if self._to_refuse > 0 or self.weather.down:
            self._to_refuse = max(0, self._to_refuse - 1)
            self.refused += 1
            writer.transport.abort()
            return
        self.made += 1
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, inner_writer}
        left = [self.chance.randrange(1, self.most_bytes)] if self.cuts > 0 else None
        pumps = [
            asyncio.create_task(self._pump(reader, inner_writer, left, None if self.plain else Splitter())),
            asyncio.create_task(self._pump(inner_reader, writer, left, None)),
        ]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for one in (writer, inner_writer):
            one.transport.abort()
        await asyncio.wait(pumps)
        self._writers -= {writer, inner_writer}

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        left: list[int] | None,
        messages: Splitter | None,
    ) -> None:
        """Pass bytes on until there are none, or as many as `left` for both directions."""
        with suppress(OSError):
            while data := await reader.read(self.chance.randrange(1, 20_000)):
                await self._hold(len(data))
                if messages is not None:
                    data = messages.repeat(data, lambda: self.chance.random() < self.weather.repeat)
                if left is not None:
                    data = data[: left[0]]
                    left[0] -= len(data)
                writer.write(data)
                await writer.drain()
                if left is not None and left[0] <= 0:
                    self.cuts -= 1
                    self._to_refuse = self.refuse
                    return

    async def _hold(self, count: int) -> None:
        """Let `count` bytes take the time that they take in this weather."""
        while self.weather.hole:  # what comes meanwhile piles up where the sender sees it
            await self._changed.wait()
        seconds = self.chance.uniform(0, self.weather.delay_s)
        if self.weather.rate is not None:
            seconds += count / self.weather.rate
        if seconds:
            await asyncio.sleep(seconds)

    def cut(self) -> None:
        """Cut everything now."""
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def proxied(proxy: Proxy) -> AsyncIterator[None]:
    """Run the proxy."""
    server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        server.close()
        proxy.change(CALM)
        proxy.cut()
        await server.wait_closed()
