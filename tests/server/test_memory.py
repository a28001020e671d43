"""The C library is told to give memory back."""

from __future__ import annotations

import os
import subprocess
import sys


def test_the_c_library_takes_the_settings() -> None:
    """Where it is glibc, it accepts all of them; elsewhere nothing happens. In a process of its own."""
    program = "from echopanel.server.memory import keep_memory_small; print(keep_memory_small())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    glibc = sys.platform.startswith("linux") and bool(_libc_version())
    assert done.stdout.strip() == str(glibc)


def _libc_version() -> str:
    return os.confstr("CS_GNU_LIBC_VERSION") or "" if "CS_GNU_LIBC_VERSION" in os.confstr_names else ""
