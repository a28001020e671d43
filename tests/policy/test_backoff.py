"""How long to wait before trying again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.policy.backoff import Backoff

chances = st.floats(min_value=0, max_value=1, exclude_max=True)


@given(st.integers(min_value=0, max_value=10**6), chances)
def test_delays_stay_between_0_and_the_jittered_cap(attempt: int, u: float) -> None:
    """Also for absurd attempts."""
    assert 0 < Backoff().delay(attempt, u) <= 72


@given(st.integers(min_value=0, max_value=100), chances)
def test_the_jitter_is_20_percent_and_never_vanishes(attempt: int, u: float) -> None:
    """`min(2**attempt, 60) * (0.8 + 0.4 u)`."""
    assert Backoff().delay(attempt, u) == pytest.approx(min(2**attempt, 60) * (0.8 + 0.4 * u))
