"""When to try a connection again, and when to stop trying."""

from __future__ import annotations

from echopanel.policy.backoff import Backoff
from echopanel.policy.breaker import Breaker

SPREAD = 0.5


class Retry:
    """Attempts in a row, slowed down by backoff and breaker. Times are seconds on any monotonic clock.

    Args:
        attempts: how many before giving up.
        quick_s: a connection that ends sooner than this after it was ready counts as one more failure.
    """

    def __init__(self, backoff: Backoff, breaker: Breaker, attempts: int = 15, quick_s: float = 5.0) -> None:
        self._backoff = backoff
        self._breaker = breaker
        self._max_attempts = attempts
        self._quick_s = quick_s
        self._attempts = 0
        self._ready_at: float | None = None

    def __repr__(self) -> str:
        return f"<Retry [{self._attempts} of {self._max_attempts} attempts] {self._breaker!r}>"

    def ready(self, now: float) -> None:
        """The connection is open and the server has said `ready`."""
        self._ready_at = now

    def failed(self, now: float, u: float, at_least: float = 0.0) -> float | None:
        """The connection, or the attempt to get one, has ended.

        Args:
            now: the time.
            u: chance, in [0, 1).
            at_least: what the server asked us to wait, like everybody else, so up to `SPREAD` of it is added.

        Returns:
            Seconds to wait before the next attempt, or None to give up.
        """
        lasted = self._ready_at is not None and now - self._ready_at >= self._quick_s
        self._ready_at = None
        if lasted:
            self.reset()
        else:
            self._breaker.fail(now)
        if self._attempts >= self._max_attempts:
            return None
        return max(
            self._backoff.delay(self._attempts, u), self._breaker.retry_in(now), at_least * (1 + SPREAD * u)
        )

    def attempt(self, now: float) -> float:
        """Begin the next attempt; returns seconds still to wait, or 0.0 when it is under way."""
        if not self._breaker.allow(now):
            return self._breaker.retry_in(now)
        self._attempts += 1
        return 0.0

    def reset(self) -> None:
        """Forget all failures: a connection has lasted, or somebody asks by hand."""
        self._attempts = 0
        self._breaker.succeed()
