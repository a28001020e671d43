"""The server's own figures."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.bench.scrape import Histogram, Scrape, parse, scrape
from echopanel.engine.metrics import Metrics
from echopanel.errors import EchoPanelError


def reading(metrics: Metrics) -> Scrape:
    """What the engine's metrics look like from outside."""
    return parse(metrics.exposition().decode())


def test_the_engines_metrics_are_read() -> None:
    """The names that the benchmark asks for are those that the engine has."""
    metrics = Metrics()
    before = reading(metrics)
    for value in (0.02, 0.04, 3.0):
        metrics.final_seconds.observe(value)
    metrics.decode_seconds.observe(0.2)
    metrics.batch_size.observe(4)
    metrics.load.set(0.7)
    after = reading(metrics)
    final = after.histogram("echopanel_final_seconds") - before.histogram("echopanel_final_seconds")
    assert final.count == 3
    assert final.mean == pytest.approx(1.02)
    assert after.histogram("echopanel_stage_seconds", stage="decode").total == pytest.approx(0.2)
    assert after.histogram("echopanel_stage_seconds", stage="queue").count == 0
    assert after.histogram("echopanel_batch_size").mean == 4
    assert after.value("echopanel_load") == 0.7


def test_what_was_there_before_does_not_count() -> None:
    """A histogram minus an earlier one has only what came between."""
    metrics = Metrics()
    metrics.final_seconds.observe(100.0)
    before = reading(metrics).histogram("echopanel_final_seconds")
    metrics.final_seconds.observe(0.01)
    since = reading(metrics).histogram("echopanel_final_seconds") - before
    assert since.count == 1
    assert since.quantile(1.0) == pytest.approx(0.01)


def test_missing_metrics_are_empty() -> None:
    """Another server may have fewer."""
    nothing = parse("")
    assert nothing.value("echopanel_load") == 0
    assert nothing.histogram("echopanel_final_seconds").mean is None
    assert nothing.histogram("echopanel_final_seconds").quantile(0.5) is None
    there = Histogram((1.0, math.inf), (1.0, 2.0), 3.0)
    assert there - Histogram() == there


@given(st.lists(st.floats(0, 10), min_size=1, max_size=60), st.floats(0.01, 1))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(values: list[float], share: float) -> None:
    """Buckets are all that is known; the answer is as near as they are wide."""
    bounds = (*(float(bound) for bound in range(1, 11)), math.inf)
    counts = tuple(float(sum(value <= bound for value in values)) for bound in bounds)
    found = Histogram(bounds, counts, sum(values)).quantile(share)
    rank = max(1, math.ceil(share * len(values) - 1e-9))
    true = sorted(values)[rank - 1]
    assert found is not None
    assert abs(found - true) <= 1.0 + 1e-6


def test_values_beyond_the_last_bound_count_as_at_it() -> None:
    """As Prometheus has it."""
    assert Histogram((1.0, math.inf), (0.0, 3.0), 99.0).quantile(0.5) == 1.0


def test_a_server_that_does_not_answer_is_an_error() -> None:
    """One line that names the address."""
    with pytest.raises(EchoPanelError, match=r"127\.0\.0\.1:1/metrics cannot be read"):
        scrape("http://127.0.0.1:1")
