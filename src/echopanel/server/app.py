"""The composition root: builds everything a server is made of, and drains it at the end."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from typing import Annotated, Self

from fastapi import FastAPI, Query, Request, Response, WebSocket

from echopanel import __version__
from echopanel.config import Settings
from echopanel.engine.calibrations import Calibrations
from echopanel.engine.engine import Engine
from echopanel.engine.tasks import background
from echopanel.errors import ErrorCode, NoRecording, SessionRunning, StoreError, UnknownSession
from echopanel.machine.detect import detect
from echopanel.server.auth import Guard
from echopanel.server.capabilities import capability_routes
from echopanel.server.gate import Gate
from echopanel.server.history import session_routes
from echopanel.server.http import health_routes, metrics_routes, model_routes
from echopanel.server.keeper import Keeper
from echopanel.server.ladder import ladder_routes
from echopanel.server.live import serve_live
from echopanel.server.panel import PanelFiles
from echopanel.server.problems import problem
from echopanel.server.refining import Refinery, refining_routes
from echopanel.server.sessions import Sessions
from echopanel.server.storage import Storage
from echopanel.server.translate import (
    archive,
    engine_settings,
    live_limits,
    model_spec,
    quota_bytes,
    second_pass,
    session_limits,
    wire_limits,
)
from echopanel.server.watch import WATCH_PATH, serve_watcher
from echopanel.store.journal import DIRECTORY, FsyncPolicy, Journal
from echopanel.store.transcripts import TranscriptStore
from echopanel.wire.handshake import PATH

# Answered to anybody: they say nothing about anybody, and a supervisor has no token.
OPEN_PATHS = ("/health/live", "/health/ready")
# Everything else that says or does something; what remains are the panel's files.
GUARDED = ("/health", "/metrics", "/v1/", "/docs", "/redoc", "/openapi.json")
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
EXPIRY_INTERVAL_S = 5.0


class Server:
    """Everything behind one address."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        measured = Calibrations(detect()).find(model_spec(settings))
        self.engine = Engine(engine_settings(settings, None if measured is None else measured.sources))
        data = settings.store.data_dir
        journal = Journal(data / DIRECTORY, FsyncPolicy(settings.store.fsync), quota_bytes(settings))
        store = TranscriptStore(data, durable=journal.policy is FsyncPolicy.ALWAYS)
        self.keeper = Keeper(store, journal, archive(settings), record=settings.store.record)
        self.sessions = Sessions(self.engine, self.keeper, wire_limits(settings), session_limits(settings))
        self.storage = Storage(self.keeper, self.sessions.roster, settings.engine.probe_interval_s)
        self.refinery = Refinery(self.engine, self.keeper, second_pass(settings, store, self.keeper.archive))
        self.guard = guard_of(settings)

    def __repr__(self) -> str:
        return f"<Server {self.engine!r} {self.sessions!r}>"

    async def __aenter__(self) -> Self:
        self._tasks = [
            background(self.keeper.run(), "journal", self.storage.gave_up),
            background(self._expire(), "expiry of sessions"),
        ]
        return self

    async def start(self) -> None:
        """Load the model, then take up what an earlier process left unfinished: sessions and second passes.

        Raises:
            ModelUnavailable: the model cannot be used.
            StoreError: the data directory cannot be read.
        """
        await self.engine.start()
        await self.sessions.recover()
        await self.refinery.take_up()

    async def __aexit__(self, *_: object) -> None:
        await self.refinery.close()
        await self.sessions.roster.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.engine.close()
        await self.keeper.close()

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(EXPIRY_INTERVAL_S)
            await self.sessions.roster.look_after()


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


def guard_of(settings: Settings) -> Guard:
    """The rules of admission; without a token only this machine's names for itself are answered to."""
    server = settings.server
    if server.token is not None:
        return Guard(server.token.get_secret_value(), server.allowed_origins)
    return Guard(None, server.allowed_origins, LOOPBACK_NAMES | {server.host})


def unknown_session(_: Request, error: Exception) -> Response:
    """The answer for a session that is not there."""
    return problem(404, ErrorCode.UNKNOWN_SESSION, str(error))


def conflict(_: Request, error: Exception) -> Response:
    """The answer where a session is not in the state for it."""
    return problem(409, ErrorCode.UNEXPECTED_MESSAGE, str(error))


def storage_failed(_: Request, error: Exception) -> Response:
    """The answer when the disk does not do its part."""
    return problem(503, ErrorCode.STORAGE_FAILED, str(error))
