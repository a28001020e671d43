"""Limits of control groups, versions 1 and 2: what a container may use of its host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/")
_MOUNT = "sys/fs/cgroup"


def memory_limit(root: Path = ROOT) -> int | None:
    """Most bytes of memory that this process and its like may take; None: no limit is set."""
    limits = [
        int(text)
        for folder in _folders(root, "memory")
        for name in ("memory.max", "memory.limit_in_bytes")
        if (text := _read(folder / name)).isdigit()
    ]
    return min(limits, default=None)


def cpu_limit(root: Path = ROOT) -> float | None:
    """Most cores' worth of time that this process and its like may take; None: no limit is set."""
    shares = [share for folder in _folders(root, "cpu") if (share := _share(folder)) is not None]
    return min(shares, default=None)


def _share(folder: Path) -> float | None:
    """Quota over period; version 2 has both in one file, version 1 has -1 where there is no limit."""
    quota, _, period = _read(folder / "cpu.max").partition(" ")
    if not quota:
        quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
    if not (quota.isdigit() and period.isdigit() and int(period)):
        return None
    return int(quota) / int(period)


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """The directories whose limits hold for this process: its own group and all groups around it.

    Inside a container the named path often does not exist and the mount is the container's own group, so
    every ancestor that is there counts.
    """
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        mounts = (
            (f"{_MOUNT}/{controllers}", f"{_MOUNT}/{controller}")
            if controllers
            else (_MOUNT, f"{_MOUNT}/unified")
        )
        inside = PurePosixPath(path.lstrip("/"))
        for mount in mounts:
            for group in (inside, *inside.parents):
                yield root / mount / group


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
