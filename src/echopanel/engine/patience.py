"""How long a recogniser call may take before it counts as hanging."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

from echopanel.machine.starvation import Turns, turns
from echopanel.policy.demand import Ratio

# A call may take this many times what calls took lately, because what the guards object to is decoded up to
# three times and on the full window, though no more than so many times `stuck_after_s` beyond that; ...
SLOWEST = 5.0
BEYOND = 2.0
# ... and before anything was measured a machine is taken to be this slow.
UNKNOWN_RTF = 0.3
DEFERRED_SECONDS = 60.0
LOOK_S = 0.5
# What hung one call may hang the others: they have so long to come back.
HASTENED_S = 1.0
# Threads are taken to run whenever they are ready until that is known: it counts as so many seconds.
RUNNING_S = 2.0
RUNNING_NOW_S = 0.1
# Of `stuck_after_s` the part that a call must have had a processor for, if it wanted one.
LEAST_SHARE = 0.5
# A call that works has so many times `stuck_after_s`: what it hears may make the text run on, in all tries.
WORKING = 2.5
# Calls that keep so much of a processor busy each are at work; beside one that hangs it is half as much.
WORKING_SHARE = 0.75


@dataclass(frozen=True, slots=True)
class Term:
    """When a call is late: after `least_s` seconds, of which it could have run for more than `running_s`.

    One that visibly works has `working_s` instead. `turns` is what the threads of this process had run and
    waited when it `began`.
    """

    began: float
    least_s: float
    running_s: float
    working_s: float
    turns: Turns

    def over(self, now: float, calls: int) -> bool:
        """Whether a call, one of so many, hangs."""
        elapsed = now - self.began
        if elapsed <= self.least_s:
            return False
        spent = turns()
        ran = max(0.0, spent.ran - self.turns.ran)  # threads that have ended take theirs along
        waited = max(0.0, spent.waited - self.turns.waited)
        could_run = elapsed * (RUNNING_NOW_S + ran) / (RUNNING_NOW_S + ran + waited)
        works = ran > WORKING_SHARE * could_run * calls
        return could_run > (self.working_s if works else self.running_s)

    def hastened(self, now: float) -> Self:
        """That of a call to a model in which another one hangs."""
        least_s = min(self.least_s, now - self.began + HASTENED_S)
        running_s = min(self.running_s, least_s * LEAST_SHARE)
        return replace(self, least_s=least_s, running_s=running_s, working_s=running_s)


class Patience:
    """Sets terms. Times in seconds on the monotonic clock.

    Time for which threads had to wait for a processor counts neither in what calls took lately nor in what
    the next one takes.
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

    def _term(self, expected: float, now: float) -> Term:
        if now - self._looked_at >= LOOK_S:  # not each time, because looking takes a moment
            self._look(now)
        running = expected * self._running.value
        most = min(SLOWEST * running, running + BEYOND * self._stuck_after_s)
        running_s = max(self._stuck_after_s * LEAST_SHARE, most)
        working_s = max(running_s, WORKING * self._stuck_after_s)
        return Term(now, self._stuck_after_s, running_s, working_s, self._turns)

    def _look(self, now: float) -> None:
        before, self._turns, self._looked_at = self._turns, turns(), now
        ran = max(0.0, self._turns.ran - before.ran)
        self._running.add(ran, ran + max(0.0, self._turns.waited - before.waited))
