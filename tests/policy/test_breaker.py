"""The circuit breaker."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from echopanel.policy.breaker import Breaker, BreakerState

steps = st.lists(
    st.tuples(st.sampled_from(["allow", "succeed", "fail", "look"]), st.integers(min_value=0, max_value=50)),
    max_size=80,
)


def tripped() -> Breaker:
    """A breaker that opened at time 0."""
    breaker = Breaker(failures=5, open_s=60, probe_s=20)
    for _ in range(5):
        breaker.fail(0)
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    """A success between them begins the count anew."""
    breaker = Breaker(failures=5)
    for _ in range(4):
        breaker.fail(0)
    breaker.succeed()
    for _ in range(4):
        breaker.fail(0)
    assert breaker.allow(0)
    assert breaker.retry_in(0) == 0
    breaker.fail(0)
    assert not breaker.allow(0)
    assert repr(breaker) == "<Breaker open [5 failures in a row]>"


def test_one_probe_is_let_through_when_the_time_has_come() -> None:
    """Nobody else is, until the probe has answered."""
    breaker = tripped()
    assert breaker.retry_in(15) == 45
    assert not breaker.allow(59.9)
    assert breaker.allow(60)
    assert not breaker.allow(60)
    breaker.succeed()
    assert breaker.allow(61)


def test_a_failed_probe_opens_it_again_at_once() -> None:
    """No five failures are needed then."""
    breaker = tripped()
    assert breaker.allow(60)
    breaker.fail(65)
    assert breaker.retry_in(65) == 60
    assert not breaker.allow(124)
    assert breaker.allow(125)


def test_a_probe_that_never_answers_counts_as_failed_at_its_deadline() -> None:
    """Whoever took the probe and died does not block the others for ever."""
    breaker = tripped()
    assert breaker.allow(60)
    assert breaker.retry_in(70) == 10
    assert not breaker.allow(80)
    assert breaker.state is BreakerState.OPEN
    assert breaker.retry_in(80) == 60
    assert breaker.allow(140)


def test_a_late_failure_does_not_keep_it_open_longer() -> None:
    """What was under way when it opened tells nothing new."""
    breaker = tripped()
    breaker.fail(30)
    assert breaker.allow(60)


@given(steps)
def test_between_two_answers_at_most_one_probe_passes(script: list[tuple[str, int]]) -> None:
    """However calls interleave: once tripped, one permission per open period and answer."""
    breaker = Breaker(failures=3, open_s=60, probe_s=20)
    now = 0
    passed_at: int | None = None
    for what, later in script:
        now += later
        if what == "allow":
            was_closed = breaker.state is BreakerState.CLOSED
            if breaker.allow(now) and not was_closed:
                assert passed_at is None or now >= passed_at + 80
                passed_at = now
        elif what == "succeed":
            breaker.succeed()
            passed_at = None
        elif what == "fail":
            breaker.fail(now)
            passed_at = None
        assert 0 <= breaker.retry_in(now) <= 60
