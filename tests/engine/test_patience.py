"""How long a call may take: by what calls took lately, and by how long threads had to wait."""

from __future__ import annotations

import pytest

from echopanel.engine.patience import (
    BEYOND,
    HASTENED_S,
    LEAST_SHARE,
    SLOWEST,
    UNKNOWN_RTF,
    WORKING,
    Patience,
    Term,
)
from echopanel.machine.starvation import Turns


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[Turns]:
    """What threads ran and had to wait for a processor; the last figure is now."""
    turns = [Turns()]
    monkeypatch.setattr("echopanel.engine.patience.turns", lambda: turns[-1])
    return turns


@pytest.mark.usefixtures("turns")
def test_a_call_has_several_times_what_such_calls_take_and_no_less_than_is_set() -> None:
    """Of live speech as measured lately; before that a machine is taken to be slow."""
    patience = Patience(3.0)
    assert repr(patience) == "<Patience of 3s [0.0s waited]>"
    assert patience.live(1.0, 0.1, now=50.0) == Term(50.0, 3.0, 3.0 * LEAST_SHARE, 3.0 * WORKING, Turns())
    assert patience.live(10.0, 0.1, now=50.0).running_s == SLOWEST * 1.0
    assert patience.live(100.0, 0.1, now=50.0).running_s == 10.0 + BEYOND * 3.0
    assert patience.live(10.0, 0.0, now=50.0).running_s == 10.0 * UNKNOWN_RTF + BEYOND * 3.0


@pytest.mark.usefixtures("turns")
def test_what_was_put_off_has_its_own_measure() -> None:
    """A slower model may have it."""
    patience = Patience(3.0)
    for _ in range(1000):
        patience.deferred_took(10.0, 2.0)
    assert patience.deferred(10.0, now=0.0).running_s == pytest.approx(2.0 + BEYOND * 3.0)
    assert patience.live(10.0, 0.01, now=0.0).running_s == 3.0 * LEAST_SHARE


def test_waiting_for_a_processor_is_no_hanging(turns: list[Turns]) -> None:
    """Where threads run a quarter of the time in which they are ready, a call may take four times as long."""
    turns.append(Turns(ran=100.0, waited=100.0))
    term = Term(10.0, least_s=4.0, running_s=2.0, working_s=2.0, turns=turns[-1])
    assert [term.over(now, 1) for now in (14.0, 14.1)] == [False, True]
    turns.append(Turns(ran=100.9, waited=103.0))
    assert [term.over(now, 1) for now in (14.1, 17.9, 18.1)] == [False, False, True]


def test_a_process_that_wants_no_processor_does_not_wait_for_one(turns: list[Turns]) -> None:
    """However busy the machine is: what hangs is found as soon as on an idle one."""
    term = Term(10.0, least_s=4.0, running_s=2.0, working_s=2.0, turns=turns[-1])
    turns.append(Turns(ran=0.0, waited=0.05))
    assert [term.over(now, 1) for now in (14.0, 14.1)] == [False, True]


def test_what_was_waited_before_is_not_expected_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls took four times as long while threads ran a quarter of the time in which they were ready."""
    turns = iter(Turns(ran=100.0 * look, waited=300.0 * look) for look in range(1, 100))
    monkeypatch.setattr("echopanel.engine.patience.turns", lambda: next(turns))
    patience = Patience(3.0)
    for look in range(50):
        term = patience.live(10.0, 0.4, now=float(look))
    assert term.running_s == pytest.approx(SLOWEST * 1.0, rel=0.01)


@pytest.mark.usefixtures("turns")
def test_a_call_to_a_model_that_hangs_has_less_time() -> None:
    """But never more than it had."""
    term = Term(10.0, 4.0, 3.0, 9.0, Turns())
    least_s = 1.0 + HASTENED_S
    assert term.hastened(11.0) == Term(10.0, least_s, least_s * LEAST_SHARE, least_s * LEAST_SHARE, Turns())
    assert term.hastened(13.9) == Term(10.0, 4.0, 2.0, 2.0, Turns())


def test_a_call_that_works_is_slow_and_does_not_hang(turns: list[Turns]) -> None:
    """Text that runs on keeps a processor busy; a call that hangs does not, whatever others do beside it."""
    term = Term(10.0, least_s=4.0, running_s=2.0, working_s=9.0, turns=turns[-1])
    turns.append(Turns(ran=5.9))
    assert (term.over(16.0, calls=1), term.over(16.0, calls=2)) == (False, True)
    turns.append(Turns(ran=9.5))
    assert (term.over(19.0, calls=1), term.over(19.1, calls=1)) == (False, True)
    turns.append(Turns(ran=12.0))
    assert (term.over(16.0, calls=2), term.over(16.0, calls=3)) == (False, True)
