"""The ASGI application: the routes of a server, and what its errors look like."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response, WebSocket

from echopanel import __version__
from echopanel.errors import ErrorCode, NoRecording, SessionRunning, StoreError, UnknownSession
from echopanel.server.capabilities import capability_routes
from echopanel.server.gate import Gate
from echopanel.server.history import session_routes
from echopanel.server.http import health_routes, metrics_routes, model_routes
from echopanel.server.ladder import ladder_routes
from echopanel.server.live import serve_live
from echopanel.server.panel import PanelFiles
from echopanel.server.problems import problem
from echopanel.server.refining_routes import refining_routes
from echopanel.server.server import Server
from echopanel.server.translate import live_limits
from echopanel.server.watch import WATCH_PATH, serve_watcher
from echopanel.wire.handshake import PATH

# Answered to anybody: they say nothing about anybody, and a supervisor has no token.
OPEN_PATHS = ("/health/live", "/health/ready")
# Everything else that says or does something; what remains are the panel's files.
GUARDED = ("/health", "/metrics", "/v1/", "/docs", "/redoc", "/openapi.json")


def create_app(server: Server) -> FastAPI:
    """The ASGI application of a server."""
    app = FastAPI(title="EchoPanel", version=__version__)
    for router in (
        health_routes(server.engine, server.sessions, server.storage),
        metrics_routes(server.engine),
        model_routes(server.engine),
        capability_routes(server.engine),
        ladder_routes(server.engine),
        session_routes(server.sessions.roster, server.keeper, server.refinery),
        refining_routes(server.refinery),
    ):
        app.include_router(router)
    app.add_exception_handler(UnknownSession, unknown_session)
    app.add_exception_handler(SessionRunning, conflict)
    app.add_exception_handler(NoRecording, conflict)
    app.add_exception_handler(StoreError, storage_failed)
    app.add_middleware(Gate, guard=server.guard, open_paths=OPEN_PATHS, guarded=GUARDED)

    @app.websocket(PATH)
    async def live(websocket: WebSocket) -> None:
        await serve_live(websocket, server.guard, server.sessions, live_limits(server.settings))

    @app.websocket(WATCH_PATH)
    async def watch(websocket: WebSocket, session_id: str, after: Annotated[int, Query(ge=0)] = 0) -> None:
        await serve_watcher(websocket, session_id, after, server.guard, server.sessions, server.keeper)

    app.mount("/", PanelFiles(directory=str(files("echopanel") / "panel"), html=True), name="panel")
    return app


def unknown_session(_: Request, error: Exception) -> Response:
    """The answer for a session that is not there."""
    return problem(404, ErrorCode.UNKNOWN_SESSION, str(error))


def conflict(_: Request, error: Exception) -> Response:
    """The answer where a session is not in the state for it."""
    return problem(409, ErrorCode.UNEXPECTED_MESSAGE, str(error))


def storage_failed(_: Request, error: Exception) -> Response:
    """The answer when the disk does not do its part."""
    return problem(503, ErrorCode.STORAGE_FAILED, str(error))
