"""The socket `/v1/live`: bytes in, messages to the session; messages out, bytes to the socket."""

from __future__ import annotations

import asyncio
import time

import structlog
from fastapi import WebSocket, WebSocketDisconnect

from echopanel.audio import AudioFrame
from echopanel.errors import ErrorCode, RemoteProtocolError, StoreError
from echopanel.server.auth import Guard
from echopanel.server.door import close, let_in
from echopanel.server.limits import LiveLimits, Throttle
from echopanel.server.outbox import Outbox
from echopanel.server.session import LiveSession
from echopanel.server.sessions import Refused, Sessions
from echopanel.wire.closing import CLOSING
from echopanel.wire.messages import (
    ClientMessage,
    Error,
    Flush,
    Ping,
    Pong,
    ServerMessage,
    Start,
    Stop,
    Stopped,
    Unknown,
)
from echopanel.wire.server import ServerConnection
from echopanel.wire.states import State

log = structlog.get_logger(__name__)


async def serve_live(websocket: WebSocket, guard: Guard, sessions: Sessions, limits: LiveLimits) -> None:
    """Let a client in, or say why not, and serve it."""
    if await let_in(websocket, guard):
        await LiveConnection(websocket, sessions, limits).run()


class LiveConnection:
    """One WebSocket from `start` to close."""

    def __init__(self, websocket: WebSocket, sessions: Sessions, limits: LiveLimits) -> None:
        self._websocket = websocket
        self._sessions = sessions
        self._limits = limits
        self._client = websocket.client.host if websocket.client else ""
        self._wire = ServerConnection(limits.bounds)
        self._outbox = Outbox(limits.outbox, sessions.metrics.send_seconds.observe)
        self._throttle = Throttle(limits.max_frames_per_second, limits.burst_frames, time.monotonic())
        self._session: LiveSession | None = None

    def __repr__(self) -> str:
        return f"<LiveConnection {self._wire!r} {self._outbox!r}>"

    async def run(self) -> None:
        """Serve the connection until it ends, whoever ends it."""
        last_words: Error | None = None
        resumable = True
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send())
                group.create_task(self._watch_outbox())
                group.create_task(self._receive(group))
        except* _Ended as ended:
            last_words = next((one.error for one in leaves(ended) if one.error is not None), None)
            resumable = last_words is None or CLOSING[last_words.code].retryable
        except* Exception:
            log.exception("connection failed", session=self._name())
            last_words = Error(
                ErrorCode.INTERNAL, "the connection failed on the server; its log has the cause"
            )
        finally:
            if self._session is not None:
                self._sessions.roster.detach(self._session, self._outbox, resumable=resumable)
        if last_words is not None:
            log.info("connection refused or ended", code=last_words.code, session=self._name())
        await close(self._websocket, last_words)

    def _name(self) -> str | None:
        return None if self._session is None else self._session.id

    async def _receive(self, group: asyncio.TaskGroup) -> None:
        try:
            async with asyncio.timeout(self._limits.start_timeout_s) as waiting:
                while True:
                    messages = self._wire.receive(await self._next())
                    if self._wire.state is not State.OPEN:
                        waiting.reschedule(None)
                    for message in messages:
                        await self._handle(message, group)
        except RemoteProtocolError as error:
            raise _Ended(Error(error.code, error.message)) from error
        except TimeoutError:
            raise _Ended(Error(ErrorCode.IDLE_TIMEOUT, "no `start` came; send it first")) from None

    async def _next(self) -> str | bytes:
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise _Ended(None)
        text: str | None = message.get("text")
        return message["bytes"] if text is None else text

    async def _handle(self, message: ClientMessage | Unknown, group: asyncio.TaskGroup) -> None:
        """Do what the client says; a session that has ended already hears nothing more."""
        session = self._session
        match message:
            case AudioFrame() if session is not None:
                session.take(message)
                # Not reading makes a client that sends too many frames wait, and costs it nothing else.
                if wait := self._throttle.take(time.monotonic()):
                    await asyncio.sleep(wait)
            case Start():
                await self._start(message)
            case Flush(flush_id) if session is not None:
                group.create_task(session.flush(flush_id))
            case Stop(captured, wait_repair) if session is not None:
                group.create_task(self._sessions.roster.stop(session, captured, wait_repair=wait_repair))
            case Ping(ping_id):
                self._outbox.put(Pong(ping_id))

    async def _start(self, start: Start) -> None:
        try:
            self._session = await self._sessions.open(start, self._client, self._outbox)
        except Refused as refused:
            raise _Ended(refused.error) from refused
        except StoreError as error:
            raise _Ended(Error(ErrorCode.STORAGE_FAILED, str(error))) from error

    async def _send(self) -> None:
        while True:
            message = await self._outbox.get()
            if isinstance(message, Error) and message.fatal:
                raise _Ended(message)
            await self._write(message)
            if isinstance(message, Stopped):
                raise _Ended(None)

    async def _write(self, message: ServerMessage) -> None:
        data = self._wire.send(message)
        try:
            if isinstance(data, str):
                await self._websocket.send_text(data)
            else:
                await self._websocket.send_bytes(data)
        except (WebSocketDisconnect, RuntimeError):  # Starlette's words for "the peer is gone"
            raise _Ended(None) from None

    async def _watch_outbox(self) -> None:
        await self._outbox.overflowed.wait()
        raise _Ended(
            Error(
                ErrorCode.SLOW_CLIENT, "too many unread messages; reconnect with the resume token to get them"
            )
        )


class _Ended(Exception):
    """Ends the connection's tasks; `error` is what to tell the client first."""

    def __init__(self, error: Error | None) -> None:
        super().__init__(error)
        self.error = error


def leaves(group: BaseExceptionGroup[_Ended]) -> list[_Ended]:
    """All exceptions of a group, however deeply nested."""
    found: list[_Ended] = []
    for one in group.exceptions:
        found += leaves(one) if isinstance(one, BaseExceptionGroup) else [one]
    return found
