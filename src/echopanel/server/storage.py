"""Whether the disk takes audio and text: what running sessions hear of it, and a look of our own."""

from __future__ import annotations

import asyncio
import time

from echopanel.errors import StoreError
from echopanel.server.keeper import Keeper
from echopanel.server.roster import Roster

ANSWER_S = 5.0  # a disk that takes longer to say yes holds up every acknowledgement


class Storage:
    """Looks at most once in `interval_s` seconds, however often it is asked."""

    def __init__(self, keeper: Keeper, roster: Roster, interval_s: float) -> None:
        self._keeper = keeper
        self._roster = roster
        self._interval_s = interval_s
        self._looking = asyncio.Lock()
        self._looked_at: float | None = None
        self._found = ""
        self._given_up = ""

    def __repr__(self) -> str:
        return f"<Storage {self._found or 'well'}>"

    def gave_up(self, error: BaseException) -> None:
        """Nothing is written any more, because of a bug of ours; from now on there is trouble."""
        self._given_up = f"the server failed, and its log has the cause: {error!r}; restart it"

    async def trouble(self) -> str:
        """Why the disk does not take audio or text now; "" while it does."""
        if self._given_up:
            return self._given_up
        refusals = (entry.session.refused for entry in self._roster)
        return next(filter(None, refusals), "") or await self._look_again()

    async def _look_again(self) -> str:
        async with self._looking:
            if self._looked_at is None or time.monotonic() - self._looked_at >= self._interval_s:
                self._found = await self._look()
                self._looked_at = time.monotonic()
            return self._found

    async def _look(self) -> str:
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._keeper.audio(self._keeper.journal.check)
                await self._keeper.store(self._keeper.transcripts.check)
        except TimeoutError:
            return f"it did not answer within {ANSWER_S:g} s"
        except StoreError as error:
            return str(error)
        return ""
