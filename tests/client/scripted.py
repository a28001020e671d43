"""A small server that keeps what it gets and resumes sessions, with faults to switch on; no recogniser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus

from websockets.asyncio.server import Server, serve
from websockets.asyncio.server import ServerConnection as Socket
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from echopanel.audio import SAMPLE_RATE, AudioFrame, Source
from echopanel.errors import ErrorCode, ProtocolError
from echopanel.transcript import Coverage, Final, Segment
from echopanel.wire import messages as m
from echopanel.wire.closing import CLOSING
from echopanel.wire.handshake import SUBPROTOCOL
from echopanel.wire.server import ServerConnection
from echopanel.wire.timeline import Hole, Timeline


@dataclass
class Session:
    """What a session has received, per source, and the finals it has said: one per second of audio."""

    id: str
    timelines: dict[Source, Timeline]
    audio: dict[Source, bytearray] = field(default_factory=dict)
    holes: list[tuple[Source, Hole]] = field(default_factory=list)
    events: list[m.FinalMessage] = field(default_factory=list)
    start: m.Start | None = None

    def take(self, frame: AudioFrame) -> m.FinalMessage | None:
        """Keep a frame; the final that it completes, if any."""
        timeline = self.timelines[frame.source]
        seconds_before = timeline.next // SAMPLE_RATE
        accepted = timeline.accept(frame)
        if accepted.hole:
            self.holes.append((frame.source, accepted.hole))
        if accepted.frame:
            self.audio.setdefault(frame.source, bytearray()).extend(accepted.frame.pcm)
        second = timeline.next // SAMPLE_RATE
        return self._final(frame.source, second) if second > seconds_before else None

    def _final(self, source: Source, second: int) -> m.FinalMessage:
        number = len(self.events) + 1
        end = second * SAMPLE_RATE
        segment = Segment(
            f"{source}-{number}", source, second - 1.0, second, f"word{second}", end - SAMPLE_RATE, end
        )
        self.events.append(m.FinalMessage(number, Final(segment)))
        return self.events[-1]


@dataclass
class Scripted:
    """The server and its switches."""

    window: int = 60 * SAMPLE_RATE
    acknowledge: bool = True
    answer_pings: bool = True
    answer_stops: bool = True
    refusal: m.Error | None = None
    http: tuple[int, str, dict[str, str]] | None = None
    silent: bool = False
    cut_after_ready: bool = False
    sessions: dict[str, Session] = field(default_factory=dict)
    received: list[m.ClientMessage | m.Unknown] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    sockets: dict[Socket, ServerConnection] = field(default_factory=dict)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    port: int = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def session(self) -> Session:
        """The newest session."""
        return list(self.sessions.values())[-1]

    def frames(self, source: Source = Source.MIC) -> list[AudioFrame]:
        """The frames of a source as they came."""
        return [got for got in self.received if isinstance(got, AudioFrame) and got.source is source]

    def cut(self) -> None:
        """Cut all connections without a word."""
        for socket in self.sockets:
            socket.transport.abort()

    async def has_received(self, kind: type[m.Message]) -> None:
        """Wait for a message of this kind."""
        async with self.arrived:
            await self.arrived.wait_for(lambda: any(isinstance(got, kind) for got in self.received))

    async def say(self, *messages: m.ServerMessage) -> None:
        """Send messages to all clients."""
        for socket, wire in list(self.sockets.items()):
            for message in messages:
                await socket.send(wire.send(message))

    async def say_text(self, text: str) -> None:
        """Send anything to all clients."""
        for socket in list(self.sockets):
            await socket.send(text)

    async def handle(self, socket: Socket) -> None:
        """One connection."""
        wire = self.sockets[socket] = ServerConnection()
        session: Session | None = None
        try:
            async for data in socket:
                for message in wire.receive(data):
                    async with self.arrived:
                        self.received.append(message)
                        self.arrived.notify_all()
                    if self.silent:
                        continue
                    if isinstance(message, m.Start):
                        session = await self._start(socket, wire, message)
                    elif session is not None:
                        await self._answer(socket, wire, session, message)
        except ProtocolError as error:
            await self._end(socket, wire, m.Error(error.code, error.message))
        except _Refused as refused:
            await self._end(socket, wire, refused.error)
        except ConnectionClosed:
            pass
        finally:
            del self.sockets[socket]

    async def _start(self, socket: Socket, wire: ServerConnection, start: m.Start) -> Session:
        if self.refusal is not None:
            raise _Refused(self.refusal)
        session = self._find(start)
        session.start = start
        at = {
            source: m.SourceReady(timeline.next, timeline.next + self.window)
            for source, timeline in session.timelines.items()
        }
        limits = m.Limits(65_536, SAMPLE_RATE, 200, 20.0, 300.0)
        resumed = start.resume_token is not None
        await socket.send(
            wire.send(m.Ready(session.id, f"t-{session.id}", resumed, at, limits, "fake", "tiny"))
        )
        for event in session.events:
            if event.event > start.last_event:
                await socket.send(wire.send(event))
        if self.cut_after_ready:
            socket.transport.abort()
        return session

    def _find(self, start: m.Start) -> Session:
        if start.session is None:
            name = f"s{len(self.sessions) + 1}"
            self.sessions[name] = Session(name, {source: Timeline() for source in start.sources})
            return self.sessions[name]
        if start.session not in self.sessions or start.resume_token != f"t-{start.session}":
            raise _Refused(m.Error(ErrorCode.UNKNOWN_SESSION, "no such session"))
        return self.sessions[start.session]

    async def _answer(
        self, socket: Socket, wire: ServerConnection, session: Session, message: m.ClientMessage | m.Unknown
    ) -> None:
        match message:
            case AudioFrame():
                final = session.take(message)
                if self.acknowledge:
                    done = session.timelines[message.source].next
                    await socket.send(wire.send(m.Ack(message.source, done, done + self.window)))
                if final is not None:
                    await socket.send(wire.send(final))
            case m.Flush(name):
                await socket.send(wire.send(m.Flushed(name)))
            case m.Ping(name) if self.answer_pings:
                await socket.send(wire.send(m.Pong(name)))
            case m.Stop() if self.answer_stops:
                await socket.send(wire.send(self._stopped(session)))
                await socket.close()

    def _stopped(self, session: Session) -> m.Stopped:
        got = {source: len(session.audio.get(source, b"")) // 2 for source in session.timelines}
        ledgers = {source: Coverage(captured=n, received=n, transcribed=n) for source, n in got.items()}
        return m.Stopped(session.id, ledgers)

    async def _end(self, socket: Socket, wire: ServerConnection, error: m.Error) -> None:
        with suppress(ConnectionClosed):
            await socket.send(wire.send(error))
            await socket.close(CLOSING[error.code].close_code)

    def process_request(self, socket: Socket, request: Request) -> Response | None:
        """The handshake, where HTTP can still refuse."""
        self.requests.append(request)
        if self.http is None:
            return None
        status, body, headers = self.http
        response = socket.respond(HTTPStatus(status), body)
        for name, value in headers.items():
            response.headers[name] = value
        return response


class _Refused(Exception):
    def __init__(self, error: m.Error) -> None:
        super().__init__(error)
        self.error = error


@asynccontextmanager
async def listening(scripted: Scripted, port: int = 0) -> AsyncIterator[Server]:
    """Run the server on loopback; leaving cuts its connections."""
    server = await serve(
        scripted.handle,
        "127.0.0.1",
        port,
        subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]
        compression=None,
        ping_interval=None,
        process_request=scripted.process_request,
    )
    scripted.port = server.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        scripted.cut()
        server.close()
        await server.wait_closed()
