"""What is recognised from the journal when there is time, and before a session ends.

First what was put off, then once more what a smaller model or a fallback heard.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from functools import partial

import structlog

from echopanel.audio import Source
from echopanel.engine.engine import Engine
from echopanel.errors import EchoPanelError, StoreError
from echopanel.server.keeper import Keeper
from echopanel.server.track import Track

log = structlog.get_logger(__name__)

REPAIR_AGAIN_S = 0.5
REPAIR_RARELY_S = 30.0
# A session that ends waits so long for time to hear again what was heard in haste.
LEISURE_WITHIN_S = 30.0


class Deferred:
    """Repairs the tracks of one session. `refused` is told of a disk that does not give their audio."""

    def __init__(
        self,
        session_id: str,
        tracks: Mapping[Source, Track],
        *,
        engine: Engine,
        keeper: Keeper,
        refused: Callable[[Source, EchoPanelError], None],
    ) -> None:
        self._session_id = session_id
        self._tracks = tracks
        self._engine = engine
        self._keeper = keeper
        self._refused = refused

    def __repr__(self) -> str:
        return f"<Deferred of {self._session_id} [{self.count} ranges]>"

    @property
    def count(self) -> int:
        """Ranges that were put off."""
        return sum(len(track.pipeline.shed) for track in self._tracks.values())

    async def run(self) -> None:
        """While there is time, recognise what was put off; what does not work is tried ever more rarely."""
        wait = REPAIR_AGAIN_S
        while True:
            await asyncio.sleep(wait)
            before = self.count
            if self._engine.idle:
                await self._catch_up()
            wait = min(2 * wait, REPAIR_RARELY_S) if 0 < before <= self.count else REPAIR_AGAIN_S

    async def _catch_up(self) -> None:
        for source in self._tracks:
            await self._repair(source, give_up=False)
            while self._engine.calm and self._tracks[source].pipeline.hasty:
                await self._improve(source)

    async def settle(self, *, give_up: bool) -> None:
        """Make everything taken so far final, also what was put off.

        What fails and cannot be put off until later, because there is no later (`give_up`), is lost.
        """
        async with asyncio.TaskGroup() as group:
            for source in self._tracks:
                group.create_task(self._settle(source, give_up=give_up))

    async def _settle(self, source: Source, *, give_up: bool) -> None:
        pipeline = self._tracks[source].pipeline
        await pipeline.flush()
        before = math.inf
        # What does not get less is put off until later, unless there is no later.
        while len(pipeline.shed) < before or (give_up and pipeline.shed):
            before = len(pipeline.shed)
            await self._repair(source, give_up=give_up)
            if pipeline.shed:
                await asyncio.sleep(REPAIR_AGAIN_S)
        while give_up and pipeline.hasty and await self._leisure():
            await self._improve(source)

    async def _leisure(self) -> bool:
        """Whether there comes a time, soon, for what nobody waits for."""
        waited = 0.0
        while not self._engine.leisurely and waited < LEISURE_WITHIN_S:
            await asyncio.sleep(REPAIR_AGAIN_S)
            waited += REPAIR_AGAIN_S
        return self._engine.leisurely

    async def _repair(self, source: Source, *, give_up: bool) -> None:
        """Recognise what was put off; what the disk does not give just now stays put off."""
        try:
            await self._tracks[source].pipeline.repair(partial(self._read, source), give_up=give_up)
        except StoreError as error:
            self._unread(source, error)

    async def _improve(self, source: Source) -> None:
        """Hear again what was heard in haste; what the disk does not give stays as it is."""
        try:
            await self._tracks[source].pipeline.improve(partial(self._read, source))
        except StoreError as error:
            self._unread(source, error)

    def _unread(self, source: Source, error: StoreError) -> None:
        log.error("cannot read the journal", session=self._session_id, source=source, error=str(error))
        self._refused(source, error)

    async def _read(self, source: Source, start: int, end: int) -> bytes:
        """Audio out of the journal, once it is there.

        Raises:
            StoreError: the disk does not take it, or does not give it.
        """
        if end > self._tracks[source].kept:
            await self._keeper.write()
        if end > self._tracks[source].kept:
            raise StoreError("what was put off is not in the journal yet, because the disk refuses it")
        return await self._keeper.read(self._session_id, source, start, end)
