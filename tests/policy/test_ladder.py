"""The ladder degrades step by step, recovers exactly, and does not flap."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import fields
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.errors import ConfigError
from echopanel.policy.chunking import ChunkInterval
from echopanel.policy.demand import Demand, dearness, partials
from echopanel.policy.ladder import (
    AGAIN_S,
    FAILED_OVER,
    FAILOVER,
    LEVELS,
    MOST_PATIENCE,
    MOST_SURPRISE,
    Ladder,
    LadderSettings,
    Mode,
    Plan,
    Speakers,
    forecast,
)

TICK = 0.5
SETTINGS = LadderSettings()
HIGH, LOW = (5.0,) * 4, (0.0,) * 4
RECOVERY_S = 3 * SETTINGS.recover_s * MOST_PATIENCE


def observe(
    ladder: Ladder, loads: Sequence[float], seconds: float, now: float, queue_s: float = 0.0
) -> float:
    """The same measurement for some time; returns the time behind it."""
    for _ in range(round(seconds / TICK)):
        ladder.observe(loads, queue_s, now)
        now += TICK
    return now


def changes(levels: Sequence[int]) -> list[tuple[int, int]]:
    """The steps taken."""
    return [(before, after) for before, after in pairwise(levels) if before != after]


# --- the table -------------------------------------------------------------------------------------


def test_each_level_has_a_complete_plan_that_asks_for_less() -> None:
    """No field is left to what was before, and what one level gave up the next does not take back."""
    assert [plan.level for plan in LEVELS] == [0, 1, 2, 3]
    assert LEVELS[0] == Plan(0, "full quality", 4.0, smaller=False, secondary_live=True, fallback=False)
    for better, worse in pairwise(LEVELS):
        assert worse.longest_s >= better.longest_s
        assert worse.smaller >= better.smaller
        assert worse.secondary_live <= better.secondary_live
    assert len({plan.name for plan in LEVELS}) == len(LEVELS)


def test_the_fallback_takes_nothing_else_back() -> None:
    """Whatever step the load had asked for stays asked for while the fallback stands in."""
    for plan, over in zip(LEVELS, FAILED_OVER, strict=True):
        kept = {field.name for field in fields(Plan)} - {"level", "name", "fallback"}
        assert all(getattr(plan, name) == getattr(over, name) for name in kept)
        assert (over.level, over.fallback, plan.fallback) == (FAILOVER, True, False)


# --- up and down ----------------------------------------------------------------------------------


def test_load_takes_it_up_one_by_one_and_its_end_takes_it_back() -> None:
    """0, 1, 2, 3, 2, 1, 0: each after its time, and the plan at the end is that of the beginning."""
    ladder = Ladder()
    seen = []
    now = 100.0
    for loads in (HIGH, LOW):
        for _ in range(round(100 / TICK)):
            seen.append(ladder.observe(loads, 0.0, now).level)
            now += TICK
    assert changes(seen) == [(0, 1), (1, 2), (2, 3), (3, 2), (2, 1), (1, 0)]
    assert ladder.plan is LEVELS[0]
    assert ladder.reason == "load would be 0.00"


def test_a_moment_of_load_changes_nothing() -> None:
    """It has to last, without a break."""
    ladder = Ladder()
    now = 0.0
    for _ in range(20):
        now = observe(ladder, HIGH, SETTINGS.sustain_s - TICK, now)
        now = observe(ladder, LOW, TICK, now)
    assert ladder.plan is LEVELS[0]
    observe(ladder, HIGH, SETTINGS.sustain_s + 2 * TICK, now)
    assert repr(ladder) == "<Ladder at 1 [automatic: load 5.00]>"


@pytest.mark.parametrize(("load", "level"), [(0.79, 0), (0.9, 1), (1.1, 2), (1.3, 3)])
def test_each_level_bears_its_load(load: float, level: int) -> None:
    """Where a level changes nothing about the load, it goes as far as the load is worth."""
    ladder = Ladder()
    observe(ladder, (load,) * 4, 120, 0.0)
    assert ladder.step == level


def test_only_the_load_of_the_present_level_takes_it_up() -> None:
    """What full quality would cost does not matter while its plan is not in force."""
    ladder = Ladder()
    observe(ladder, (3.0, 0.9, 0.5, 0.2), 300, 0.0)
    assert ladder.plan is LEVELS[1]


def test_a_level_is_not_left_for_one_that_would_not_do() -> None:
    """The smaller model looks fast; what counts is what the bigger one would make of the same speech."""
    ladder = Ladder()
    now = observe(ladder, (1.5, 1.2, 0.6, 0.3), 60, 0.0)
    assert ladder.plan is LEVELS[2]
    now = observe(ladder, (1.3, 0.75, 0.3, 0.1), 600, now)
    assert ladder.plan is LEVELS[2]
    observe(ladder, (1.3, 0.65, 0.3, 0.1), SETTINGS.recover_s + 1, now)
    assert ladder.plan is LEVELS[1]
    assert ladder.reason == "load would be 0.65"


def test_where_there_is_no_smaller_model_its_level_is_passed() -> None:
    """It bears no more than the level before, and is kept no longer than any other."""
    ladder = Ladder()
    levels = [ladder.observe((1.1,) * 4, 0.0, i * TICK, smaller=False).level for i in range(100)]
    assert changes(levels) == [(0, 1), (1, 2), (2, 3)]
    assert levels.count(2) == levels.count(1)


def test_a_long_queue_counts_as_load() -> None:
    """Also where the load that is measured bears looking at; and it has to be gone before it goes back."""
    ladder = Ladder()
    now = observe(ladder, LOW, 45, 0.0, queue_s=SETTINGS.queue_high_s + 1)
    assert repr(ladder) == "<Ladder at 3 [automatic: 31 s of work queued]>"
    now = observe(ladder, LOW, 300, now, queue_s=0.6 * SETTINGS.queue_high_s)
    assert ladder.step == 3
    observe(ladder, LOW, SETTINGS.recover_s + 1, now)
    assert ladder.step == 2


def test_who_went_back_too_early_waits_longer_the_next_time() -> None:
    """A prediction that was wrong is not believed as soon again; after a long calm it is."""
    ladder = Ladder()
    optimistic = (0.5, 0.5, 0.5, 0.5)
    now, waits = 0.0, []
    for _ in range(6):
        now = observe(ladder, (0.9, 0.5, 0.5, 0.5), SETTINGS.sustain_s + 2 * TICK, now)
        assert ladder.step == 1
        began = now
        while ladder.step == 1:
            now = observe(ladder, optimistic, TICK, now)
        waits.append(round((now - began) / SETTINGS.recover_s))
    assert waits == [1, 2, 4, 8, 8, 8]
    now = observe(ladder, LOW, AGAIN_S, now)
    now = observe(ladder, (0.9, 0.5, 0.5, 0.5), SETTINGS.sustain_s + 2 * TICK, now)
    observe(ladder, optimistic, SETTINGS.recover_s + TICK, now)
    assert ladder.step == 0


loads = st.lists(st.floats(0, 3), min_size=4, max_size=4)
rows = st.lists(
    st.tuples(loads, st.floats(0, 60), st.floats(0, 12), st.sampled_from(["", "", "", "it hangs"])),
    max_size=150,
)


@given(rows, st.booleans())
def test_at_most_one_level_per_dwell(
    rows: list[tuple[list[float], float, float, str]], smaller: bool
) -> None:
    """Whatever is measured, load moves it by one level at a time, and never sooner than the dwell time."""
    ladder, now, changed = Ladder(), 0.0, -1e9
    for measured, queue_s, wait, fault in rows:
        now += wait
        before = ladder.step
        plan = ladder.observe(measured, queue_s, now, fault=fault, smaller=smaller)
        assert plan in (*LEVELS, *FAILED_OVER)
        assert not fault or plan.level == FAILOVER
        if ladder.step != before:
            assert abs(ladder.step - before) == 1
            assert now - changed >= SETTINGS.dwell_s
            changed = now


@given(rows)
def test_calm_always_leads_back_to_full_quality(rows: list[tuple[list[float], float, float, str]]) -> None:
    """From wherever it got to, and to exactly the plan of the beginning."""
    ladder, now = Ladder(), 0.0
    for measured, queue_s, wait, fault in rows:
        now += wait
        ladder.observe(measured, queue_s, now, fault=fault)
    observe(ladder, LOW, RECOVERY_S + 3 * SETTINGS.dwell_s, now)
    assert ladder.plan is LEVELS[0]


# --- the fallback ------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", range(4))
def test_a_fault_brings_in_the_fallback_at_once_and_its_end_takes_it_out(step: int) -> None:
    """At any load; never within the dwell time after the fault was seen last."""
    ladder = Ladder()
    ladder.force(step, 0.0)
    ladder.release(1.0)
    quiet = (0.75,) * 4
    assert ladder.observe(quiet, 0.0, 2.0, fault="it hangs") is FAILED_OVER[step]
    assert ladder.reason == "it hangs"
    assert ladder.observe(quiet, 0.0, 5.0, fault="it still hangs") is FAILED_OVER[step]
    assert ladder.reason == "it hangs"
    assert ladder.observe(quiet, 0.0, 5.0 + SETTINGS.dwell_s - TICK) is FAILED_OVER[step]
    assert ladder.observe(quiet, 0.0, 5.0 + SETTINGS.dwell_s) is LEVELS[step]
    assert ladder.reason == "the first model works again"


def test_load_is_followed_while_the_fallback_stands_in() -> None:
    """It may be slower than the first."""
    ladder = Ladder()
    ladder.observe(LOW, 0.0, 0.0, fault="it hangs")
    for i in range(round(45 / TICK)):
        ladder.observe(HIGH, 0.0, i * TICK, fault="it hangs")
    assert ladder.plan is FAILED_OVER[3]


# --- operators ---------------------------------------------------------------------------------------


def test_an_operator_can_force_any_level_and_release_it() -> None:
    """Whatever the load; released, it goes from there by the load, with the usual patience."""
    ladder = Ladder()
    for level in range(4):
        assert ladder.force(level, 0.0) is LEVELS[level]
    now = observe(ladder, LOW, 600, 0.0)
    assert repr(ladder) == "<Ladder at 3 [forced: forced by an operator]>"
    ladder.release(now)
    now = observe(ladder, LOW, SETTINGS.recover_s - TICK, now)
    assert ladder.plan is LEVELS[3]
    observe(ladder, LOW, 3 * SETTINGS.recover_s + 5, now)
    assert (ladder.plan, ladder.mode) == (LEVELS[0], Mode.AUTOMATIC)


def test_the_fallback_can_be_forced() -> None:
    """It stays until it is released, and then leaves as after a fault."""
    ladder = Ladder()
    assert ladder.force(FAILOVER, 0.0) is FAILED_OVER[0]
    now = observe(ladder, LOW, 60, 0.0)
    assert ladder.plan is FAILED_OVER[0]
    ladder.release(now)
    assert ladder.observe(LOW, 0.0, now) is LEVELS[0]


def test_a_fault_counts_also_on_a_forced_level() -> None:
    """An operator who forces a level does not mean a broken model."""
    ladder = Ladder()
    ladder.force(2, 0.0)
    assert ladder.observe(LOW, 0.0, 1.0, fault="it hangs") is FAILED_OVER[2]
    assert ladder.observe(LOW, 0.0, 1.0 + SETTINGS.dwell_s) is LEVELS[2]


def test_switched_off_it_stays_at_full_quality() -> None:
    """By an operator or by the settings; forcing and releasing switch it on."""
    ladder = Ladder()
    observe(ladder, HIGH, 60, 0.0)
    ladder.observe(HIGH, 0.0, 60.0, fault="it hangs")
    assert ladder.switch_off(60.0) is LEVELS[0]
    for quiet in (ladder, Ladder(LadderSettings(enabled=False))):
        observe(quiet, HIGH, 60, 61.0)
        assert quiet.observe(HIGH, 99.0, 130.0, fault="it hangs") is LEVELS[0]
        assert quiet.mode is Mode.OFF
        quiet.release(130.0)
        observe(quiet, HIGH, 60, 130.0)
        assert quiet.plan is LEVELS[3]


@pytest.mark.parametrize("level", [-1, 5])
def test_a_level_that_is_not_there_cannot_be_forced(level: int) -> None:
    """The error says which there are."""
    with pytest.raises(ConfigError, match="from 0 to 4"):
        Ladder().force(level, 0.0)


@pytest.mark.parametrize(
    ("key", "build"),
    [
        ("raise_above", lambda: LadderSettings(raise_above=(1.0, 0.9, 1.2))),
        ("back_below", lambda: LadderSettings(back_below=0.8)),
        ("back_below", lambda: LadderSettings(back_below=0.0)),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    key: str, build: Callable[[], LadderSettings]
) -> None:
    """The error names the setting to change."""
    with pytest.raises(ConfigError) as caught:
        build()
    assert caught.value.key == key


# --- what each level would cost ------------------------------------------------------------------------


def test_the_forecast_says_what_each_level_would_bring() -> None:
    """Rarer partials, a model of half the cost, half the sources."""
    demand = Demand(2)
    everybody = Speakers(all=10, primary=5)
    told = forecast(demand, everybody, LEVELS[0], 0.5, 0.0, smaller_cost=0.5)
    assert told == pytest.approx(
        (demand.load(10, 4.0), demand.load(10, 8.0), demand.load(10, 8.0) / 2, demand.load(5, 8.0) / 2)
    )


def test_on_the_smaller_model_the_forecast_knows_that_the_bigger_one_is_slower() -> None:
    """What is measured then is measured of the smaller one."""
    demand = Demand(2)
    told = forecast(demand, Speakers(10, 5), LEVELS[3], 8.0, 0.0, smaller_cost=0.5)
    assert told[1] == pytest.approx(2 * demand.load(10, 8.0))
    assert told[3] == pytest.approx(demand.load(5, 8.0))


@given(st.floats(0, 20), st.sampled_from(LEVELS), st.floats(0.1, 1.0), st.floats(0, 40), st.floats(0, 40))
def test_the_forecast_never_grows_with_the_level(
    measured: float, plan: Plan, cost: float, primary: float, secondary: float
) -> None:
    """And what was measured above expectation is expected of all levels, within reason."""
    demand, speakers = Demand(2), Speakers(primary + secondary, primary)
    calm = forecast(demand, speakers, plan, 8.0, 0.0, cost)
    told = forecast(demand, speakers, plan, 8.0, measured, cost)
    assert all(before >= after - 1e-9 for before, after in pairwise(told))
    assert all(one <= other <= MOST_SURPRISE * one + 1e-9 for one, other in zip(calm, told, strict=True))


class Room:
    """A server whose speakers cost what they cost, with all the policies that set its quality."""

    def __init__(self, noise: float = 0.0, seed: int = 1, smaller_cost: float = 0.5) -> None:
        self.ladder, self.interval, self.demand = Ladder(), ChunkInterval(), Demand(2)
        self.now, self.levels, self.intervals = 1000.0, [0], [0.3]
        self._chance = random.Random(seed)
        self._noise, self._smaller_cost = noise, smaller_cost
        self._window: deque[float] = deque(maxlen=round(10 / TICK))

    def run(self, seconds: float, primary: float, secondary: float, partial: float, final: float) -> None:
        """So many speak, and cost the bigger model so many seconds per partial and per second of finals."""
        speakers = Speakers(primary + secondary, primary)
        for _ in range(round(seconds / TICK)):
            plan, every = self.ladder.plan, self.interval.interval
            cost = self._smaller_cost if plan.smaller else 1.0
            cost *= self._chance.uniform(1 - self._noise, 1 + self._noise)
            live = speakers.under(plan)
            self.demand.at(every)
            for _ in range(min(10, round(live))):
                self.demand.partial(partial * cost)
                self.demand.final(1.0, final * cost * dearness(every))
            self._window.append(live * cost * (final * dearness(every) + partial * partials(every)) / 2)
            load = sum(self._window) / len(self._window)
            self._decide(speakers, load)
            self.now += TICK

    def _decide(self, speakers: Speakers, load: float) -> None:
        before, every = self.ladder.plan, self.interval.interval
        told = forecast(self.demand, speakers, before, every, load, self._smaller_cost)
        plan = self.ladder.observe(told, 0.0, self.now)
        self.demand.scale(self._smaller_cost ** (plan.smaller - before.smaller))
        least = self.demand.interval(speakers.under(plan))
        every = self.interval.observe(
            load, 0.0, self.now, least, plan.longest_s, lambda interval_s: self.demand.load(1, interval_s)
        )
        self.intervals.append(every)
        self.levels.append(plan.level)


def test_the_chunk_interval_comes_first_then_the_ladder() -> None:
    """Frequent partials go before anything else does, and come back last."""
    room = Room()
    room.run(60, 2, 0, 0.06, 0.05)
    assert (room.levels[-1], room.intervals[-1]) == (0, 0.3)
    room.run(60, 20, 0, 0.06, 0.04)
    assert (room.levels[-1], room.intervals[-1]) == (0, 1.5)
    room.run(60, 36, 0, 0.2, 0.04)
    assert (room.levels[-1], room.intervals[-1]) == (1, 5.0)
    room.run(120, 2, 0, 0.06, 0.05)
    assert (room.levels[-1], room.intervals[-1]) == (0, 0.3)
    assert changes(room.levels) == [(0, 1), (1, 0)]


def test_a_flood_takes_it_up_all_levels_and_its_end_back_to_the_beginning() -> None:
    """Twice what the machine carries, half of it in secondary sources; then a normal meeting again."""
    room = Room()
    room.run(120, 30, 30, 0.1, 0.1)
    assert changes(room.levels) == [(0, 1), (1, 2), (2, 3)]
    room.run(240, 1, 1, 0.1, 0.1)
    assert changes(room.levels)[3:] == [(3, 2), (2, 1), (1, 0)]
    assert room.ladder.plan is LEVELS[0]
    assert room.intervals[-1] < 1.0


@given(
    st.floats(0, 40),
    st.floats(0, 40),
    st.floats(0.02, 0.3),
    st.floats(0.01, 0.2),
    st.floats(0, 0.3),
    st.integers(0, 1000),
)
def test_constant_speech_does_not_make_it_flap(
    primary: float, secondary: float, partial: float, final: float, noise: float, seed: int
) -> None:
    """In ten minutes of the same speech, however noisily it costs, the level comes to rest."""
    room = Room(noise, seed)
    room.run(600, primary, secondary, partial, final)
    assert len(changes(room.levels)) <= len(LEVELS)
    before = len(changes(room.levels))
    room.run(300, primary, secondary, partial, final)
    assert len(changes(room.levels)) - before <= 1
