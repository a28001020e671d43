"""What a process costs."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from echopanel.bench.process import (
    Sample,
    Usage,
    machine_cpu_s,
    parse_proc,
    parse_ps,
    slope_per_minute,
    usage_of,
    watch,
)
from echopanel.errors import EchoPanelError


def test_this_process_has_used_cpu_and_memory() -> None:
    """The reading agrees with the process's own clock."""
    before = usage_of(os.getpid())
    begin = time.process_time()
    while time.process_time() - begin < 0.1:
        sum(range(1000))
    after = usage_of(os.getpid())
    assert 0.05 <= after.cpu_s - before.cpu_s <= 1.0
    assert 10 < after.rss_mb < 10_000


def test_without_proc_ps_is_asked(tmp_path: Path) -> None:
    """Other systems have no /proc."""
    usage = usage_of(os.getpid(), tmp_path / "none")
    assert usage.rss_mb == pytest.approx(usage_of(os.getpid()).rss_mb, rel=0.5)


def test_a_process_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """Its number is named."""
    for proc in (Path("/proc"), tmp_path / "none"):
        with pytest.raises(EchoPanelError, match="process 999999999 cannot be measured"):
            usage_of(999_999_999, proc)


def test_a_name_with_blanks_and_brackets_does_not_confuse() -> None:
    """proc(5): the name stands in brackets and may hold anything."""
    ticks = os.sysconf("SC_CLK_TCK")
    stat = f"42 (a) b (c)) S {' '.join('0' for _ in range(10))} {3 * ticks} {2 * ticks} 9 9"
    pages = 2**20 // os.sysconf("SC_PAGE_SIZE")
    assert parse_proc(stat, f"999 {5 * pages} 1") == Usage(5.0, 5.0)


@pytest.mark.parametrize(
    ("time_field", "seconds"),
    [("0:01.23", 1.23), ("00:00:07", 7.0), ("01:02:03", 3723.0), ("2-00:00:01", 172_801.0)],
)
def test_times_of_ps_are_read(time_field: str, seconds: float) -> None:
    """Both the BSD and the Linux way."""
    assert parse_ps(f" {time_field}  2048\n") == Usage(seconds, 2.0)


def test_nonsense_of_ps_is_refused() -> None:
    """Rather than measured as 0."""
    with pytest.raises(ValueError, match="no CPU time"):
        parse_ps("soon 2048")


def test_memory_that_grows_has_a_slope() -> None:
    """Two megabytes a minute, with noise around it."""
    samples = [
        Sample(at, Usage(0, 100 + at / 30 + noise)) for at, noise in ((0, 1), (30, -1), (60, -1), (90, 1))
    ]
    assert slope_per_minute(samples) == pytest.approx(2.0)
    assert slope_per_minute(samples[:1]) == 0.0


async def test_watching_ends_with_the_process() -> None:
    """A server that died is noticed by its socket, not here."""
    samples: list[Sample] = []
    await watch(999_999_999, samples)
    assert samples == []


def test_a_machine_without_proc_has_no_total(tmp_path: Path) -> None:
    """Then the load of others is unknown."""
    assert machine_cpu_s(tmp_path) is None
    (tmp_path / "stat").write_text("cpu  100 0 200 5000 50 0 100 0 0 0\ncpu0 1 2 3\n")
    assert machine_cpu_s(tmp_path) == 400 / os.sysconf("SC_CLK_TCK")
