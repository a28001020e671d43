"""How recognition gets worse under load, step by step, and whole again: levels, each with a complete plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf

from echopanel.errors import ConfigError
from echopanel.policy.demand import Demand

# A level that was left and had to be taken again within this time is left more carefully the next time ...
AGAIN_S = 120.0
# ... by waiting twice as long, but never more than this many times as long as is usual.
MOST_PATIENCE = 8.0
# What was measured counts for at most this many times what was expected.
MOST_SURPRISE = 4.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a level settles, put in force as a whole, so that going back forgets nothing.

    Load may make partials come up to `longest_s` seconds apart. `smaller`: a smaller model recognises what it
    can. Not `secondary_live`: what the secondary source says is put off until there is time. `fallback`:
    the fallback model stands in for one that failed.
    """

    level: int
    name: str
    longest_s: float
    smaller: bool = False
    secondary_live: bool = True
    fallback: bool = False


LEVELS = (
    Plan(0, "full quality", 4.0),
    Plan(1, "text comes less often", 8.0),
    Plan(2, "smaller model", 8.0, smaller=True),
    Plan(3, "second source later", 8.0, smaller=True, secondary_live=False),
)
FAILOVER = 4
# Load goes on to be followed while the fallback stands in, so there is a plan for each step of it.
FAILED_OVER = tuple(replace(plan, level=FAILOVER, name="fallback model", fallback=True) for plan in LEVELS)


class Mode(StrEnum):
    """Who decides on the level: the load, an operator, or nobody, so that it stays at 0."""

    AUTOMATIC = "automatic"
    FORCED = "forced"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class LadderSettings:
    """When to take a step.

    `raise_above` are the loads that levels 0, 1 and 2 bear; one more is taken when the load was above for
    `sustain_s` seconds, or what is queued takes more than `queue_high_s` seconds for as long. One less is
    taken when the load that it would bring was below `back_below` for `recover_s`. A level is kept for at
    least `dwell_s` seconds.

    Raises:
        ConfigError: values that contradict each other.
    """

    enabled: bool = True
    raise_above: tuple[float, float, float] = (0.8, 1.0, 1.2)
    back_below: float = 0.7
    sustain_s: float = 10.0
    recover_s: float = 30.0
    dwell_s: float = 10.0
    queue_high_s: float = 30.0

    def __post_init__(self) -> None:
        if list(self.raise_above) != sorted(self.raise_above):
            raise ConfigError("raise_above", self.raise_above, "must not fall from one level to the next")
        if not 0 < self.back_below < self.raise_above[0]:
            raise ConfigError("back_below", self.back_below, "must be above 0 and below what level 0 bears")


