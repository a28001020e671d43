"""The processor: how many cores this process may use, and which instructions they have."""

from __future__ import annotations

import math
import os
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

from echopanel.machine.cgroup import ROOT, cpu_limit

# Our name, and what Linux calls it on x86 and on ARM.
_FLAGS = (
    ("AVX2", {"avx2"}),
    ("AVX512", {"avx512f"}),
    ("VNNI", {"avx512_vnni", "avx_vnni"}),
    ("NEON", {"neon", "asimd"}),
)
_NAMES = ("model name", "Model", "Hardware")


def available_cores(root: Path = ROOT) -> int:
    """Cores this process may run on: its affinity, or the processor quota of its container, rounded up."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_limit(root)
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def processor_name(root: Path = ROOT) -> str:
    """What the processor calls itself, or its architecture."""
    facts = _cpuinfo(root)
    known = [facts[name] for name in _NAMES if facts.get(name)]
    return known[0] if known else sysctl("machdep.cpu.brand_string") or platform.machine()


def instruction_sets(root: Path = ROOT, ask: Callable[[str], str] | None = None) -> tuple[str, ...]:
    """Which of AVX2, AVX512, VNNI and NEON there are.

    Args:
        root: where /proc is.
        ask: macOS's `sysctl -n`, for Macs, which have no /proc; every Apple processor has NEON.
    """
    facts = _cpuinfo(root)
    have = set(f"{facts.get('flags', '')} {facts.get('Features', '')}".lower().split())
    if not facts:
        have = set((ask or sysctl)("machdep.cpu.leaf7_features").lower().split())
    if platform.machine() in ("arm64", "aarch64"):
        have.add("neon")
    return tuple(name for name, flags in _FLAGS if flags & have)


def sysctl(name: str) -> str:
    """A value of macOS's kernel; "" where there is none."""
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program with a name of ours
            ("/usr/sbin/sysctl", "-n", name), capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _cpuinfo(root: Path) -> dict[str, str]:
    """The facts of the first processor."""
    try:
        text = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    pairs = [line.partition(":") for line in text.splitlines() if ":" in line]
    return {name.strip(): value.strip() for name, _, value in reversed(pairs)}
