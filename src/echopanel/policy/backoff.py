"""How long to wait before trying again."""

from __future__ import annotations

from dataclasses import dataclass

_NO_MORE_DOUBLING = 62  # 2.0**62 is beyond any cap, 2.0**1100 is beyond floats


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential, capped; the jitter multiplies the capped delay, so that a long outage keeps it."""

    base: float = 1.0
    cap: float = 60.0

    def delay(self, attempt: int, u: float) -> float:
        """Seconds before try `attempt` (from 0), +-20 % for u in [0, 1)."""
        return min(self.base * 2.0 ** min(attempt, _NO_MORE_DOUBLING), self.cap) * (0.8 + 0.4 * u)