class Ladder:
    """The level of a server; to be asked about twice a second. Times in seconds on any monotonic clock.

    Loads are told for each of `LEVELS`: what it would bring now, with partials as far apart as its plan
    allows. So a level is left for the next only when its own means are used up, and left for the one before
    only when that will do: a small model always looks fast.
    """

    def __init__(self, settings: LadderSettings | None = None) -> None:
        self._settings = settings or LadderSettings()
        self._step = 0
        self._failed_over = False
        self._held = False  # an operator wants the fallback
        self._mode = Mode.AUTOMATIC if self._settings.enabled else Mode.OFF
        self._reason = ""
        self._changed_at = -inf
        self._failed_at = -inf
        self._over_since = inf
        self._room_since = inf
        self._fell_at = -inf
        self._patience = 1.0

    def __repr__(self) -> str:
        return f"<Ladder at {self.plan.level} [{self._mode}: {self._reason or 'nothing to do'}]>"

    @property
    def plan(self) -> Plan:
        """What is in force."""
        return (FAILED_OVER if self._failed_over else LEVELS)[self._step]

    @property
    def step(self) -> int:
        """The level that load asks for, whichever model recognises."""
        return self._step

    @property
    def mode(self) -> Mode:
        """Who decides."""
        return self._mode

    @property
    def reason(self) -> str:
        """Why the level is what it is."""
        return self._reason

    def observe(
        self, loads: Sequence[float], queue_s: float, now: float, *, fault: str = "", smaller: bool = True
    ) -> Plan:
        """Take a measurement; the answer is the plan from now on.

        Args:
            loads: demanded over available compute under each of `LEVELS`.
            queue_s: seconds that the workers need for what is queued.
            now: seconds on a monotonic clock.
            fault: what is wrong with the first model, "" while it works; acted upon at once.
            smaller: whether there is a smaller model; where there is none, level 2 is no relief.
        """
        if self._mode is not Mode.OFF:
            self._fail_over(fault, now)
        if self._mode is Mode.AUTOMATIC:
            self._follow(loads, queue_s, now, smaller=smaller)
        return self.plan

    def force(self, level: int, now: float) -> Plan:
        """Take a level at once, and keep it until `release`; 4 lets the fallback model stand in.

        Raises:
            ConfigError: there is no such level.
        """
        if level not in range(FAILOVER + 1):
            raise ConfigError("level", level, f"levels go from 0 to {FAILOVER}")
        self._mode = Mode.FORCED
        self._failed_over = self._held = level == FAILOVER
        self._failed_at = now
        self._take(self._step if self._held else level, "forced by an operator", now)
        return self.plan

    def release(self, now: float) -> Plan:
        """Follow the load from here on."""
        self._mode, self._held = Mode.AUTOMATIC, False
        self._take(self._step, "released by an operator", now)
        return self.plan

    def switch_off(self, now: float) -> Plan:
        """Stay at level 0 whatever happens, until `release` or `force`."""
        self._mode = Mode.OFF
        self._failed_over = self._held = False
        self._take(0, "switched off by an operator", now)
        return self.plan

    def _fail_over(self, fault: str, now: float) -> None:
        if fault:
            if not self._failed_over:
                self._failed_over, self._reason = True, fault
            self._failed_at = now
        elif self._failed_over and not self._held and now - self._failed_at >= self._settings.dwell_s:
            self._failed_over, self._reason = False, "the first model works again"

    def _follow(self, loads: Sequence[float], queue_s: float, now: float, *, smaller: bool) -> None:
        settings, step = self._settings, self._step
        over = step < len(LEVELS) - 1 and (
            loads[step] > self._bearable(smaller=smaller) or queue_s > settings.queue_high_s
        )
        room = step > 0 and loads[step - 1] < settings.back_below and queue_s < settings.queue_high_s / 2
        self._over_since = min(self._over_since, now) if over else inf
        self._room_since = min(self._room_since, now) if room else inf
        if now - self._changed_at < settings.dwell_s:
            return
        if now - self._over_since >= settings.sustain_s:
            long = queue_s > settings.queue_high_s
            self._rise(f"{queue_s:.0f} s of work queued" if long else f"load {loads[step]:.2f}", now)
        elif now - self._room_since >= settings.recover_s * self._patience:
            self._fell_at = now
            self._take(step - 1, f"load would be {loads[step - 1]:.2f}", now)

    def _bearable(self, *, smaller: bool) -> float:
        """The load above which the present level does not do; one without means of its own bears no more."""
        step = self._step if smaller else min(self._step, 1)
        return self._settings.raise_above[step]

    def _rise(self, reason: str, now: float) -> None:
        again = now - self._fell_at < AGAIN_S
        self._patience = min(2 * self._patience, MOST_PATIENCE) if again else 1.0
        self._take(self._step + 1, reason, now)

    def _take(self, step: int, reason: str, now: float) -> None:
        self._step, self._reason = step, reason
        self._changed_at = now
        self._over_since = self._room_since = inf


@dataclass(frozen=True, slots=True)
class Speakers:
    """How many speak, on average lately: in all, and in sources that no level puts off."""

    all: float
    primary: float

    def under(self, plan: Plan) -> float:
        """Those who are recognised live."""
        return self.all if plan.secondary_live else self.primary


def forecast(
    demand: Demand, speakers: Speakers, plan: Plan, interval_s: float, measured: float, smaller_cost: float
) -> tuple[float, ...]:
    """The load under each of `LEVELS`, with partials as far apart as its plan allows.

    Args:
        demand: what the model in use costs.
        speakers: who asks for it.
        plan: what is in force.
        interval_s: seconds between partials now.
        measured: load measured now; what it is above the expected one is expected of all levels.
        smaller_cost: time that the smaller model takes, as a share of that of the first.
    """

    def expected(one: Plan, interval: float) -> float:
        cost = smaller_cost ** (one.smaller - plan.smaller)
        return cost * demand.load(speakers.under(one), interval)

    now = expected(plan, interval_s)
    surprise = min(max(1.0, measured / now), MOST_SURPRISE) if now > 0 else 1.0
    return tuple(surprise * expected(one, one.longest_s) for one in LEVELS)
