"""Load: demanded over available compute, measured over a sliding window."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.policy.load import LoadMeter

calls = st.lists(st.tuples(st.floats(0, 60), st.floats(0.1, 30), st.floats(0, 10)), max_size=30).map(
    lambda found: sorted(found, key=lambda one: one[0])
)


def test_nothing_asked_is_no_load() -> None:
    """Before the first job everything is zero."""
    reading = LoadMeter(2).reading(5.0)
    assert (reading.load, reading.rtf_last, reading.rtf_mean, reading.rtf_p95) == (0, 0, 0, 0)


def test_load_is_cost_times_demand_over_workers() -> None:
    """10 s of audio a second at 0.1 s of compute each keep one of two workers busy."""
    meter = LoadMeter(workers=2, window_s=10.0)
    for second in range(11):
        meter.asked(10.0, float(second))
        meter.called(10.0, 1.0, float(second))
    reading = meter.reading(10.0)
    assert reading.load == pytest.approx(11 * 10 * 0.1 / (10 * 2))
    assert reading.rtf_mean == pytest.approx(0.1)


def test_demand_that_is_never_run_counts() -> None:
    """Superseded jobs were asked for, so an overloaded machine shows a load above 1."""
    meter = LoadMeter(workers=1)
    meter.called(1.0, 1.0, 0.0)
    for second in range(10):
        meter.asked(3.0, float(second))
    assert meter.reading(9.0).load > 1


def test_the_window_forgets_and_the_cost_is_remembered() -> None:
    """After a silence the demand is gone, but what a second of audio costs is still known."""
    meter = LoadMeter(workers=1, window_s=10.0)
    meter.asked(1.0, 0.0)
    meter.called(1.0, 0.5, 0.0)
    assert (meter.reading(60.0).load, meter.cost) == (0, 0.5)
    meter.asked(10.0, 61.0)
    assert meter.reading(61.0).load == pytest.approx(0.5)
    assert repr(meter) == "<LoadMeter [1 asked, 0 done in 10 s]>"


def test_calls_without_audio_count_for_nothing() -> None:
    """A call over no audio has no real-time factor."""
    meter = LoadMeter(workers=1)
    meter.called(0.0, 1.0, 0.0)
    assert meter.reading(0.0).rtf_last == 0


@given(calls)
def test_readings_are_sane(made: list[tuple[float, float, float]]) -> None:
    """Nothing is ever negative, and the 95th percentile is one of the factors seen."""
    meter = LoadMeter(workers=2)
    for at, audio, elapsed in made:
        meter.asked(audio, at)
        meter.called(audio, elapsed, at)
    reading = meter.reading(60.0)
    assert min(reading.load, reading.rtf_last, reading.rtf_mean, reading.rtf_p95) >= 0
    recent = [elapsed / audio for at, audio, elapsed in made if at >= 50.0]
    assert reading.rtf_p95 in recent or (not recent and reading.rtf_p95 == 0)
