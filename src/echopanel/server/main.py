"""Running a server in this process until it is told to stop."""

from __future__ import annotations

import asyncio
import socket

from echopanel.config import Settings
from echopanel.config.libraries import tune_libraries
from echopanel.engine.ahead import Ahead
from echopanel.errors import ConfigError
from echopanel.server.logs import configure_logging
from echopanel.server.memory import keep_memory_small
from echopanel.server.specs import model_spec


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
    with listen(settings.server.host, settings.server.port) as listening:
        ahead = None if settings.model.load == "lazy" else Ahead(model_spec(settings))
        try:
            _serve(settings, listening, ahead)
        finally:
            if ahead is not None:
                ahead.close()


def _serve(settings: Settings, listening: socket.socket, ahead: Ahead | None) -> None:
    # Imported only now: it takes as long as the model, which is being loaded.
    from uvicorn.loops.auto import auto_loop_factory

    from echopanel.server.serving import serve

    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        runner.run(serve(settings, listening, ahead))


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
