"""How loud a source is."""

from __future__ import annotations

import math

import numpy as np

from echopanel.audio import Samples

SILENT_DB = -60.0
FALL_DB_S = 40.0  # so that short sounds can be seen


class Meter:
    """Level of the newest audio, dBFS RMS; it rises at once and falls slowly. `now`: monotonic seconds."""

    def __init__(self, now: float) -> None:
        self._level_db = -math.inf
        self._at = now
        self._heard_at = now

    def __repr__(self) -> str:
        return f"<Meter {self._level_db:.0f} dBFS>"

    def take(self, samples: Samples, now: float) -> None:
        """Audio that has just come."""
        power = float(np.mean(np.square(samples))) if len(samples) else 0.0
        level_db = 10 * math.log10(power) if power else -math.inf
        self._level_db = max(level_db, self.level_db(now))
        self._at = now
        if level_db > SILENT_DB:
            self._heard_at = now

    def level_db(self, now: float) -> float:
        """dBFS to show; -inf before there was any sound."""
        return self._level_db - FALL_DB_S * (now - self._at)

    def silent_s(self, now: float) -> float:
        """Seconds without any sound above -60 dBFS."""
        return now - self._heard_at
