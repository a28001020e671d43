"""Getting worse and becoming whole again, as a client sees it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from echopanel.audio import Source
from echopanel.bench.overload import Reading, calm, level_changes, longest_wait, normal_after, told
from echopanel.bench.record import SessionRecord, SourceRecord
from echopanel.bench.script import silence
from echopanel.wire.messages import Flow
from tests.bench.speech import Screen, recording, script_of

FLOW = Flow(0, "full", "", 0.5, 0.1, 0.1, 0.2, 1.0, 0, {})


def session(*flows: tuple[float, int]) -> SessionRecord:
    """One that was told these levels."""
    made = SessionRecord({Source.MIC: SourceRecord(silence(1.0))})
    made.flows = [(at, replace(FLOW, level=level, chunk_interval_s=1.0 + level)) for at, level in flows]
    return made


def test_levels_are_those_that_the_longest_session_was_told() -> None:
    """Another session's messages may arrive a little earlier or later, so they are not mixed."""
    sessions = [session((1.0, 0), (2.0, 2)), session((1.0, 0), (2.1, 1), (9.0, 0)), session()]
    assert told(sessions) == [Reading(1.0, 0, 1.0), Reading(2.1, 1, 2.0), Reading(9.0, 0, 1.0)]
    assert told([session()]) == []


def test_each_change_of_the_level_is_kept() -> None:
    """From level 0 on, though nobody said so."""
    readings = [Reading(at, level, 1.0) for at, level in ((1, 1), (2, 1), (3, 2), (4, 0), (5, 0))]
    assert level_changes(readings) == [(1, 1), (3, 2), (4, 0)]
    assert level_changes([]) == []


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [((1, 2, 1), 0.0), ((1, 8, 2, 1), 1.0), ((1, 4, 1, 8, 1), 3.0), ((1, 4), None), ((), None)],
)
def test_recovery_is_the_moment_from_which_text_came_often_enough(
    intervals: tuple[float, ...], expected: float | None
) -> None:
    """For good: an interval that grows again is no recovery. The load ends at 11, readings begin at 10."""
    readings = [Reading(10.0 + place, 0, interval) for place, interval in enumerate(intervals)]
    assert normal_after(readings, 11.0) == expected


def test_calm_is_full_quality_at_a_normal_interval() -> None:
    """Either alone is not enough."""
    begun = Reading(0, 0, 0.5)
    assert calm([begun, Reading(1, 3, 8.0), Reading(2, 0, 2.0)])
    assert not calm([begun, Reading(1, 1, 2.0)])
    assert not calm([begun, Reading(1, 0, 2.1)])
    assert calm([])


def test_what_a_server_began_with_is_normal() -> None:
    """A level that somebody forced, and an interval that the settings ask for, do not go away."""
    begun = Reading(0, 2, 4.0)
    assert calm([begun, Reading(1, 3, 8.0), Reading(2, 2, 4.0)])
    assert normal_after([begun, Reading(1, 3, 8.0), Reading(2, 2, 4.0)], 1.0) == 1.0


def test_the_longest_wait_begins_and_ends_with_text_or_the_talk() -> None:
    """Texts of all segments count, in whatever order they are stored; behind the end only the next one."""
    screen = Screen(script_of(recording("one", "a b c d e f g h")))
    screen.partial("m2", 6.0, "c")
    screen.final("m1", 2.5, "a b", 0.0, 2.0)
    assert longest_wait(screen.record, 7.0) == 3.5
    screen.final("m2", 11.0, "c d", 2.0, 7.0)
    screen.final("m3", 19.0, "e f", 7.0, 8.0)
    assert longest_wait(screen.record, 7.0) == 5.0


def test_where_nothing_came_the_wait_is_as_long_as_the_talk() -> None:
    """Nothing shown at all."""
    assert longest_wait(SourceRecord(silence(9.0)), 7.0) == 7.0
