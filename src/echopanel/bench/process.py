"""What another process costs: CPU seconds and resident memory."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from echopanel.errors import EchoPanelError

PROC = Path("/proc")
MB = 2**20
_PS_TIME = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds of all threads since the process began, and megabytes (2**20) in memory."""

    cpu_s: float
    rss_mb: float


@dataclass(frozen=True, slots=True)
class Sample:
    """A reading at a time, in seconds on the driver's clock."""

    at: float
    usage: Usage


def usage_of(pid: int, proc: Path = PROC) -> Usage:
    """Read a process's usage, from /proc where there is one, else from `ps`.

    Raises:
        EchoPanelError: there is no such process.
    """
    try:
        if proc.is_dir():
            return parse_proc((proc / str(pid) / "stat").read_text(), (proc / str(pid) / "statm").read_text())
        command = ("ps", "-o", "time=", "-o", "rss=", "-p", str(pid))
        return parse_ps(subprocess.run(command, capture_output=True, text=True, check=True).stdout)  # noqa: S603
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        raise EchoPanelError(f"process {pid} cannot be measured: {error}") from error


def parse_proc(stat: str, statm: str) -> Usage:
    """Usage from the two files of proc(5): `utime` and `stime` in clock ticks, resident pages."""
    fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
    ticks = int(fields[11]) + int(fields[12])
    pages = int(statm.split()[1])
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") / MB)


def parse_ps(line: str) -> Usage:
    """Usage from `ps -o time= -o rss=`: [[days-]hours:]minutes:seconds, kilobytes."""
    time, rss = line.split()
    match = _PS_TIME.fullmatch(time)
    if match is None:
        raise ValueError(f"{time!r} is no CPU time")
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return Usage(((days * 24 + hours) * 60 + minutes) * 60 + seconds, int(rss) / 1024)


async def watch(pid: int, samples: list[Sample], every: float = 1.0) -> None:
    """Append a sample now and then, until cancelled or the process has gone."""
    clock = asyncio.get_running_loop().time
    while True:
        try:
            samples.append(Sample(clock(), usage_of(pid)))
        except EchoPanelError:
            return
        await asyncio.sleep(every)


def slope_per_minute(samples: list[Sample]) -> float:
    """Megabytes a minute that memory grew by: least squares over the samples; 0 for fewer than two."""
    if len(samples) < 2:
        return 0.0
    times = [sample.at / 60 for sample in samples]
    sizes = [sample.usage.rss_mb for sample in samples]
    middle, mean = sum(times) / len(times), sum(sizes) / len(sizes)
    spread = sum((time - middle) ** 2 for time in times)
    return sum((time - middle) * (size - mean) for time, size in zip(times, sizes, strict=True)) / spread


def machine_cpu_s(proc: Path = PROC) -> float | None:
    """CPU seconds that all processes of this machine have used; None where there is no /proc/stat."""
    try:
        first = (proc / "stat").read_text().partition("\n")[0]
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq = (int(ticks) for ticks in first.split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
