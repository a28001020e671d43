"""How many processes a machine carries."""

from __future__ import annotations

from pathlib import Path

import pytest

from echopanel.asr.voxtral.settings import processes_that_fit, ram_bytes

WEIGHTS = 8_900_000_000


@pytest.mark.parametrize(("ram_gb", "count"), [(8, 1), (16, 3), (32, 15), (1000, 32)])
def test_memory_bounds_the_processes(ram_gb: int, count: int) -> None:
    """Beside the weights, which are there once, in four fifths of the memory; never none, never hundreds."""
    assert processes_that_fit(WEIGHTS, ram_gb * 1_000_000_000) == count


def test_a_container_has_what_it_may_use(tmp_path: Path) -> None:
    """A limit counts, its absence does not."""
    limit = tmp_path / "memory.max"
    whole = ram_bytes(limit)
    limit.write_text("1000000\n")
    assert ram_bytes(limit) == 1_000_000
    limit.write_text("max\n")
    assert ram_bytes(limit) == whole > 1_000_000
