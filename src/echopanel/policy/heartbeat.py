"""When to ask the other side whether it is there, and when to believe that it is not."""

from __future__ import annotations


class Heartbeat:
    """Times are seconds on any monotonic clock.

    Args:
        now: the time of the first sign of life.
        ping_s: ask this often.
        dead_s: silence for this long means that the connection is dead.
    """

    def __init__(self, now: float, ping_s: float = 10.0, dead_s: float = 15.0) -> None:
        self._ping_s = ping_s
        self._dead_s = dead_s
        self._heard_at = now
        self._asked_at = now

    def __repr__(self) -> str:
        return f"<Heartbeat [heard at {self._heard_at:.1f}, asked at {self._asked_at:.1f}]>"

    def heard(self, now: float) -> None:
        """Anything came from the other side."""
        self._heard_at = now

    def asked(self, now: float) -> None:
        """A ping was sent."""
        self._asked_at = now

    def ping_due(self, now: float) -> bool:
        """Whether to send a ping now."""
        return now >= self._asked_at + self._ping_s

    def is_dead(self, now: float) -> bool:
        """Whether the silence has lasted too long."""
        return now >= self._heard_at + self._dead_s

    def dead_in_s(self, now: float) -> float:
        """Seconds until the silence has lasted too long."""
        return max(0.0, self._heard_at + self._dead_s - now)

    def idle_s(self, now: float) -> float:
        """Seconds until there is something to do."""
        return max(0.0, min(self._asked_at + self._ping_s, self._heard_at + self._dead_s) - now)
