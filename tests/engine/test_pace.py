"""How eagerly the engine works follows from the load."""

from __future__ import annotations

from itertools import pairwise

from echopanel.engine.lead import needed
from echopanel.engine.pace import UNHURRIED, Pace
from echopanel.policy.endpoint import Hurry

INTERVALS = (0.3, 0.99, 1.0, 2.9, 3.0, 6.0, 8.0)


def test_the_more_rarely_text_comes_the_shorter_are_utterances() -> None:
    """From one second between partials on, and again from three and from eight."""
    paces = [Pace.at(0.5, interval) for interval in INTERVALS]
    assert [pace.hurry for pace in paces] == [
        Hurry.NONE,
        Hurry.NONE,
        Hurry.SOME,
        Hurry.SOME,
        Hurry.MUCH,
        Hurry.MUCH,
        Hurry.GREAT,
    ]
    assert [pace.timed for pace in paces] == [pace.hurry < Hurry.MUCH for pace in paces]
    assert [pace.lead_s > 0.0 for pace in paces] == [pace.hurry < Hurry.GREAT for pace in paces]
    assert all(before.beam_size >= after.beam_size for before, after in pairwise(paces))


def test_partials_have_left_context_where_time_is_spare() -> None:
    """As much as finals have; none while much is going on."""
    assert Pace.at(0.1, 0.3).partial_lead_s == Pace.at(0.1, 0.3).lead_s > 0.0
    assert Pace.at(0.6, 0.3).partial_lead_s == Pace.at(0.1, 1.0).partial_lead_s == 0.0


def test_what_nobody_waits_for_is_not_hurried() -> None:
    """A second pass hears as much at once as the model can, and nothing is ever too late."""
    assert UNHURRIED.hurry is Hurry.NONE
    assert UNHURRIED.timed
    assert needed(25.0, UNHURRIED.lead_s, UNHURRIED.short_s) == UNHURRIED.lead_s
    assert UNHURRIED.beam_size == Pace.at(0.0, 0.3).beam_size
    assert UNHURRIED.late_s == float("inf")
