"""What the provider `voxtral` can be told, and how many of its processes a machine carries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# Key-value caches and scratch memory of one process; the weights are shared, in the page cache.
PROCESS_BYTES = 1_100_000_000
RAM_SHARE = 0.8
MOST_PROCESSES = 32


@dataclass(frozen=True, slots=True)
class VoxtralSettings:
    """`bin` is the program's name or path, `model` its model directory; times in seconds.

    `interval_s`: new audio that the encoder waits for. `max_processes`: None for as many as `ram_bytes` hold.
    `load_s`: how long a process may take until it hears. `hang_s`: how long it may go without reading.
    """

    bin: str = "voxtral"
    model: Path | None = None
    interval_s: float = 0.5
    max_processes: int | None = None
    ram_bytes: int = 16_000_000_000
    load_s: float = 120.0
    hang_s: float = 10.0


def processes_that_fit(weights_bytes: int, ram_bytes: int) -> int:
    """How many processes hold in memory beside the weights; one is always tried."""
    room = RAM_SHARE * ram_bytes - weights_bytes
    return max(1, min(MOST_PROCESSES, int(room // PROCESS_BYTES)))
