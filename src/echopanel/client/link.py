"""One connection from `start` to its end: three tasks that send, receive and watch the heartbeat."""

from __future__ import annotations

import asyncio
import contextlib
import time
from itertools import count

from websockets.asyncio.client import ClientConnection as Socket
from websockets.exceptions import ConnectionClosed

from echopanel.audio import SAMPLE_BYTES, SAMPLE_RATE
from echopanel.client.address import Address
from echopanel.client.socket import CLOSE_TIMEOUT_S, meaning_of_close, open_socket
from echopanel.client.traffic import Traffic
from echopanel.errors import ConnectionLost, EchoPanelError, RemoteProtocolError
from echopanel.policy.heartbeat import Heartbeat
from echopanel.wire.client import ClientConnection
from echopanel.wire.closing import CLOSING, NORMAL_CLOSE, to_exception
from echopanel.wire.frames import HEADER
from echopanel.wire.messages import Error, Ping, Ready, ServerMessage, Start, Stopped, Unknown

# In arrears a frame carries up to a second, so that catching up costs few messages.
CAUGHT_UP = SAMPLE_RATE
MAX_PIECE = SAMPLE_RATE


class Link:
    """A connection on which the server has said `ready`."""

    def __init__(self, socket: Socket, traffic: Traffic, heartbeat: Heartbeat) -> None:
        self._socket = socket
        self._traffic = traffic
        self._heartbeat = heartbeat
        self._wire = ClientConnection()
        self._max_piece = MAX_PIECE
        self._died: ConnectionLost | None = None

    def __repr__(self) -> str:
        return f"<Link {self._wire!r} {self._heartbeat!r}>"

    async def start(self, start: Start) -> Ready:
        """Open or resume the session.

        Raises:
            ServerError: the server refused.
            ConnectionLost: the connection ended.
            RemoteProtocolError: the server does not speak our protocol.
        """
        try:
            with contextlib.suppress(ConnectionClosed):  # a refusal, to be read below, may come first
                await self._socket.send(self._wire.send(start))
            while True:
                message = await self._next()
                if isinstance(message, Ready):
                    limits = message.limits
                    fitting = (limits.max_message_bytes - HEADER.size) // SAMPLE_BYTES
                    self._max_piece = max(1, min(MAX_PIECE, limits.max_frame_samples, fitting))
                    self._traffic.restart(start, message, CAUGHT_UP)
                    return message
        except ConnectionClosed as closed:
            raise meaning_of_close(closed) from closed

    async def run(self) -> Stopped:
        """Carry the traffic until the server says `stopped`.

        Raises:
            ServerError, ConnectionLost, RemoteProtocolError: the connection ended otherwise.
        """
        async with asyncio.TaskGroup() as group:
            helpers = [group.create_task(self._send()), group.create_task(self._beat())]
            outcome = await self._receive()
            for helper in helpers:
                helper.cancel()
        if isinstance(outcome, EchoPanelError):
            raise outcome
        return outcome

    async def close(self, error: BaseException | None = None) -> None:
        """Close the socket, with the reason if it is the server's fault."""
        code = CLOSING[error.code].close_code if isinstance(error, RemoteProtocolError) else NORMAL_CLOSE
        try:
            async with asyncio.timeout(2 * CLOSE_TIMEOUT_S):
                await self._socket.close(code)
        except TimeoutError:  # what was to be sent before does not get through
            self._socket.transport.abort()

    async def _receive(self) -> Stopped | EchoPanelError:
        """Hand on what comes; an end that is an error is returned, for this runs beside other tasks."""
        try:
            while True:
                message = await self._next()
                if isinstance(message, Stopped):
                    return message
                self._traffic.receive(message)
                self._traffic.last_event = self._wire.last_event
        except ConnectionClosed as closed:
            return self._died or meaning_of_close(closed)
        except EchoPanelError as error:
            return error

    async def _next(self) -> ServerMessage | Unknown:
        data = await self._socket.recv()
        self._heartbeat.heard(time.monotonic())
        (message,) = self._wire.receive(data)
        if isinstance(message, Error) and message.fatal:
            raise to_exception(message)
        return message

    async def _send(self) -> None:
        while True:
            message = self._traffic.outgoing.next_message(self._wire, self._max_piece)
            if message is None:
                await self._traffic.work.wait()
            else:
                await self._put(self._wire.send(message))
                self._traffic.sent(CAUGHT_UP)

    async def _beat(self) -> None:
        for number in count(1):
            await asyncio.sleep(self._heartbeat.idle_s(time.monotonic()))
            now = time.monotonic()
            if self._heartbeat.is_dead(now):
                self._died = ConnectionLost("the server has stopped answering", resumable=True)
                self._socket.transport.abort()
                return
            if self._heartbeat.ping_due(now):
                self._heartbeat.asked(now)
                # A network that swallows everything holds the sender up too, which must not hide its death.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._heartbeat.dead_in_s(now)):
                        await self._put(self._wire.send(Ping(str(number))))

    async def _put(self, data: str | bytes) -> None:
        """Send; that the connection is closed is for the receiver to say, who knows why."""
        try:
            await self._socket.send(data)
        except ConnectionClosed:
            await asyncio.Event().wait()


async def open_link(
    address: Address, traffic: Traffic, start: Start, heartbeat: Heartbeat
) -> tuple[Link, Ready]:
    """Connect and open or resume the session; one attempt.

    Raises:
        ConfigError, ConnectionLost, ServerError, RemoteProtocolError: it failed.
    """
    socket = await open_socket(address)
    link = Link(socket, traffic, heartbeat)
    try:
        async with asyncio.timeout(address.open_timeout):
            return link, await link.start(start)
    except TimeoutError as error:
        await link.close()
        raise ConnectionLost(
            f"{address.url} accepts connections but does not answer", resumable=False
        ) from error
    except BaseException as error:
        await link.close(error)
        raise
