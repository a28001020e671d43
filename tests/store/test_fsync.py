"""Whose turn it is to be synced."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.store.fsync import SyncTurns


@given(steps=st.lists(st.tuples(st.floats(0.001, 0.7), st.sets(st.integers(0, 9))), min_size=1, max_size=60))
def test_nothing_stays_dirty_longer_than_the_interval(steps: list[tuple[float, set[int]]]) -> None:
    """Each call takes all that an earlier call, an interval ago, has seen dirty; and only what is dirty."""
    turns: SyncTurns[int] = SyncTurns(1.0)
    now, dirty, seen = 0.0, set[int](), dict[int, float]()
    for elapsed, appended in steps:
        now += elapsed
        dirty |= appended
        for key in dirty:
            seen.setdefault(key, now)
        turn = turns.take(dirty, now)
        assert set(turn) <= dirty
        assert len(set(turn)) == len(turn)
        for key in turn:
            del seen[key]
        dirty -= set(turn)
        assert all(now - since < 1.0 for since in seen.values())


@pytest.mark.parametrize("period", [0.02, 0.1, 0.3])
def test_busy_sources_are_spread_over_the_interval(period: float) -> None:
    """Sixty sources that are always dirty are synced about once per second each, in small groups."""
    turns: SyncTurns[int] = SyncTurns(1.0)
    sizes = [len(turns.take(range(60), step * period)) for step in range(round(20 / period))]
    assert max(sizes[1:]) <= 60 * period + 1
    assert sum(sizes[1:]) / 19 == pytest.approx(60, rel=0.1)


def test_one_source_is_not_synced_at_every_call() -> None:
    """A single source asked about a hundred times per second has its turn once per second."""
    turns: SyncTurns[str] = SyncTurns(1.0)
    taken = [turns.take(["mic"], step / 100) for step in range(1001)]
    assert sum(map(len, taken)) == pytest.approx(10, abs=1)


def test_repr_tells_who_waits() -> None:
    """The first call takes everything; what is dirty again waits."""
    turns: SyncTurns[str] = SyncTurns(2.0)
    assert turns.take(["mic"], 0.0) == ["mic"]
    assert turns.take(["mic"], 0.1) == []
    assert repr(turns) == "<SyncTurns [1 waiting, every 2s]>"
