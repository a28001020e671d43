"""How long a recogniser call may take before it counts as hanging."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from echopanel.machine.starvation import Turns, turns
from echopanel.policy.demand import Ratio

# A call may take this many times what calls took lately, though no more than `stuck_after_s` beyond that; ...
SLOWEST = 3.0
# ... and before anything was measured a machine is taken to be this slow.
UNKNOWN_RTF = 0.3
DEFERRED_SECONDS = 60.0
LOOK_S = 0.5
# What hung one call may hang the others: they have so long to come back.
HASTENED_S = 1.0
# Threads are taken to run whenever they are ready until that is known: it counts as so many seconds.
RUNNING_S = 2.0


@dataclass(frozen=True, slots=True)
class Term:
    """When a call is late, and how long this process had waited for a processor when it began."""

    deadline: float
    waited: float


def hastened(term: Term, now: float) -> Term:
    """The term of a call to a model in which another one hangs."""
    return replace(term, deadline=min(term.deadline, now + HASTENED_S))


class Patience:
    """Sets terms. Times in seconds on the monotonic clock.

    Time for which threads had to wait for a processor counts once: what calls took lately is taken without
    it, and what is waited during a call is added to its term.
    """

    def __init__(self, stuck_after_s: float) -> None:
        self._stuck_after_s = stuck_after_s
        self._deferred = Ratio(UNKNOWN_RTF, DEFERRED_SECONDS)
        self._running = Ratio(1.0, RUNNING_S)
        self._turns = Turns()
        self._looked_at = -math.inf

    def __repr__(self) -> str:
        return f"<Patience of {self._stuck_after_s:g}s [{self._turns.waited:.1f}s waited]>"

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
        return now > term.deadline and now > term.deadline + (turns().waited - term.waited) / calls

    def _term(self, expected: float, now: float) -> Term:
        if now - self._looked_at >= LOOK_S:  # not each time, because looking takes a moment
            self._look(now)
        undisturbed = expected * self._running.value
        most = min(SLOWEST * undisturbed, undisturbed + self._stuck_after_s)
        return Term(now + max(self._stuck_after_s, most), self._turns.waited)

    def _look(self, now: float) -> None:
        before, self._turns, self._looked_at = self._turns, turns(), now
        ran = max(0.0, self._turns.ran - before.ran)  # threads that have ended take theirs along
        self._running.add(ran, ran + max(0.0, self._turns.waited - before.waited))
