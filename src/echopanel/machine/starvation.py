"""How long this process had to wait for a processor: a call that waits is slow, and does not hang."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

TASKS = Path("/proc/self/task")


def waited_s(tasks: Path = TASKS) -> float:
    """Seconds that the threads of this process were ready and did not run, in all; 0.0 where nobody knows."""
    waited = 0
    with suppress(OSError):
        for thread in tasks.iterdir():
            # A thread may end meanwhile; the second figure is its delay in nanoseconds.
            with suppress(OSError, ValueError, IndexError):
                waited += int((thread / "schedstat").read_text(encoding="ascii").split()[1])
    return waited / 1e9
