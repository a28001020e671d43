"""From the costs of calls to the number of sources."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.policy.capacity import (
    CallCost,
    Compute,
    Costs,
    Talk,
    Timing,
    fit,
    per_source,
    sources_carried,
    usable,
)

# A talk that leaves the sum to be done in one's head.
PLAIN = Talk(
    speech=1.0,
    utterance_s=5.0,
    partials=1.25,
    heard_s=2.0,
    batch=1.0,
    lead_s=0.0,
    again=1.0,
    busy=1.0,
    late_s=float("inf"),
    loop=1.0,
)
COSTS = Costs(partial=CallCost(0.0, 0.1), final=CallCost(0.0, 0.05), upkeep=0.0)

rates = st.floats(0.0001, 1.0)
call_costs = st.builds(CallCost, rates, rates, rates, rates)
costs = st.builds(Costs, call_costs, call_costs, rates)


def test_demand_is_finals_and_partials() -> None:
    """5 s at 0.05 every 5 s, and 2 s at 0.1 every 4 s, which is 1.25 times in 5 s."""
    assert per_source(COSTS, PLAIN) == pytest.approx(0.05 + 0.05)
    assert per_source(COSTS, replace(PLAIN, speech=0.5)) == pytest.approx(0.05)


def test_the_processor_does_everything_or_only_the_sockets() -> None:
    """Upkeep takes from recognition where both need the processor; else the one loop bounds it."""
    busy = replace(COSTS, upkeep=0.1)
    assert sources_carried(COSTS, Compute(2, 2), PLAIN) == 20
    assert sources_carried(busy, Compute(2, 2), PLAIN) == 10
    assert sources_carried(busy, Compute(4, 2, shared=False), PLAIN) == 10
    assert sources_carried(COSTS, Compute(4, 2, shared=False), PLAIN) == 40


def test_long_calls_leave_less_to_use() -> None:
    """A final of 5 s takes 0.25 s alone, a batch of four 1 s unless each has a call of its own."""
    late, four = replace(PLAIN, late_s=5.0), replace(PLAIN, late_s=5.0, batch=4.0)
    assert usable(COSTS, PLAIN) == 1.0
    assert usable(COSTS, late) == usable(COSTS, four) == pytest.approx(0.9)
    batched = replace(COSTS, final=CallCost(0.0, 0.04, call_rate=0.04))
    assert usable(batched, four) == pytest.approx(1 - 2 * 1.0 / 5.0)
    assert usable(replace(COSTS, final=CallCost(3.0, 0.0)), late) == 0.0


def test_workers_without_cores_do_not_help() -> None:
    """Nor do cores without workers."""
    assert sources_carried(COSTS, Compute(8, 2), PLAIN) == sources_carried(COSTS, Compute(2, 8), PLAIN) == 20


def test_what_costs_nothing_promises_nothing() -> None:
    """A fake must not admit an infinity of sessions."""
    free = CallCost(0.0, 0.0)
    assert sources_carried(Costs(free, free, 0.0), Compute(1, 1)) == 0


@given(costs, st.integers(1, 64), st.floats(1.0, 3.0))
def test_dearer_calls_carry_no_more(one: Costs, cores: int, factor: float) -> None:
    """Nor do fewer cores."""
    dearer = CallCost(
        *(factor * getattr(one.final, name) for name in ("own", "own_rate", "call", "call_rate"))
    )
    carried = sources_carried(one, Compute(cores, cores))
    assert 0 <= sources_carried(replace(one, final=dearer), Compute(cores, cores)) <= carried
    assert sources_carried(one, Compute(cores + 1, cores + 1)) >= carried


@given(call_costs)
def test_a_cost_is_found_again_from_its_timings(cost: CallCost) -> None:
    """Two lengths in two sizes of batch say all."""
    timings = [Timing(s, b, cost.of(s, b)) for s, b in product((2.0, 8.0), (1, 4))]
    found = fit(timings)
    for seconds, batch in product((1.0, 6.0, 14.0), (1.0, 2.5, 16.0)):
        assert found.of(seconds, batch) == pytest.approx(cost.of(seconds, batch), abs=1e-6)


@given(st.lists(rates, min_size=4, max_size=4))
def test_noisy_timings_give_costs_all_the_same(noise: list[float]) -> None:
    """Never negative, also where a batch seems dearer than single calls."""
    places = product((2.0, 8.0), (1, 4))
    found = fit([Timing(s, b, value) for (s, b), value in zip(places, noise, strict=True)])
    assert all(found.of(s, b) >= 0 for s, b in product((2.0, 5.0, 8.0, 20.0), (1, 2, 16)))


def test_too_few_timings_are_refused() -> None:
    """Nothing could be said of other lengths, or of batches of some."""
    for few in ([Timing(2.0, 1, 0.1)], [Timing(2.0, 1, 0.1), Timing(8.0, 1, 0.2), Timing(8.0, 4, 0.2)]):
        with pytest.raises(ValueError, match="two lengths"):
            fit(few)


@given(rates, rates)
def test_a_model_that_loops_shares_nothing(own: float, rate: float) -> None:
    """It is timed with one chunk a call, and costs the same in any batch."""
    found = fit([Timing(s, 1, own + rate * s) for s in (2.0, 8.0)])
    for seconds, batch in product((1.0, 6.0, 14.0), (1.0, 2.5, 16.0)):
        assert found.of(seconds, batch) == pytest.approx(own + rate * seconds, abs=1e-6)
