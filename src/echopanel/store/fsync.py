"""When appended audio is forced to the medium."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from enum import StrEnum
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class FsyncPolicy(StrEnum):
    """When appended audio is forced to the medium, and so what it survives.

    The end of the process, `kill -9` included, costs no appended sample under any of them: the kernel
    has the data before `append` returns. A power cut or a kernel crash costs

    - `none`: what the kernel had not written yet, typically the last 5 to 30 s;
    - `interval`: at most the last interval, 1 s by default, plus the time that a sync takes;
    - `always`: nothing, as far as the drive keeps its promise; every batch waits for the medium.
    """

    NONE = "none"
    INTERVAL = "interval"
    ALWAYS = "always"


class SyncTurns(Generic[Key]):
    """Whose turn it is to be synced: everybody's once in `interval_s`, spread evenly over it.

    Spread, because a sync takes milliseconds, and sixty in a row would hold up the appends behind them.
    """

    def __init__(self, interval_s: float) -> None:
        self.interval_s = interval_s
        self._since: dict[Key, float] = {}
        self._asked_at = -math.inf
        self._share = 0.0

    def take(self, dirty: Iterable[Key], now: float) -> list[Key]:
        """Return which of `dirty` to sync at `now`, in monotonic seconds, longest dirty first.

        What is dirty is taken by the first call that finds it so for `interval_s`, or earlier.
        """
        self._since = {key: self._since.get(key, now) for key in dirty}
        queue = sorted(self._since, key=self._since.__getitem__)
        overdue = sum(now - since >= self.interval_s for since in self._since.values())
        elapsed = min((now - self._asked_at) / self.interval_s, 1.0)
        self._asked_at = now
        self._share = min(self._share + len(queue) * elapsed, len(queue))
        turn = queue[: max(overdue, int(self._share))]
        self._share = max(self._share - len(turn), 0.0)
        for key in turn:
            del self._since[key]
        return turn

    def __repr__(self) -> str:
        return f"<SyncTurns [{len(self._since)} waiting, every {self.interval_s:g}s]>"
