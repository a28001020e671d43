"""Telling the C library which memory to keep for the next call and which to give back."""

from __future__ import annotations

import asyncio
import ctypes
import sys
from typing import Any

# From glibc's malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8

# Threads rarely want memory at the same moment, and what one leaves behind another can use.
ARENAS = 1
# Blocks below this are used again by the next call; fetched from the system each time, they would cost a page
# fault for every 4 KiB. More than this is given back, which a call must not do and undo either. The few above
# it are the largest of a call, which tear the largest holes.
LARGE_BYTES = 8 << 20
SPARE_BYTES = 32 << 20
# What lies idle between blocks that are in use is given back so often; it takes some 15 ms.
GIVE_BACK_S = 2.0


def keep_memory_small() -> bool:
    """One arena, and a bound on what lies idle; False where the C library is not glibc.

    Must come before the first worker thread. `docs/benchmarks.md` has what other bounds cost.
    """
    mallopt = _glibc("mallopt")
    if mallopt is None:
        return False
    settings = {M_ARENA_MAX: ARENAS, M_MMAP_THRESHOLD: LARGE_BYTES, M_TRIM_THRESHOLD: SPARE_BYTES}
    taken = [mallopt(option, value) == 1 for option, value in settings.items()]
    return all(taken)


async def give_memory_back(every_s: float = GIVE_BACK_S) -> None:
    """Now and then give back all that lies idle, until cancelled; without glibc nothing is done."""
    trim = _glibc("malloc_trim")
    while trim is not None:
        await asyncio.sleep(every_s)
        await asyncio.to_thread(trim, 0)


def _glibc(name: str) -> Any:
    """A function of glibc; None where there is none."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform.startswith("linux") else None
