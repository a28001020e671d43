"""How many processes a machine carries."""

from __future__ import annotations

import pytest

from echopanel.asr.voxtral.settings import processes_that_fit

WEIGHTS = 8_900_000_000


@pytest.mark.parametrize(("ram_gb", "count"), [(8, 1), (16, 3), (32, 15), (1000, 32)])
def test_memory_bounds_the_processes(ram_gb: int, count: int) -> None:
    """Beside the weights, which are there once, in four fifths of the memory; never none, never hundreds."""
    assert processes_that_fit(WEIGHTS, ram_gb * 1_000_000_000) == count
