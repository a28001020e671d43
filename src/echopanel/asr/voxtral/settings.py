"""What the provider `voxtral` can be told, and how many of its processes a machine carries."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

# Key-value caches and scratch memory of one process; the weights are shared, in the page cache.
PROCESS_BYTES = 1_100_000_000
RAM_SHARE = 0.8
MOST_PROCESSES = 32
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True, slots=True)
class VoxtralSettings:
    """`bin` is the program's name or path, `model` its model directory; times in seconds.

    `interval_s`: new audio that the encoder waits for. `max_processes`: None for as many as the memory holds.
    `load_s`: how long a process may take until it hears. `hang_s`: how long it may go without reading.
    """

    bin: str = "voxtral"
    model: Path | None = None
    interval_s: float = 0.5
    max_processes: int | None = None
    load_s: float = 120.0
    hang_s: float = 10.0


def processes_that_fit(weights_bytes: int, ram_bytes: int) -> int:
    """How many processes hold in memory beside the weights; one is always tried."""
    room = RAM_SHARE * ram_bytes - weights_bytes
    return max(1, min(MOST_PROCESSES, int(room // PROCESS_BYTES)))


def ram_bytes(cgroup_limit: Path = CGROUP_LIMIT) -> int:
    """Memory that this process may use: that of the machine, or of its container."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        return min(machine, int(cgroup_limit.read_text()))
    except (OSError, ValueError):  # no cgroup, or `max`
        return machine
