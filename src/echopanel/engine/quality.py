"""At which quality the engine works: measures, asks ladder and chunk interval, and puts it in force."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import inf

import structlog

from echopanel.engine.lineup import Lineup
from echopanel.engine.metrics import Metrics
from echopanel.engine.pace import LATE_S, Pace
from echopanel.engine.recogniser import ENGLISH, Recogniser
from echopanel.engine.settings import EngineSettings
from echopanel.engine.signal import Signal
from echopanel.policy.chunking import ChunkInterval
from echopanel.policy.ladder import FAILOVER, LEVELS, Ladder, Plan, Speakers, forecast

log = structlog.get_logger(__name__)

# Measurements of who speaks that a mean is taken of: ten seconds.
SPEAKERS_LATELY = 20


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the ladder stands: who decides, why, since when, and the load that each level would bring."""

    plan: Plan
    mode: str
    name: str
    reason: str
    since: datetime
    loads: tuple[float, ...]


class Quality:
    """The one place that decides how eagerly everything is recognised, and by which model."""

    def __init__(
        self, settings: EngineSettings, recogniser: Recogniser, lineup: Lineup, metrics: Metrics
    ) -> None:
        self.changed = Signal()
        self._recogniser = recogniser
        self._lineup = lineup
        self._metrics = metrics
        self._ladder = Ladder(settings.ladder)
        self._interval = ChunkInterval(settings.chunking)
        self._pace = Pace(self._interval.interval)
        self._speakers: deque[tuple[int, int]] = deque(maxlen=SPEAKERS_LATELY)
        self._loads = (0.0,) * len(LEVELS)
        self._since = datetime.now(UTC)
        lineup.on_change = self.models_changed

    def __repr__(self) -> str:
        return f"<Quality {self._ladder!r} {self._interval!r}>"

    @property
    def pace(self) -> Pace:
        """How eagerly to work on a source that is always recognised live."""
        return self._pace

    @property
    def secondary_pace(self) -> Pace:
        """How eagerly to work on a source that the ladder may put off."""
        return replace(self._pace, live=self._ladder.plan.secondary_live)

    @property
    def standing(self) -> Standing:
        """Where the ladder stands."""
        plan, ladder = self._ladder.plan, self._ladder
        return Standing(plan, ladder.mode, self._name(plan), ladder.reason, self._since, self._loads)

    # --- deciding -----------------------------------------------------------------------------------

    def tick(self, speaking: Iterable[bool]) -> None:
        """Measure and decide; to be called twice a second.

        Args:
            speaking: for each source in which somebody speaks, whether the ladder may put it off.
        """
        now = time.monotonic()
        putoff = list(speaking)
        self._speakers.append((len(putoff), len(putoff) - sum(putoff)))
        reading = self._recogniser.reading()
        self._look(reading.load, now)
        self._set_pace(reading.load, putoff, now)
        self._metrics.load.set(reading.load)
        self._metrics.rtf.set(reading.rtf_mean)
        self._metrics.backlog_seconds.set(self._recogniser.backlog_s)

    def models_changed(self) -> None:
        """A model broke, or is there again: that is acted upon at once."""
        self._look(self._recogniser.reading().load, time.monotonic())
        self._recogniser.resume()

    def force(self, level: int) -> None:
        """Take a level and keep it.

        Raises:
            ConfigError: there is no such level.
        """
        self._ladder.force(level, time.monotonic())
        self._put_in_force()

    def release(self) -> None:
        """Let the load decide from here on."""
        self._ladder.release(time.monotonic())
        self._put_in_force()

    def switch_off(self) -> None:
        """Stay at full quality whatever happens."""
        self._ladder.switch_off(time.monotonic())
        self._put_in_force()

    def _look(self, load: float, now: float) -> None:
        lately = self._speakers or [(0, 0)]
        everybody, primary = (sum(numbers) / len(lately) for numbers in zip(*lately, strict=True))
        lineup = self._lineup
        self._loads = forecast(
            self._recogniser.demand,
            Speakers(everybody, primary),
            self._ladder.plan,
            self._pace.interval_s,
            load,
            lineup.smaller_cost,
        )
        self._ladder.observe(
            self._loads, self._recogniser.queue_s, now, fault=lineup.fault, smaller=lineup.has_smaller
        )
        self._put_in_force()

    def _put_in_force(self) -> None:
        """Act on the ladder's plan, and tell everybody who wants to know of a change."""
        before, plan = self._lineup.plan, self._ladder.plan
        if plan == before:
            return
        self._recogniser.demand.scale(self._lineup.smaller_cost ** (plan.smaller - before.smaller))
        self._lineup.plan = plan
        self._recogniser.resume()
        if plan.level == before.level:
            return
        self._since = datetime.now(UTC)
        self._metrics.ladder_level.set(plan.level)
        self._metrics.ladder_changes.labels(str(plan.level)).inc()
        log.warning(
            "quality level",
            to=plan.level,
            was=before.level,
            plan=self._name(plan),
            reason=self._ladder.reason,
        )
        self.changed.notify()

    def _set_pace(self, load: float, putoff: list[bool], now: float) -> None:
        plan = self._ladder.plan
        live = len(putoff) if plan.secondary_live else len(putoff) - sum(putoff)
        demand = self._recogniser.demand
        interval = self._interval.observe(
            load,
            self._recogniser.backlog_s,
            now,
            demand.interval(live),
            plan.longest_s,
            lambda interval_s: demand.load(1, interval_s),
        )
        late_s = LATE_S if plan.smaller else inf
        pace = Pace.at(load, interval, best=self._lineup.at_best, late_s=late_s)
        if pace != self._pace:
            log.info("pace", interval_s=interval, speculate=pace.speculate, load=round(load, 2))
            self._pace = pace
            self._recogniser.sharing = pace.sharing
            demand.at(interval)
            self.changed.notify()
        self._metrics.chunk_interval_seconds.set(interval)

    def _name(self, plan: Plan) -> str:
        """The name of a plan, with the model that it means here."""
        lineup = self._lineup
        if plan.level == FAILOVER:
            if lineup.fallback is None or not lineup.fallback.ready:
                return f"{lineup.first.spec.name} is being restarted"
            return f"{plan.name} ({lineup.serving(ENGLISH)})"
        if plan.smaller and plan.secondary_live:
            return f"{plan.name} ({lineup.serving(ENGLISH) if lineup.has_smaller else 'there is none'})"
        return plan.name
