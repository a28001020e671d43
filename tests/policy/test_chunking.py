"""The chunk interval follows the load without flapping, and overload never lasts longer than it must."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.errors import ConfigError
from echopanel.policy.chunking import ChunkInterval, ChunkSettings, Mode

TICK = 0.5
SETTINGS = ChunkSettings()


class Machine:
    """A server whose partials cost `work` / interval and whose finals cost `fixed`, metered over 10 s."""

    def __init__(self, interval: ChunkInterval, noise: float = 0.0, seed: int = 1) -> None:
        self.interval = interval
        self.now = 1000.0
        self.history: list[float] = []
        self._noise = noise
        self._chance = random.Random(seed)
        self._window: deque[float] = deque(maxlen=round(10 / TICK))

    def run(self, seconds: float, work: float, fixed: float = 0.0, backlog: float = 0.0) -> None:
        for _ in range(round(seconds / TICK)):
            self._window.append(fixed + work / self.interval.interval)
            load = (
                sum(self._window) / len(self._window) * self._chance.uniform(1 - self._noise, 1 + self._noise)
            )
            self.history.append(self.interval.observe(load, backlog, self.now))
            self.now += TICK

    @property
    def changes(self) -> int:
        """How often the interval was another one than the tick before."""
        return sum(a != b for a, b in pairwise([SETTINGS.intervals[0], *self.history]))

    def load(self, work: float, fixed: float = 0.0) -> float:
        """What the present interval really costs."""
        return fixed + work / self.interval.interval


def observe(interval: ChunkInterval, load: float, seconds: float, now: float, backlog: float = 0.0) -> float:
    """The same measurement for some time; returns the time behind it."""
    for _ in range(round(seconds / TICK)):
        interval.observe(load, backlog, now)
        now += TICK
    return now


def test_an_idle_machine_spends_its_time_on_latency() -> None:
    """With little to do the shortest interval stays."""
    machine = Machine(ChunkInterval())
    machine.run(600, work=0.03)
    assert machine.changes == 0
    assert machine.interval.interval == 0.3
    assert machine.interval.mode is Mode.IDLE


@pytest.mark.parametrize(
    ("work", "mode"), [(0.1, Mode.IDLE), (0.7, Mode.NORMAL), (2.5, Mode.LOADED), (7.0, Mode.SURVIVAL)]
)
def test_more_load_takes_a_longer_interval(work: float, mode: Mode) -> None:
    """Within a minute the interval fits the work, and then it stays."""
    machine = Machine(ChunkInterval())
    machine.run(60, work)
    settled = machine.interval.interval
    assert machine.interval.mode is mode
    assert machine.load(work) <= SETTINGS.high(settled)
    machine.run(600, work)
    assert machine.interval.interval == settled


def test_a_moment_of_load_changes_nothing() -> None:
    """The load must stay high for a while."""
    interval = ChunkInterval()
    now = observe(interval, 2.0, 2.0, now=0.0)
    now = observe(interval, 0.5, 0.5, now)
    observe(interval, 2.0, 2.0, now)
    assert interval.interval == 0.3
    assert interval.reason == "nothing to do"


def test_the_reason_is_told() -> None:
    """The representation is a log line."""
    interval = ChunkInterval()
    observe(interval, 0.98, 3.0, now=0.0)
    assert repr(interval) == "<ChunkInterval 0.5s [idle: load 0.98]>"


def test_overload_at_least_doubles_the_interval() -> None:
    """A machine that cannot keep up hides part of its load, so the step up is a big one."""
    interval = ChunkInterval()
    observe(interval, 1.05, 3.0, now=0.0)
    assert interval.interval == 0.75


def at(interval_s: float) -> ChunkInterval:
    """One that stands at a step, because so many speak."""
    interval = ChunkInterval()
    assert interval.observe(0.5, 0.0, 0.0, least_s=interval_s) == interval_s
    return interval


@pytest.mark.parametrize(
    ("interval_s", "load", "expected"),
    [(2.0, 0.98, 2.5), (2.0, 1.05, 4.0), (4.0, 1.05, 4.0), (4.0, 1.15, 5.0)],
)
def test_where_jobs_share_calls_a_full_machine_is_bearable(
    interval_s: float, load: float, expected: float
) -> None:
    """More waiting makes each job cheaper there; a step up is no bigger than the load asks for."""
    interval = at(interval_s)
    observe(interval, load, SETTINGS.settle_s + 3.0, now=0.5)
    assert interval.interval == expected


def test_a_change_is_given_time_to_show() -> None:
    """The measured load still tells of the old interval; it does not raise the new one right away."""
    interval = ChunkInterval()
    now = observe(interval, 0.98, 2.5, now=0.0)
    assert interval.interval == 0.5
    now = observe(interval, 0.98, SETTINGS.settle_s, now)
    assert interval.interval == 0.5
    observe(interval, 0.98, 3.0, now)
    assert interval.interval == 0.75


def test_many_speakers_lengthen_it_before_there_is_load() -> None:
    """What those who speak need is given at once, and no step far shorter is taken while they need it."""
    interval = ChunkInterval()
    assert interval.observe(0.1, 0.0, 0.0, least_s=2.9) == 3.0
    assert repr(interval) == "<ChunkInterval 3s [loaded: so many speak]>"
    assert interval.observe(0.1, 0.0, 0.5, least_s=4.4) == 3.0  # that much the load would tell
    assert min(interval.observe(0.1, 0.0, float(now), least_s=2.9) for now in range(1, 40)) == 2.0
    assert interval.observe(0.1, 0.0, 41.0, least_s=99.0) == 4.0  # the rest is for the load to ask
    assert min(interval.observe(0.1, 0.0, float(now), least_s=1.2) for now in range(42, 90)) == 1.0


def test_finals_are_no_reason_for_a_long_interval() -> None:
    """What costs the same at any interval is not expected to grow with a shorter one."""
    blind, knowing = ChunkInterval(), ChunkInterval()
    for interval in (blind, knowing):
        assert interval.observe(0.6, 0.0, 0.0, least_s=3.0) == 3.0
    for now in range(1, 13):
        blind.observe(0.6, 0.0, float(now))
        knowing.observe(0.6, 0.0, float(now), cost=lambda interval_s: 0.5 + 0.3 / interval_s)
    assert (blind.interval, knowing.interval) == (2.5, 1.0)


def test_a_high_backlog_means_survival_at_once() -> None:
    """No waiting when the queue is already long; the way back needs the queue to be short again."""
    interval = ChunkInterval()
    assert interval.observe(0.1, SETTINGS.backlog_high_s + 1, 0.0) == 8.0
    assert repr(interval) == "<ChunkInterval 8s [survival: 301 s of audio queued]>"
    now = observe(interval, 0.1, 60, 0.5, backlog=0.6 * SETTINGS.backlog_high_s)
    assert interval.interval == 8.0
    observe(interval, 0.01, 11, now, backlog=0.4 * SETTINGS.backlog_high_s)
    assert repr(interval) == "<ChunkInterval 0.3s [idle: load fell to 0.01]>"


def test_no_interval_is_longer_than_may_be() -> None:
    """Neither for load, backlog nor speakers; one that was allowed before is given up at once."""
    interval = ChunkInterval()
    assert interval.observe(0.1, 0.0, 0.0, least_s=99.0, longest_s=4.0) == 4.0
    assert interval.observe(0.1, 1e6, 1.0, longest_s=4.9) == 4.0
    assert interval.observe(0.1, 1e6, 2.0) == 8.0
    assert interval.observe(2.0, 1e6, 3.0, longest_s=4.0) == 4.0
    assert ChunkInterval(ChunkSettings(intervals=(6.0, 8.0))).observe(2.0, 1e6, 0.0, longest_s=4.0) == 6.0


@given(st.floats(1.0, 20.0), st.floats(0.0, 0.5), st.booleans())
def test_recovery_within_thirty_seconds_of_the_loads_end(work: float, fixed: float, flooded: bool) -> None:
    """After a minute of overload the interval is back to normal or idle 30 s after the load ended."""
    machine = Machine(ChunkInterval())
    machine.run(60, work, fixed, backlog=1000.0 if flooded else 0.0)
    machine.run(30, work=0.05)
    assert machine.interval.mode in {Mode.IDLE, Mode.NORMAL}
    machine.run(30, work=0.05)
    assert machine.interval.interval == 0.3


@given(st.floats(0.0, 10.0), st.floats(0.0, 0.6), st.floats(0.0, 0.3), st.integers(0, 1000))
def test_constant_work_does_not_make_it_flap(work: float, fixed: float, noise: float, seed: int) -> None:
    """In ten minutes of the same work, however noisily measured, it changes a few times and comes to rest."""
    machine = Machine(ChunkInterval(), noise, seed)
    machine.run(600, work, fixed)
    assert machine.changes <= len(SETTINGS.intervals) + 2
    if noise < 0.1:
        before = machine.changes
        machine.run(600, work, fixed)
        assert machine.changes - before <= 1


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 600), st.floats(0, 3)), max_size=200))
def test_any_measurements_give_an_interval_of_the_list(rows: list[tuple[float, float, float]]) -> None:
    """Whatever is measured: the interval is one of the steps, it never goes down within `lower_after_s`."""
    interval, now, last = ChunkInterval(), 0.0, (0.3, 0.0)
    for load, backlog, wait in rows:
        now += wait
        current = interval.observe(load, backlog, now)
        assert current in SETTINGS.intervals
        assert current >= last[0] or now - last[1] >= SETTINGS.lower_after_s
        if current != last[0]:
            last = current, now


def test_a_single_interval_never_changes() -> None:
    """With one step there is nothing to choose."""
    interval = ChunkInterval(ChunkSettings(intervals=(1.0,)))
    observe(interval, 3.0, 60, now=0.0, backlog=1e6)
    assert interval.interval == 1.0
    assert interval.mode is Mode.NORMAL


@pytest.mark.parametrize(
    ("key", "build"),
    [
        ("intervals", lambda: ChunkSettings(intervals=())),
        ("intervals", lambda: ChunkSettings(intervals=(1.0, 0.5))),
        ("intervals", lambda: ChunkSettings(intervals=(0.0, 0.5))),
        ("load_low", lambda: ChunkSettings(load_low=0.96)),
        ("loaded_low", lambda: ChunkSettings(loaded_low=1.2)),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    key: str, build: Callable[[], ChunkSettings]
) -> None:
    """The error names the setting to change."""
    with pytest.raises(ConfigError) as caught:
        build()
    assert caught.value.key == key
