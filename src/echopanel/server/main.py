"""Running a server in this process until it is told to stop."""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import TYPE_CHECKING

from uvicorn.loops.auto import auto_loop_factory

from echopanel.config import Settings
from echopanel.config.libraries import tune_libraries
from echopanel.errors import ConfigError
from echopanel.server.logs import configure_logging
from echopanel.server.memory import give_memory_back, keep_memory_small
from echopanel.server.server import Server

if TYPE_CHECKING:
    from echopanel.server.web import WebServer


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
        starting = asyncio.create_task(server.start())
        giving_back = asyncio.create_task(give_memory_back())
        try:
            # The routes take as long as the weights, so they are built meanwhile.
            web = await asyncio.to_thread(_web_server, settings, server)
            await _until_stopped(web, starting, listening, address)
        finally:
            starting.cancel()
            giving_back.cancel()
            await asyncio.gather(starting, giving_back, return_exceptions=True)


def _web_server(settings: Settings, server: Server) -> WebServer:
    from echopanel.server.web import WebServer, web_config

    return WebServer(web_config(settings, server), server)


async def _until_stopped(
    web: WebServer, starting: asyncio.Task[None], listening: socket.socket, address: str
) -> None:
    """Serve from now on, say when the model is ready, and return when somebody has ended it."""
    serving = asyncio.create_task(web.serve([listening]))
    try:
        await asyncio.wait((serving, starting), return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():  # nobody told it to stop meanwhile
            await starting
            sys.stdout.write(f"EchoPanel is ready: open {address}\n")
            sys.stdout.flush()
        await asyncio.wait((serving,))
    except BaseException:
        web.should_exit = True
        raise
    finally:
        starting.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    await serving


def panel_address(settings: Settings, listening: socket.socket) -> str:
    """The panel's URL; an address that means "all" is shown as this machine."""
    host, port = listening.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"{'https' if settings.server.tls_cert else 'http'}://{shown}:{port}/"
