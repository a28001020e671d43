"""The C library is told to give memory back."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# Blocks of 1 MiB, of which every tenth stays; then what is resident, in MiB, before and after a while.
SCATTERED = """
import asyncio, os, numpy as np
from pathlib import Path
from echopanel.server.memory import give_memory_back, keep_memory_small

def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20

async def main() -> None:
    giving = asyncio.create_task(give_memory_back(0.001))
    async with asyncio.timeout(20):
        while resident() > before - 100:
            await asyncio.sleep(0.001)
    giving.cancel()

keep_memory_small()
blocks = [np.ones(1 << 17) for _ in range(200)]
kept = blocks[::10]
del blocks
before = resident()
asyncio.run(main())
print(before, resident(), sum(float(block.sum()) for block in kept) == 20 * (1 << 17))
"""


def has_glibc() -> bool:
    """Whether the C library is glibc."""
    known = "CS_GNU_LIBC_VERSION" in os.confstr_names
    return sys.platform.startswith("linux") and known and bool(os.confstr("CS_GNU_LIBC_VERSION"))


def test_the_c_library_takes_the_settings() -> None:
    """Where it is glibc, it accepts all of them; elsewhere nothing happens. In a process of its own."""
    program = "from echopanel.server.memory import keep_memory_small; print(keep_memory_small())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(has_glibc())


@pytest.mark.skipif(not has_glibc(), reason="only glibc can be told to")
def test_what_lies_idle_is_given_back() -> None:
    """Also between blocks that are in use."""
    done = subprocess.run([sys.executable, "-c", SCATTERED], capture_output=True, text=True, check=True)
    before, after, whole = done.stdout.split()
    assert whole == "True"
    assert int(after) <= int(before) - 100
