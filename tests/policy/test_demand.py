"""The interval between partials follows from what they cost and how many speak."""

from __future__ import annotations

from math import inf, nextafter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from echopanel.policy.demand import (
    BUDGET,
    DEARNESS,
    LOADED_FROM_S,
    MISSING,
    USUAL_FINAL,
    USUAL_PARTIAL,
    Demand,
    Ratio,
    dearness,
)

costs = st.floats(0.001, 2.0)


def least(partials: float, left: float) -> float:
    """The interval at which so much of partials for each 1 / s fits into what is left."""
    return 1 / (left / partials + MISSING)


def test_before_anything_was_measured_the_usual_is_expected() -> None:
    """One who speaks need not wait; many have to, from the first second on."""
    assert Demand(2).interval(1) < 0.1
    assert Demand(2).interval(40) == pytest.approx(
        least(40 * USUAL_PARTIAL, 2 * BUDGET - 40 * DEARNESS[1][1] * USUAL_FINAL)
    )


def test_finals_that_fill_the_time_leave_none() -> None:
    """Then only the longest interval will do."""
    demand = Demand(1)
    for _ in range(6000):
        demand.partial(0.05)
        demand.final(1.0, 0.2)
    assert repr(demand) == "<Demand [partial 0.050s, final 0.200s a second]>"
    assert demand.interval(1) == pytest.approx(least(0.05, BUDGET - DEARNESS[0][1] * 0.2))
    assert demand.interval(4) == LOADED_FROM_S
    assert demand.interval(4.45) == pytest.approx(least(4.45 * 0.05, BUDGET - 4.45 * 0.2))
    assert demand.interval(5) == inf


def test_finals_are_measured_at_the_price_of_the_pace() -> None:
    """What a final costs beside frequent partials says what it would cost beside rare ones."""
    idle, loaded = Demand(1), Demand(1)
    dear = dearness(0.5)
    for demand, interval, final in ((idle, 0.5, 0.1 * dear), (loaded, LOADED_FROM_S, 0.1)):
        demand.at(interval)
        for _ in range(6000):
            demand.partial(0.05)
            demand.final(1.0, final)
    assert repr(idle) == repr(loaded) == "<Demand [partial 0.050s, final 0.100s a second]>"
    assert idle.load(2, 0.5) == pytest.approx(2 * (0.1 * dear + 0.05 * (2.0 - MISSING)))
    assert idle.load(2, 1.0) == pytest.approx(2 * (0.1 * dearness(1.0) + 0.05 * (1.0 - MISSING)))
    assert idle.load(2, 8.0) == idle.load(2, 80.0) == pytest.approx(2 * 0.1 * dearness(8.0))


def test_another_model_is_taken_to_cost_another_share_at_once() -> None:
    """Nobody waits until it was measured."""
    demand = Demand(2)
    before = demand.load(10, 4.0)
    demand.scale(0.5)
    assert demand.load(10, 4.0) == pytest.approx(before / 2)


@given(costs, costs, st.integers(1, 60))
@example(1.0, 0.109375, 20)  # too much at any longer interval, where utterances are short
def test_the_interval_brings_at_most_the_budget(partial: float, final: float, speakers: int) -> None:
    """Unless nothing would."""
    demand = Demand(2)
    for _ in range(20):
        demand.partial(partial)
        demand.final(5.0, 5.0 * final)
    interval = demand.interval(speakers)
    assert interval == inf or demand.load(speakers, interval) <= BUDGET + 1e-9
    longest = [*(nextafter(begin, 0.0) for begin, _ in DEARNESS[1:]), 1e12]
    assert (interval == inf) == all(demand.load(speakers, one) >= BUDGET for one in longest)


@given(st.lists(st.tuples(costs, costs)), st.integers(1, 8), st.integers(0, 200))
def test_more_speakers_never_shorten_it(
    calls: list[tuple[float, float]], workers: int, speakers: int
) -> None:
    """Whatever was measured, it is never negative and grows with the number of speakers."""
    demand = Demand(workers)
    for partial, final in calls:
        demand.partial(partial)
        demand.final(1.0, final)
    assert 0.0 <= demand.interval(speakers) <= demand.interval(speakers + 1)


@given(st.lists(costs, min_size=1, max_size=50))
def test_a_mean_stays_among_what_was_measured_and_expected(measured: list[float]) -> None:
    """One slow call does not move it far, and one short utterance hardly at all."""
    ratio = Ratio(1.0, 10.0)
    for one in measured:
        ratio.add(one, 1.0)
    assert min(1.0, *measured) - 1e-9 <= ratio.value <= max(1.0, *measured) + 1e-9
    before = ratio.value
    ratio.add(100.0 * before * 0.01, 0.01)
    assert ratio.value < 1.2 * before
