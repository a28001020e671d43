"""Percentiles, means, medians."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.bench.figures import COLUMNS, Figures, largest, mean, medians, percentile, ratio

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50)


@given(NUMBERS, st.floats(0, 1))
def test_percentiles_are_numpys(values: list[float], share: float) -> None:
    """Linear interpolation between closest ranks."""
    assert percentile(values, share) == pytest.approx(float(np.quantile(values, share)), abs=1e-6)


def test_nothing_has_no_figures() -> None:
    """What was not measured is None, not 0."""
    assert percentile([], 0.5) is None
    assert mean([]) is None
    assert largest([None]) is None
    assert ratio(None, 1.0) is None
    assert ratio(1.0, 0) is None


def figures(**given: float | None) -> Figures:
    """A row with some figures."""
    return dict.fromkeys(COLUMNS) | given


def test_a_row_of_medians_has_the_middle_of_each_figure() -> None:
    """Each figure by itself; runs that lack one do not count for it."""
    runs = [
        figures(sources=8, wer=0.10, load=None),
        figures(sources=8, wer=0.30, load=0.5),
        figures(sources=8, wer=0.11, load=0.7),
    ]
    middle = medians(runs)
    assert (middle["sources"], middle["wer"], middle["load"]) == (8, 0.11, 0.6)
    assert middle["repeat"] == 3
    assert middle["rss_mb"] is None
    assert list(middle) == list(COLUMNS)
