"""How long a call may take: by what calls took lately, and by how long the process had to wait."""

from __future__ import annotations

import pytest

from echopanel.engine.patience import LOOK_S, SLOWEST, UNKNOWN_RTF, Patience, Term, hastened
from echopanel.machine.starvation import Turns


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What threads had to wait for a processor; the last figure is now. What they ran is not to be told."""
    waits = [0.0]
    monkeypatch.setattr("echopanel.engine.patience.turns", lambda: Turns(waited=waits[-1]))
    return waits


@pytest.mark.usefixtures("waits")
def test_a_call_has_several_times_what_such_calls_take_and_no_less_than_is_set() -> None:
    """Of live speech as measured lately; before that a machine is taken to be slow."""
    patience = Patience(3.0)
    assert patience.live(1.0, 0.1, now=50.0).deadline == 53.0
    assert patience.live(10.0, 0.1, now=50.0).deadline == 50.0 + SLOWEST * 1.0
    assert patience.live(100.0, 0.1, now=50.0).deadline == 50.0 + 10.0 + 3.0
    assert patience.live(10.0, 0.0, now=50.0).deadline == 50.0 + 10.0 * UNKNOWN_RTF + 3.0


@pytest.mark.usefixtures("waits")
def test_what_was_put_off_has_its_own_measure() -> None:
    """A slower model may have it."""
    patience = Patience(3.0)
    for _ in range(1000):
        patience.deferred_took(10.0, 2.0)
    assert patience.deferred(10.0, now=0.0).deadline == pytest.approx(2.0 + 3.0)
    assert patience.live(10.0, 0.01, now=0.0).deadline == 3.0
    assert repr(patience) == "<Patience of 3s [0.0s waited]>"


def test_waiting_for_a_processor_is_no_hanging(waits: list[float]) -> None:
    """Calls that run at once share the blame; what was waited before a call began does not count."""
    patience = Patience(3.0)
    term = patience.live(0.0, 0.1, now=10.0)
    assert [patience.over(term, now, 1) for now in (13.0, 13.1)] == [False, True]
    waits.append(2.0)
    assert [patience.over(term, now, 1) for now in (15.0, 15.1)] == [False, True]
    assert [patience.over(term, now, 2) for now in (14.0, 14.1)] == [False, True]
    late = patience.live(0.0, 0.1, now=10.0 + LOOK_S)
    assert patience.over(late, 13.1 + LOOK_S, 1)


def test_what_was_waited_before_is_not_expected_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls took four times as long while threads ran a quarter of the time in which they were ready."""
    turns = iter(Turns(ran=100.0 * look, waited=300.0 * look) for look in range(1, 100))
    monkeypatch.setattr("echopanel.engine.patience.turns", lambda: next(turns))
    patience = Patience(3.0)
    for look in range(50):
        term = patience.live(10.0, 0.4, now=float(look))
    assert term.deadline == pytest.approx(49.0 + SLOWEST * 1.0, rel=0.01)


def test_a_call_to_a_model_that_hangs_has_less_time() -> None:
    """But never more than it had."""
    term = Term(10.0, waited=1.0)
    assert hastened(term, now=5.0) == Term(6.0, waited=1.0)
    assert hastened(term, now=9.5) == term
