"""How long this process had to wait for a processor: a call that waits is slow, and does not hang."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TASKS = Path("/proc/self/task")


@dataclass(frozen=True, slots=True)
class Turns:
    """Seconds that threads ran, and that they were ready and did not run; sums over threads."""

    ran: float = 0.0
    waited: float = 0.0


def turns(tasks: Path = TASKS, but: int | None = None) -> Turns:
    """Of all threads of this process since they began; zeros where nobody knows.

    Args:
        tasks: where the system tells of them.
        but: the thread that does not count; by default the main one, which recognises nothing.
    """
    left_out = str(os.getpid() if but is None else but)
    ran = waited = 0
    with suppress(OSError):
        for thread in tasks.iterdir():
            # A thread may end meanwhile; the figures are nanoseconds.
            with suppress(OSError, ValueError, IndexError):
                if thread.name != left_out:
                    first, second = (thread / "schedstat").read_text(encoding="ascii").split()[:2]
                    ran, waited = ran + int(first), waited + int(second)
    return Turns(ran / 1e9, waited / 1e9)
