"""How old the newest shown word is."""

from __future__ import annotations

import time
from collections import deque


class Lag:
    """Remembers when samples arrived, for as long as text for them may still come."""

    def __init__(self) -> None:
        self.seconds: float | None = None  # from arrival until shown, of the newest shown sample
        self._arrivals: deque[tuple[int, float]] = deque(maxlen=600)

    def __repr__(self) -> str:
        return f"<Lag {'unknown' if self.seconds is None else f'{self.seconds:.2f} s'}>"

    def arrived(self, end: int) -> None:
        """Samples before `end` are here now."""
        self._arrivals.append((end, time.monotonic()))

    def shown(self, end: int) -> float | None:
        """Text for the samples before `end` is shown now; the lag in seconds, None if nobody knows."""
        arrived = next((at for sample, at in self._arrivals if sample >= end), None)
        if arrived is None:
            return None
        self.seconds = time.monotonic() - arrived
        return self.seconds
