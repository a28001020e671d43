"""When to try a connection again, and when to stop trying."""

from __future__ import annotations

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from echopanel.policy.backoff import Backoff
from echopanel.policy.breaker import Breaker
from echopanel.policy.retry import Retry

chances = st.lists(st.floats(min_value=0, max_value=1, exclude_max=True), min_size=40, max_size=40)


def outage(retry: Retry, chances: list[float], now: float = 1000.0) -> list[float]:
    """When a client tries, from the loss of a good connection at `now` until it gives up."""
    retry.ready(now - 3600)
    tries: list[float] = []
    for u in chances:
        wait = retry.failed(now, u)
        if wait is None:
            return tries
        while wait > 0:
            now += wait
            wait = retry.attempt(now)
        tries.append(now)
    raise AssertionError("never gave up")


def patient() -> Retry:
    """A policy with default figures."""
    return Retry(Backoff(), Breaker())


@given(chances)
def test_fifteen_attempts_take_about_ten_minutes(us: list[float]) -> None:
    """Then it is for the user to ask again."""
    retry = patient()
    tries = outage(retry, us)
    assert len(tries) == 15
    assert 8 * 60 < tries[-1] - 1000 < 13 * 60


@given(chances)
def test_the_breaker_stretches_the_waits_after_five_failures(us: list[float]) -> None:
    """From the sixth attempt on they are 60 s or more apart."""
    tries = outage(patient(), us)
    gaps = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert all(gap >= 59.999 for gap in gaps[4:])
    assert all(gap <= 2**n * 2.401 for n, gap in enumerate(gaps[:4]))


def test_a_thousand_clients_spread_out() -> None:
    """After a restart no second sees more than a fifth of the clients, later ever fewer."""
    chance = random.Random(7)
    schedules = [outage(patient(), [chance.random() for _ in range(40)]) for _ in range(1000)]
    for attempt, most in ((2, 700), (4, 250), (14, 60)):
        seconds = [int(schedule[attempt]) for schedule in schedules]
        assert max(map(seconds.count, set(seconds))) <= most


def test_counters_begin_anew_only_after_a_connection_that_lasted() -> None:
    """`ready` alone is not enough."""
    retry = Retry(Backoff(), Breaker(), attempts=3, quick_s=5)
    assert retry.failed(0, 0.5) == 1
    assert retry.attempt(1) == 0
    retry.ready(2)
    assert retry.failed(6.9, 0.5) == 2, "it died at once, so it counts"
    assert retry.attempt(9) == 0
    retry.ready(10)
    assert retry.failed(15, 0.5) == 1, "it has lasted"


def test_quick_failures_use_up_the_attempts() -> None:
    """A server that accepts and dies at once is not asked for ever."""
    retry = Retry(Backoff(), Breaker(failures=100), attempts=3)
    for n in range(3):
        assert retry.failed(n, 0.5) is not None
        assert retry.attempt(n) == 0
        retry.ready(n)
    assert retry.failed(3, 0.5) is None


def test_the_server_may_ask_for_more_patience() -> None:
    """`retry_after` is a lower bound; those who were all asked the same do not come at once."""
    assert patient().failed(0, 0.0, at_least=30) == 30
    assert patient().failed(0, 0.5, at_least=30) == 37.5
    assert patient().failed(0, 0.5, at_least=0.1) == 1


def test_asking_by_hand_forgets_everything() -> None:
    """Also an open breaker."""
    retry = patient()
    outage(retry, [0.5] * 40)
    assert retry.attempt(2000) == 0 or retry.failed(2000, 0.5) is None
    retry.reset()
    assert retry.attempt(2000) == 0
    assert repr(retry) == "<Retry [1 of 15 attempts] <Breaker closed [0 failures in a row]>>"


def test_an_attempt_that_comes_too_early_is_told_to_wait() -> None:
    """An open breaker has the last word."""
    retry = Retry(Backoff(), Breaker(failures=1, open_s=60))
    assert retry.failed(0, 0.5) == 60
    assert retry.attempt(20) == 40
    assert retry.attempt(60) == 0


def test_no_attempts_means_none() -> None:
    """Who does not want to reconnect is not reconnected."""
    assert Retry(Backoff(), Breaker(), attempts=0).failed(0, 0.5) is None
