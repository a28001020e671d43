"""Limits of containers, from the files that Linux shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from echopanel.machine.cgroup import cpu_limit, memory_limit
from echopanel.machine.detect import ram_bytes
from echopanel.machine.processor import available_cores

GIB = 2**30
NO_V1_LIMIT = 9_223_372_036_854_771_712  # what version 1 says where nothing is set


def host(root: Path, files: dict[str, str]) -> Path:
    """A file system with these files."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_without_control_groups_there_are_no_limits(tmp_path: Path) -> None:
    """As on macOS."""
    assert (memory_limit(tmp_path), cpu_limit(tmp_path)) == (None, None)


def test_version_2_limits_hold_from_all_groups_around(tmp_path: Path) -> None:
    """The tightest one counts, wherever it is set."""
    group = "sys/fs/cgroup/system.slice/echo.service"
    root = host(
        tmp_path,
        {
            "proc/self/cgroup": "0::/system.slice/echo.service\n",
            f"{group}/memory.max": "max\n",
            f"{group}/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/system.slice/memory.max": f"{2 * GIB}\n",
            "sys/fs/cgroup/system.slice/cpu.max": "max 100000\n",
        },
    )
    assert (memory_limit(root), cpu_limit(root)) == (2 * GIB, 1.5)


def test_a_container_sees_its_own_group_at_the_mount(tmp_path: Path) -> None:
    """The path that it is told is the host's, and not there."""
    root = host(
        tmp_path,
        {
            "proc/self/cgroup": "0::/docker/0123456789\n",
            "sys/fs/cgroup/memory.max": f"{GIB}\n",
            "sys/fs/cgroup/cpu.max": "50000 100000\n",
        },
    )
    assert (memory_limit(root), cpu_limit(root)) == (GIB, 0.5)


@pytest.mark.parametrize("mount", ["cpu,cpuacct", "cpu"])
def test_version_1_has_a_tree_for_each_controller(tmp_path: Path, mount: str) -> None:
    """Quota and period are files of their own; -1 is no limit."""
    root = host(
        tmp_path,
        {
            "proc/self/cgroup": "5:cpu,cpuacct:/jobs/7\n4:memory:/jobs/7\n0::/\n",
            "sys/fs/cgroup/memory/jobs/7/memory.limit_in_bytes": f"{3 * GIB}\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{NO_V1_LIMIT}\n",
            f"sys/fs/cgroup/{mount}/jobs/7/cpu.cfs_quota_us": "200000\n",
            f"sys/fs/cgroup/{mount}/jobs/7/cpu.cfs_period_us": "100000\n",
            f"sys/fs/cgroup/{mount}/cpu.cfs_quota_us": "-1\n",
            f"sys/fs/cgroup/{mount}/cpu.cfs_period_us": "100000\n",
        },
    )
    assert (memory_limit(root), cpu_limit(root)) == (3 * GIB, 2.0)


def test_unlimited_version_1_memory_is_what_is_built_in(tmp_path: Path) -> None:
    """Its huge number is larger than any machine."""
    root = host(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{NO_V1_LIMIT}\n",
        },
    )
    assert ram_bytes(root) == ram_bytes(tmp_path / "nothing here")


def test_memory_is_the_containers(tmp_path: Path) -> None:
    """A limit below what is built in."""
    root = host(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1000000\n"})
    assert ram_bytes(root) == 1_000_000


@pytest.mark.parametrize(
    ("quota", "cores"), [("20000 100000", 1), ("100000 100000", 1), ("max 100000", None)]
)
def test_cores_are_a_containers_quota_rounded_up(tmp_path: Path, quota: str, cores: int | None) -> None:
    """Never less than one, never more than there are."""
    root = host(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": quota})
    assert available_cores(root) == (cores or available_cores(tmp_path / "nothing here"))
