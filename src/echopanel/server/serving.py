"""A server from its first moment to its last."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
from typing import TYPE_CHECKING

from echopanel.config import Settings
from echopanel.engine.ahead import Ahead
from echopanel.server.memory import give_memory_back
from echopanel.server.server import Server

if TYPE_CHECKING:
    from echopanel.server.web import WebServer


async def serve(settings: Settings, listening: socket.socket, ahead: Ahead | None = None) -> None:
    """Serve on a bound socket until a signal comes.

    Raises:
        ModelUnavailable: the model cannot be used.
        StoreError: the data directory cannot be used.
    """
    address = panel_address(settings, listening)  # the socket is closed when serving has ended
    async with Server(settings, ahead) as server:
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
            _collect_from_now_on()
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


def _collect_from_now_on() -> None:
    """Take garbage collection up again, where it was off for the start: what there is now stays.

    To look through it takes 40 ms, in which nothing else happens.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def panel_address(settings: Settings, listening: socket.socket) -> str:
    """The panel's URL; an address that means "all" is shown as this machine."""
    host, port = listening.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"{'https' if settings.server.tls_cert else 'http'}://{shown}:{port}/"
