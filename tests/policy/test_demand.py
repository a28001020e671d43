"""The interval between partials follows from what they cost and how many speak."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.policy.demand import BUDGET, NEWEST, Demand

costs = st.floats(0.001, 2.0)


def test_nothing_known_asks_for_nothing() -> None:
    """Before the first partial there is no reason to wait."""
    assert Demand(2).interval(100) == 0.0


def test_partials_get_what_finals_leave() -> None:
    """20 speakers at 50 ms a partial, finals taking half of the time: a second's work in what is left."""
    demand = Demand(2)
    demand.partial(0.05)
    demand.final(10.0, 0.4)
    assert demand.interval(20) == pytest.approx(20 * 0.05 / (2 * BUDGET - 20 * 0.04))
    assert repr(demand) == "<Demand [partial 0.050s, final 0.040s a second]>"


def test_finals_that_fill_the_time_leave_none() -> None:
    """Then only the longest interval will do."""
    demand = Demand(1)
    demand.partial(0.05)
    demand.final(1.0, 0.1)
    assert demand.interval(8) == inf


@given(costs, costs, st.integers(1, 8), st.integers(0, 200))
def test_more_speakers_never_shorten_it(partial: float, final: float, workers: int, speakers: int) -> None:
    """And what it promises fits into the budget."""
    demand = Demand(workers)
    demand.partial(partial)
    demand.final(1.0, final)
    interval = demand.interval(speakers)
    assert 0.0 <= interval <= demand.interval(speakers + 1)
    if 0 < interval < inf:
        assert speakers * (partial / interval + final) == pytest.approx(workers * BUDGET)


@given(st.lists(costs, min_size=1))
def test_the_mean_stays_among_what_was_measured(measured: list[float]) -> None:
    """One slow call moves it by a tenth; an utterance without length says nothing."""
    demand = Demand(1)
    for one in measured:
        demand.partial(one)
    demand.final(0.0, 1.0)
    interval = demand.interval(1) * BUDGET
    assert min(measured) - 1e-9 <= interval <= max(measured) + 1e-9
    if len(measured) == 2:
        assert interval == pytest.approx((1 - NEWEST) * measured[0] + NEWEST * measured[1])
