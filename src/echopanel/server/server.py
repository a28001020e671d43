"""The composition root: builds everything a server is made of but its routes, and drains it at the end."""

from __future__ import annotations

import asyncio
from typing import Self

from echopanel.config import Settings
from echopanel.engine.ahead import Ahead
from echopanel.engine.calibrations import Calibrations
from echopanel.engine.engine import Engine
from echopanel.engine.tasks import background
from echopanel.machine.detect import detect
from echopanel.server.auth import Guard
from echopanel.server.keeper import Keeper
from echopanel.server.refining import Refinery
from echopanel.server.sessions import Sessions
from echopanel.server.specs import model_spec
from echopanel.server.storage import Storage
from echopanel.server.translate import (
    archive,
    engine_settings,
    quota_bytes,
    second_pass,
    session_limits,
    wire_limits,
)
from echopanel.store.journal import DIRECTORY, FsyncPolicy, Journal
from echopanel.store.transcripts import TranscriptStore

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
EXPIRY_INTERVAL_S = 5.0


class Server:
    """Everything behind one address."""

    def __init__(self, settings: Settings, ahead: Ahead | None = None) -> None:
        self.settings = settings
        measured = Calibrations(detect()).find(model_spec(settings))
        carried = None if measured is None else measured.sources
        self.engine = Engine(engine_settings(settings, carried), ahead)
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


def guard_of(settings: Settings) -> Guard:
    """The rules of admission; without a token only this machine's names for itself are answered to."""
    server = settings.server
    if server.token is not None:
        return Guard(server.token.get_secret_value(), server.allowed_origins)
    return Guard(None, server.allowed_origins, LOOPBACK_NAMES | {server.host})
