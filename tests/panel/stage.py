"""A scripted server that also serves the panel, so that a browser can be shown every state there is."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import files

from websockets.asyncio.server import ServerConnection as Socket
from websockets.http11 import Request, Response

from echopanel.audio import SAMPLE_RATE, AudioFrame, Source
from echopanel.wire import messages as m
from echopanel.wire.handshake import PATH
from echopanel.wire.server import ServerConnection
from tests.client.scripted import Scripted, Session

PANEL = files("echopanel") / "panel"
# What the server is free to send, and what the panel has to work under.
POLICY = "default-src 'self'; connect-src 'self' ws: wss:"


@dataclass
class Stage(Scripted):
    """`speaks`: say one final per second of audio, as `Scripted` does; else only what `say` is told.

    `loaded`: what the server says of its model before a session is asked for.
    """

    speaks: bool = False
    loaded: bool = True

    def seconds(self, source: Source) -> float:
        """How much of a source the newest session has got; 0 while there is none."""
        if not self.sessions:
            return 0.0
        return len(self.session.audio.get(source, b"")) / 2 / SAMPLE_RATE

    async def _answer(
        self, socket: Socket, wire: ServerConnection, session: Session, message: m.ClientMessage | m.Unknown
    ) -> None:
        if self.speaks or not isinstance(message, AudioFrame):
            await super()._answer(socket, wire, session, message)
            return
        session.take(message)
        session.events.clear()
        done = session.timelines[message.source].next
        await socket.send(wire.send(m.Ack(message.source, done, done + self.window)))

    def process_request(self, socket: Socket, request: Request) -> Response | None:
        """The panel's files; the handshake of everything else."""
        path = request.path.partition("?")[0]
        if path == PATH:
            return super().process_request(socket, request)
        if path == "/health/ready":
            return socket.respond(HTTPStatus.OK if self.loaded else HTTPStatus.SERVICE_UNAVAILABLE, "{}")
        name = path.removeprefix("/") or "index.html"
        file = PANEL / name
        if not file.is_file():
            return socket.respond(HTTPStatus.NOT_FOUND, "no such file\n")
        response = socket.respond(HTTPStatus.OK, file.read_text(encoding="utf-8"))
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = mimetypes.guess_type(name)[0] or "application/octet-stream"
        response.headers["Content-Security-Policy"] = POLICY
        return response
