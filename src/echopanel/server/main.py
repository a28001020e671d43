"""Running a server in this process until it is told to stop."""

from __future__ import annotations

import asyncio
import socket
import sys
from types import FrameType

import uvicorn
from uvicorn.loops.auto import auto_loop_factory

from echopanel.config import Settings
from echopanel.config.libraries import tune_libraries
from echopanel.errors import ConfigError
from echopanel.server.app import Server, create_app
from echopanel.server.logs import configure_logging
from echopanel.server.memory import give_memory_back, keep_memory_small

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


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        ConfigError: the address cannot be used.
        ModelUnavailable: the model cannot be used.
        StoreError: the data directory cannot be used.
    """
    configure_logging(settings.log.level, settings.log.format)
    tune_libraries()
    keep_memory_small()
    with (
        listen(settings.server.host, settings.server.port) as listening,
        asyncio.Runner(loop_factory=auto_loop_factory()) as runner,
    ):
        runner.run(_serve(settings, listening))


def listen(host: str, port: int) -> socket.socket:
    """Bind the address before anything is loaded, so that a taken port is known at once.

    Raises:
        ConfigError: with what to do.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        reason = f"{error.strerror or error}; stop what uses it, or choose another with --port"
        raise ConfigError("server.port", f"{host}:{port}", reason) from error
    return listening


async def _serve(settings: Settings, listening: socket.socket) -> None:
    address = panel_address(settings, listening)  # the socket is closed when serving has ended
    async with Server(settings) as server:
        web = WebServer(web_config(settings, server), server)
        serving, starting = asyncio.create_task(web.serve([listening])), asyncio.create_task(server.start())
        giving_back = asyncio.create_task(give_memory_back())
        try:
            await asyncio.wait((serving, starting), return_when=asyncio.FIRST_COMPLETED)
            if not serving.done():  # nobody told it to stop meanwhile
                await starting
                sys.stdout.write(f"EchoPanel is ready: open {address}\n")
                sys.stdout.flush()
        except BaseException:
            web.should_exit = True
            raise
        finally:
            starting.cancel()
            giving_back.cancel()
            await asyncio.gather(serving, starting, giving_back, return_exceptions=True)
        await serving


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


def panel_address(settings: Settings, listening: socket.socket) -> str:
    """The panel's URL; an address that means "all" is shown as this machine."""
    host, port = listening.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"{'https' if settings.server.tls_cert else 'http'}://{shown}:{port}/"
