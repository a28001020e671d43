"""How often the open utterance is decoded again: spare time buys latency, overload costs it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import exp, inf

from echopanel.errors import ConfigError
from echopanel.policy.demand import LOADED_FROM_S

# How long a load that is over still counts as the recent peak.
PEAK_FADES_S = 3.0
# What those who speak need is given at once if it is so many times the interval. Less than that shows in the
# load.
SURGE = 1.5
# Not beyond this: that is left to the load, which is measured, while the need is reckoned.
SURGE_UP_TO_S = 4.0


def all_partials(interval_s: float) -> float:
    """What speech costs at an interval, if finals cost nothing."""
    return 1 / interval_s


class Mode(StrEnum):
    """What an interval stands for: below 1 s idle, up to 2 s normal, below the longest loaded."""

    IDLE = "idle"
    NORMAL = "normal"
    LOADED = "loaded"
    SURVIVAL = "survival"


@dataclass(frozen=True, slots=True)
class ChunkSettings:
    """`intervals` are the steps to choose from, in seconds, growing; the last one is survival mode.

    A longer one is taken when the load was above `load_high` for `raise_after_s`, the longest at once when
    more than `backlog_high_s` seconds of audio are queued. A shorter one is taken when the load it would
    bring was below `load_low` for `lower_after_s`. After a change the load needs `settle_s` to tell of it.
    From `LOADED_FROM_S` on the `loaded_` bounds hold: all kinds of jobs share calls there, so the more that
    wait, the less each costs, and what waits too long is a partial that a later one replaces.

    Raises:
        ConfigError: values that contradict each other.
    """

    intervals: tuple[float, ...] = (0.3, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
    load_high: float = 0.95
    load_low: float = 0.85
    loaded_high: float = 1.1
    loaded_low: float = 0.95
    raise_after_s: float = 2.0
    lower_after_s: float = 10.0
    settle_s: float = 6.0
    backlog_high_s: float = 300.0

    def __post_init__(self) -> None:
        growing = self.intervals and list(self.intervals) == sorted(set(self.intervals))
        if not growing or self.intervals[0] <= 0:
            raise ConfigError("intervals", self.intervals, "must be above 0 and growing")
        if not 0 < self.load_low <= self.load_high:
            raise ConfigError("load_low", self.load_low, "must be above 0 and at most load_high")
        if not 0 < self.loaded_low <= self.loaded_high:
            raise ConfigError("loaded_low", self.loaded_low, "must be above 0 and at most loaded_high")

    def high(self, interval_s: float) -> float:
        """The load that is too much for an interval."""
        return self.load_high if interval_s < LOADED_FROM_S else self.loaded_high

    def low(self, interval_s: float) -> float:
        """The load that is wanted at an interval."""
        return self.load_low if interval_s < LOADED_FROM_S else self.loaded_low


class ChunkInterval:
    """The interval for the whole server, by load and backlog; to be asked about twice a second.

    The load at a shorter interval is predicted by what speech costs at both; only that of the open utterances
    grows as 1 / interval.
    """

    def __init__(self, settings: ChunkSettings | None = None) -> None:
        self._settings = settings or ChunkSettings()
        self._step = 0
        self._last = len(self._settings.intervals) - 1
        self._reason = "nothing to do"
        self._changed_at = -inf
        self._high_since = inf
        self._low_since = inf
        self._peak = 0.0
        self._seen_at = -inf

    def __repr__(self) -> str:
        return f"<ChunkInterval {self.interval:g}s [{self.mode}: {self.reason}]>"

    @property
    def interval(self) -> float:
        """Seconds of new audio between two decodes of an open utterance."""
        return self._settings.intervals[self._step]

    @property
    def mode(self) -> Mode:
        """The name for how hard times are."""
        if self._step and self._step == len(self._settings.intervals) - 1:
            return Mode.SURVIVAL
        if self.interval < 1.0:
            return Mode.IDLE
        return Mode.NORMAL if self.interval <= 2.0 else Mode.LOADED

    @property
    def reason(self) -> str:
        """Why the interval is what it is."""
        return self._reason

    def observe(
        self,
        load: float,
        backlog_s: float,
        now: float,
        least_s: float = 0.0,
        longest_s: float = inf,
        cost: Callable[[float], float] = all_partials,
    ) -> float:
        """Take a measurement; the answer is the interval to use from now on.

        Args:
            load: demanded over available compute.
            backlog_s: seconds of audio queued.
            now: seconds on a monotonic clock.
            least_s: what those who speak now need, by what they cost. From `SURGE` times the interval on
                a longer step is taken at once, at most `SURGE_UP_TO_S`.
            longest_s: the longest that may be taken, if there is a step that short.
            cost: what a speaker costs at an interval, in any unit.
        """
        settings = self._settings
        least_s = min(least_s, SURGE_UP_TO_S)
        self._last = max(bisect_right(settings.intervals, longest_s) - 1, 0)
        self._peak = max(load, self._peak * exp((self._seen_at - now) / PEAK_FADES_S))
        self._seen_at = now
        self._high_since = min(self._high_since, now) if load > settings.high(self.interval) else inf
        roomy = self._has_room(load, backlog_s, least_s, cost)
        self._low_since = min(self._low_since, now) if roomy else inf
        if self._step > self._last:
            self._change(self._last, "times are better", now)
        elif backlog_s > settings.backlog_high_s:
            self._change(self._last, f"{backlog_s:.0f} s of audio queued", now)
        elif least_s > SURGE * self.interval:
            self._change(self._first(least_s), "so many speak", now)
        elif now - max(self._high_since, self._changed_at + settings.settle_s) >= settings.raise_after_s:
            self._change(self._longer(load), f"load {load:.2f}", now)
        elif now - self._low_since >= settings.lower_after_s:
            self._change(self._shorter(least_s, cost), f"load fell to {self._peak:.2f}", now)
        return self.interval

    def _has_room(
        self, load: float, backlog_s: float, least_s: float, cost: Callable[[float], float]
    ) -> bool:
        """Whether the next shorter interval would be bearable."""
        if self._step == 0 or backlog_s > self._settings.backlog_high_s / 2:
            return False
        shorter = self._settings.intervals[self._step - 1]
        return self._bearable(shorter, load, least_s, cost)

    def _bearable(self, shorter: float, load: float, least_s: float, cost: Callable[[float], float]) -> bool:
        predicted = load * cost(shorter) / cost(self.interval)
        return predicted < self._settings.low(shorter) and least_s <= SURGE * shorter

    def _longer(self, load: float) -> int:
        """The first step that promises the load that is wanted; the last if none does."""
        needed = self.interval * load / self._settings.low(self.interval)
        if load > 1.0 and self.interval < LOADED_FROM_S:
            # More is asked than can be done, so part of what would be asked is not even seen.
            needed = max(needed, 2 * self.interval)
        return self._first(needed)

    def _first(self, needed: float) -> int:
        """The shortest step of at least `needed` seconds, or the last."""
        intervals = self._settings.intervals
        return next(
            (step for step, interval in enumerate(intervals) if interval >= needed), len(intervals) - 1
        )

    def _shorter(self, least_s: float, cost: Callable[[float], float]) -> int:
        """The first step that would be bearable also at the recent peak, at most the next shorter one."""
        shorter = enumerate(self._settings.intervals[: self._step])
        bearable = (step for step, one in shorter if self._bearable(one, self._peak, least_s, cost))
        return next(bearable, self._step - 1)

    def _change(self, step: int, reason: str, now: float) -> None:
        step = min(step, self._last)
        if step != self._step:
            self._step = step
            self._reason = reason
            self._changed_at = now
            self._high_since = self._low_since = inf
