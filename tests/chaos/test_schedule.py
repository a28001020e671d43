"""The schedules of the fault injection."""

from __future__ import annotations

import pytest

from tests.chaos.judge import Verdict
from tests.chaos.schedule import CutNetwork, Kind, make_schedule
from tests.chaos.table import table


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.NOTHING])
def test_a_seed_is_a_schedule(kind: Kind) -> None:
    """The same seed the same faults, in order; another seed others."""
    schedule = make_schedule(kind, 1, 20.0)
    assert make_schedule(kind, 1, 20.0) == schedule
    assert make_schedule(kind, 2, 20.0) != schedule
    times = [at for at, _ in schedule.faults]
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] <= 28.0


def test_cuts_last_1_to_120_seconds() -> None:
    """Short ones and long ones."""
    faults = [fault for seed in range(100) for _, fault in make_schedule(Kind.NETWORK_CUT, seed, 20).faults]
    lengths = [fault.for_s for fault in faults if isinstance(fault, CutNetwork)]
    assert 1 <= min(lengths) < 2
    assert 60 < max(lengths) <= 120


def test_the_table_sums_up() -> None:
    """A row for each kind that was run, and their sum."""
    one = Verdict(schedules=1, words=50, errors=1, differences=1)
    rows = table({(Kind.SUSPEND, 0): one, (Kind.SUSPEND, 1): one, (Kind.BOTH, 0): one}).splitlines()
    assert rows[2].startswith("| server kill and network cut | 1 | 50 | 0 | 0.00% | 2.00% | 1 (2.00%) | 0 |")
    assert rows[4].startswith("| all | 3 | 150 |")
