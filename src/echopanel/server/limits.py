"""What one connection may ask of the server."""

from __future__ import annotations

from dataclasses import dataclass, field

from echopanel.wire.codec import Bounds


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """Bounds of one connection."""

    bounds: Bounds = field(default_factory=Bounds)
    start_timeout_s: float = 10.0
    max_frames_per_second: int = 200
    burst_frames: int = 2000
    outbox: int = 2000


class Throttle:
    """A token bucket: `rate` frames a second on average, `burst` at once (for clients that catch up)."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst, self._left, self._at = rate, burst, burst, now

    def take(self, now: float) -> float:
        """Count one frame; returns the seconds to wait before reading the next."""
        self._left = min(self._burst, self._left + (now - self._at) * self._rate) - 1
        self._at = now
        return max(0.0, -self._left / self._rate)
