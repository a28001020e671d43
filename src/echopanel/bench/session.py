"""Playing scripts to a server in real time, on an absolute schedule: one socket and one session at a time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from websockets.asyncio.client import ClientConnection as Socket
from websockets.exceptions import ConnectionClosed

from echopanel.audio import AudioFrame, Source, to_samples, to_seconds
from echopanel.bench.record import SessionRecord, SourceRecord
from echopanel.bench.script import Script
from echopanel.client.address import Address
from echopanel.client.socket import meaning_of_close, open_socket
from echopanel.errors import EchoPanelError
from echopanel.policy.framing import least_s
from echopanel.wire.client import ClientConnection
from echopanel.wire.messages import Flow, Start, Stop
from echopanel.wire.states import State

READY_WITHIN_S = 30.0


class LiveSession:
    """Connects, plays one script per source, stops, and keeps what came back."""

    def __init__(self, scripts: Mapping[Source, Script], frame_seconds: float, language: str | None) -> None:
        self.record = SessionRecord({source: SourceRecord(script) for source, script in scripts.items()})
        self._least = self._frame = to_samples(frame_seconds)
        self._start = Start(sources=tuple(scripts), language=language, title="bench")
        self._connection = ClientConnection()
        self._credit = asyncio.Event()
        self._socket: Socket | None = None

    def __repr__(self) -> str:
        return f"<LiveSession {self._connection!r} {self.record.trouble}>"

    async def open(self, address: Address) -> None:
        """Connect and wait until audio may flow.

        Raises:
            EchoPanelError: nobody answers, or the server refused.
        """
        self._socket = await open_socket(address)
        try:
            await self._socket.send(self._connection.send(self._start))
            async with asyncio.timeout(READY_WITHIN_S):
                while self._connection.state is not State.LIVE:
                    self._take(await self._socket.recv())
        except ConnectionClosed as closed:
            raise EchoPanelError(self.record.trouble or str(meaning_of_close(closed))) from closed
        except TimeoutError:
            raise EchoPanelError(f"the server did not say `ready` within {READY_WITHIN_S:.0f} s") from None

    async def play(self, begins: Mapping[Source, float], drain: float) -> None:
        """Send everything in real time, then stop; what goes wrong is noted as the record's `trouble`.

        Args:
            begins: when each source's first sample is spoken, on the event loop's clock.
            drain: how many seconds the server may take to finish after the last frame.
        """
        self.record.begins = begins
        try:
            async with asyncio.TaskGroup() as group:
                listening = group.create_task(self._listen())
                await self._speak(begins)
                async with asyncio.timeout(drain):
                    await listening
        except* TimeoutError:
            self.record.trouble = f"the server did not finish within {drain:g} s"
        except* ConnectionClosed as closed:
            self._note_close(closed)
        except* EchoPanelError as errors:
            self.record.trouble = "; ".join(str(error) for error in errors.exceptions)

    async def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            await self._socket.close()

    def _note_close(self, closed: ExceptionGroup[ConnectionClosed]) -> None:
        first = closed.exceptions[0]
        if not self.record.trouble and isinstance(first, ConnectionClosed):
            self.record.trouble = str(meaning_of_close(first))

    async def _speak(self, begins: Mapping[Source, float]) -> None:
        async with asyncio.TaskGroup() as group:
            for source, begin in begins.items():
                group.create_task(self._send(source, begin))
        assert self._socket is not None
        ends = {source: record.sent for source, record in self.record.sources.items()}
        await self._socket.send(self._connection.send(Stop(captured=ends)))

    async def _send(self, source: Source, begin: float) -> None:
        """Send each frame when its last sample has been spoken, not before."""
        assert self._socket is not None
        clock = asyncio.get_running_loop().time
        record = self.record.sources[source]
        while record.sent < record.script.count:
            start = record.sent
            pcm = record.script.read(start, self._frame)
            frame = AudioFrame(source, start, pcm, captured_ms=(begin + to_seconds(start)) * 1000)
            due = begin + to_seconds(frame.end)
            await asyncio.sleep(max(0.0, due - clock()))
            if self._connection.allowance(source, start) < frame.count:
                await self._wait_for_credit(frame)
            await self._socket.send(self._connection.send(frame))
            record.sent = frame.end
            record.late.append(clock() - due)

    async def _wait_for_credit(self, frame: AudioFrame) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        while self._connection.allowance(frame.source, frame.start) < frame.count:
            self._credit.clear()
            await self._credit.wait()
        self.record.sources[frame.source].stalled += clock() - began

    async def _listen(self) -> None:
        assert self._socket is not None
        with contextlib.suppress(ConnectionClosed):
            async for data in self._socket:
                self._take(data)
        if self._connection.state is not State.CLOSED or self.record.trouble:
            raise EchoPanelError(self.record.trouble or "the connection ended before `stopped`")

    def _take(self, data: str | bytes) -> None:
        at = asyncio.get_running_loop().time()
        for message in self._connection.receive(data):
            if isinstance(message, Flow):  # as the client library does
                self._frame = max(self._least, to_samples(least_s(message.chunk_interval_s)))
            self.record.take(message, at)
        self._credit.set()
