"""So many processes and no more, one of them warm; none is shared, none is left behind."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from echopanel.asr.voxtral.pool import Pool
from echopanel.asr.voxtral.process import VoxtralProcess
from echopanel.asr.voxtral.starting import start_process
from echopanel.errors import Busy, ModelUnavailable
from tests.asr.voxtral.test_process import ended, until
from tests.helpers.voxtral import FakeBinary


@pytest.fixture
def binary(faulty: Callable[..., FakeBinary]) -> FakeBinary:
    """One that behaves."""
    return faulty()


@pytest.fixture
def pool(binary: FakeBinary) -> Iterator[Pool]:
    """Three processes, one of them started."""
    made = Pool(lambda: start_process(binary.settings(), 1), 3)
    made.prepare()
    yield made
    made.close()
    assert [one["pid"] for one in binary.started if not ended(one["pid"])] == []


def stands_by(pool: Pool) -> VoxtralProcess:
    """Wait for the warm one."""
    until(lambda: pool._standby is not None)
    assert pool._standby is not None
    return pool._standby


def test_the_warm_one_is_taken_and_replaced(binary: FakeBinary, pool: Pool) -> None:
    """Nobody waits for a start as long as there is room for one to stand by."""
    warm = stands_by(pool)
    assert pool.take() is warm
    assert stands_by(pool) is not warm
    assert len(binary.started) == 2


def test_there_are_never_too_many(binary: FakeBinary, pool: Pool) -> None:
    """Beyond the bound one is told so, and none stands by; who leaves makes room."""
    taken = [pool.take() for _ in range(3)]
    assert len({process.pid for process in taken}) == 3
    with pytest.raises(Busy, match=r"all 3 .*voxtral\.max_processes"):
        pool.take()
    pool.end(taken[0])
    assert ended(taken[0].pid)
    assert pool.take().pid not in {process.pid for process in taken}
    assert len(binary.started) == 4


def test_a_warm_one_that_died_is_not_handed_out(pool: Pool) -> None:
    """Another is started instead."""
    dead = stands_by(pool)
    os.kill(dead.pid, signal.SIGKILL)
    until(lambda: not dead.alive)
    assert pool.take().alive


def test_one_that_was_borrowed_stands_by_again(pool: Pool) -> None:
    """Unless another does."""
    warm = stands_by(pool)
    assert pool.borrow() is warm
    pool.put_back(warm)
    assert pool.take() is warm
    other = stands_by(pool)
    pool.put_back(warm)
    assert ended(warm.pid)
    assert stands_by(pool) is other


def test_many_at_once(binary: FakeBinary, pool: Pool) -> None:
    """Threads that come together get a process each, or are told that there is none."""
    taken: list[VoxtralProcess] = []
    refused: list[Busy] = []

    def take() -> None:
        try:
            taken.append(pool.take())
        except Busy as error:
            refused.append(error)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({process.pid for process in taken}) == len(taken) <= 3
    assert len(taken) + len(refused) == 8


def test_what_does_not_start_takes_no_room(binary: FakeBinary) -> None:
    """Whoever asks is told why, each time."""
    pool = Pool(lambda: start_process(binary.settings(bin="nowhere"), 1), 1)
    for _ in range(3):
        with pytest.raises(ModelUnavailable, match="no program"):
            pool.take()
    pool.close()


def test_a_closed_pool_starts_nothing(binary: FakeBinary, pool: Pool) -> None:
    """And what is in use is ended."""
    process = pool.take()
    pool.close()
    assert not process.alive
    with pytest.raises(Busy, match="closed"):
        pool.take()
