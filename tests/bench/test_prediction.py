"""Which numbers of sources `doctor-check` plays, and what it makes of the rows."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.bench.figures import COLUMNS, Figures
from tests.bench.prediction import LATE_S, STEP, Row, following, most_held, near, row_of


def figures(**given: float | None) -> Figures:
    """A row of `bench` in which nothing went wrong."""
    whole: Figures = {"sources": 8, "first_shown_p95": 2.0, "dropped_s": 0.0, "failed_sessions": 0}
    return dict.fromkeys(COLUMNS) | whole | given


def searched(carried: int, predicted: int, *, most: int = 50) -> list[Row]:
    """The rows of a search on a machine on which words are just in time from so many sources."""
    rows: list[Row] = []
    while len(rows) < most and (sources := following(rows, predicted)) is not None:
        rows.append(Row(sources, LATE_S * sources / carried, whole=True))
    return rows


def test_held_is_in_time_and_whole() -> None:
    """Words that are never shown are as late as can be; audio that is dropped makes up for nothing."""
    assert row_of(figures()) == Row(8, 2.0, whole=True)
    assert row_of(figures()).held
    assert not row_of(figures(first_shown_p95=LATE_S + 0.1)).held
    assert not row_of(figures(first_shown_p95=None)).held
    for broken in ({"dropped_s": 1.5}, {"dropped_s": None}, {"failed_sessions": 1}):
        assert not row_of(figures(**broken)).whole
        assert not row_of(figures(**broken)).held


@given(st.integers(1, 200), st.integers(1, 200))
def test_the_search_ends_between_a_row_in_time_and_one_that_is_late(carried: int, predicted: int) -> None:
    """However wrong the prediction is, and the number that is held is found again."""
    rows = searched(carried, predicted)
    assert rows[0].sources == predicted
    assert len({row.sources for row in rows}) == len(rows)
    assert any(row.held for row in rows)
    assert any(not row.held for row in rows)
    assert most_held(rows) == pytest.approx(carried)


def test_steps_are_a_fifth_and_never_none() -> None:
    """Up while words are in time, down while they are not, until there is nothing left to try."""
    assert following([], 0) == 1
    assert following([Row(10, 1.0, whole=True)], 10) == round(10 * STEP)
    assert following([Row(2, 1.0, whole=True)], 2) == 3
    assert following([Row(12, 9.0, whole=True)], 12) == 10
    assert following([Row(2, 9.0, whole=True)], 2) == 1
    assert following([Row(1, 9.0, whole=True)], 1) is None


@pytest.mark.parametrize("over", [Row(12, 6.0, whole=False), Row(12, inf, whole=True)])
def test_no_line_is_drawn_to_a_row_that_lost_audio(over: Row) -> None:
    """Then the last row in time counts; without one nothing is held."""
    assert most_held([Row(10, 4.0, whole=True), over]) == 10.0
    assert most_held([over]) == 0.0


def test_between_two_rows_latency_is_taken_to_rise_evenly() -> None:
    """Halfway in time is halfway in sources; a late row with fewer sources is an accident."""
    assert most_held([Row(10, 4.0, whole=True), Row(12, 6.0, whole=True)]) == pytest.approx(11.0)
    assert most_held([Row(10, 4.0, whole=True), Row(8, 6.0, whole=True)]) == 10.0


def test_near_is_within_a_quarter() -> None:
    """Of what was held, on either side; what is not bounded says nothing."""
    rows = [Row(19, 4.9, whole=True), Row(21, 5.1, whole=True)]
    assert [near(predicted, rows) for predicted in (14, 15, 25, 26)] == [False, True, True, False]
    assert not near(20, rows[:1])
    assert not near(20, rows[1:])
