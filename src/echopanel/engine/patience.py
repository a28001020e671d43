"""How long a recogniser call may take before it counts as hanging."""

from __future__ import annotations

import math
from dataclasses import dataclass

from echopanel.machine.starvation import waited_s
from echopanel.policy.demand import Ratio

# A call may take this many times what calls took lately ...
SLOWEST = 5.0
# ... and before anything was measured a machine is taken to be this slow.
UNKNOWN_RTF = 0.3
DEFERRED_SECONDS = 60.0
LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Term:
    """When a call is late, and how long this process had waited for a processor when it began."""

    deadline: float
    waited: float


class Patience:
    """Sets terms. Times in seconds on the monotonic clock."""

    def __init__(self, stuck_after_s: float) -> None:
        self._stuck_after_s = stuck_after_s
        self._deferred = Ratio(UNKNOWN_RTF, DEFERRED_SECONDS)
        self._waited = 0.0
        self._looked_at = -math.inf

    def __repr__(self) -> str:
        return f"<Patience of {self._stuck_after_s:g}s [{self._waited:.1f}s waited]>"

    def live(self, seconds: float, cost: float, now: float) -> Term:
        """The term of a call over so many seconds of live speech; `cost` is the RTF lately, 0 if unknown."""
        return self._term(seconds * (cost or UNKNOWN_RTF), now)

    def deferred(self, seconds: float, now: float) -> Term:
        """The same for what was put off: a slower model may have it."""
        return self._term(seconds * self._deferred.value, now)

    def deferred_took(self, seconds: float, elapsed: float) -> None:
        """So long such a call took."""
        self._deferred.add(elapsed, seconds)

    def over(self, term: Term, now: float, calls: int) -> bool:
        """Whether a call, one of so many, hangs: it is late by more than it had to wait for a processor."""
        return now > term.deadline and now > term.deadline + (waited_s() - term.waited) / calls

    def _term(self, expected: float, now: float) -> Term:
        if now - self._looked_at >= LOOK_S:  # not each time, because looking takes a moment
            self._looked_at, self._waited = now, waited_s()
        return Term(now + max(self._stuck_after_s, SLOWEST * expected), self._waited)
