"""The web server around the application."""

from __future__ import annotations

import socket
from types import FrameType

import uvicorn

from echopanel.config import Settings
from echopanel.server.app import create_app
from echopanel.server.server import Server

WS_PING_S = 20.0
CLOSE_WITHIN_S = 5


class WebServer(uvicorn.Server):
    """uvicorn, but it drains the sessions before it closes connections, and leaves signals to its caller."""

    def __init__(self, config: uvicorn.Config, server: Server) -> None:
        super().__init__(config)
        self._server = server

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """End at the first signal, at once at the second."""
        self.force_exit = self.should_exit
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell the clients, then close."""
        await self._server.sessions.go_away("the server is stopping; reconnect and resume")
        await super().shutdown(sockets)


def web_config(settings: Settings, server: Server) -> uvicorn.Config:
    """How uvicorn runs the application."""
    return uvicorn.Config(
        create_app(server),
        lifespan="off",
        log_config=None,
        access_log=False,
        ws="websockets-sansio",
        ws_max_size=settings.limits.max_message_bytes,
        ws_ping_interval=WS_PING_S,
        ws_ping_timeout=WS_PING_S,
        ws_per_message_deflate=False,  # speech does not compress, and captions are small
        timeout_graceful_shutdown=CLOSE_WITHIN_S,
        ssl_certfile=settings.server.tls_cert,
        ssl_keyfile=settings.server.tls_key,
        server_header=False,
    )
