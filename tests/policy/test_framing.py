"""Frames grow with the interval between decodes, within bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.policy.framing import LEAST_S, MOST_S, least_s


@pytest.mark.parametrize(
    ("interval_s", "expected"), [(0.3, 0.02), (0.99, 0.02), (1.0, 0.1), (2.0, 0.2), (4.0, 0.4), (8.0, 0.4)]
)
def test_frames_are_a_tenth_of_the_interval(interval_s: float, expected: float) -> None:
    """At most 0.4 s; while the server has time, hardly anything is waited for."""
    assert least_s(interval_s) == pytest.approx(expected)


@given(st.floats(0.0, 100.0), st.floats(0.0, 100.0))
def test_a_longer_interval_never_makes_frames_shorter(one: float, other: float) -> None:
    """And none is beyond the bounds."""
    shorter, longer = sorted((least_s(one), least_s(other)))
    assert (least_s(min(one, other)), least_s(max(one, other))) == (shorter, longer)
    assert LEAST_S <= shorter <= longer <= MOST_S
