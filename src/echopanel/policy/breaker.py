"""Leave a server alone that keeps failing, then ask with one probe whether it is back."""

from __future__ import annotations

from enum import Enum


class BreakerState(Enum):
    """CLOSED lets everybody through, OPEN nobody, HALF_OPEN has its one probe under way."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


class Breaker:
    """Circuit breaker. Times are seconds on any monotonic clock.

    Args:
        failures: how many in a row open it.
        open_s: how long it stays open.
        probe_s: a probe that has not answered after this long counts as a failure.
    """

    def __init__(self, failures: int = 5, open_s: float = 60.0, probe_s: float = 30.0) -> None:
        self.state = BreakerState.CLOSED
        self._threshold = failures
        self._open_s = open_s
        self._probe_s = probe_s
        self._failures = 0
        self._until = 0.0  # the end of OPEN, or the probe's deadline

    def __repr__(self) -> str:
        return f"<Breaker {self.state.value} [{self._failures} failures in a row]>"

    def allow(self, now: float) -> bool:
        """Whether to try now; when the breaker was open, whoever gets True is the probe."""
        self._expire(now)
        if self.state is BreakerState.OPEN and now >= self._until:
            self.state, self._until = BreakerState.HALF_OPEN, now + self._probe_s
            return True
        return self.state is BreakerState.CLOSED

    def retry_in(self, now: float) -> float:
        """Seconds until `allow` may say yes."""
        self._expire(now)
        return 0.0 if self.state is BreakerState.CLOSED else max(0.0, self._until - now)

    def succeed(self) -> None:
        """A try went well."""
        self.state, self._failures = BreakerState.CLOSED, 0

    def fail(self, now: float) -> None:
        """A try failed."""
        self._expire(now)
        self._failures += 1
        tripped = self.state is BreakerState.CLOSED and self._failures >= self._threshold
        if tripped or self.state is BreakerState.HALF_OPEN:
            self._open(now)

    def _expire(self, now: float) -> None:
        """A probe that is beyond its deadline has failed at the deadline."""
        if self.state is BreakerState.HALF_OPEN and now >= self._until:
            self._failures += 1
            self._open(self._until)

    def _open(self, now: float) -> None:
        self.state, self._until = BreakerState.OPEN, now + self._open_s
