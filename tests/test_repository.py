"""What a clone must and must not contain."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "requirements-dev.lock")

# Written in pieces, so that this file does not match itself.
REGISTRY_HOSTS = ("py" + r"pi\.org", "python" + r"hosted\.org", "npm" + r"js\.(org|com)", "deb" + r"ian\.org")
INDEX_OPTIONS = ("--index" + "-url", "--extra-index" + "-url", "--find" + "-links", "--trusted" + "-host")
MACHINE_PATHS = (
    r"(?<![\w.-])/wo" + r"rk/",
    r"(?<![\w.-])/ro" + r"ot/",
    r"/ho" + r"me/\w",
    r"/Us" + r"ers/\w",
)
FORBIDDEN = re.compile("|".join((*REGISTRY_HOSTS, *INDEX_OPTIONS, *MACHINE_PATHS)))

REQUIREMENT = re.compile(r"^[a-z0-9][a-z0-9._-]*==\S+", re.IGNORECASE)
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}")


def tracked_files() -> list[Path]:
    """What git tracks and the working tree still has."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, check=True, capture_output=True, text=True
    )
    return [path for name in listing.stdout.split("\0") if name and (path := REPOSITORY / name).is_file()]


def test_nothing_is_bound_to_one_machine_or_registry() -> None:
    """No tracked file names a registry host, an index option or a path of somebody's machine."""
    found = [
        f"{path.relative_to(REPOSITORY)}:{number}: {line.strip()}"
        for path in tracked_files()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if FORBIDDEN.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_requirement_has_a_version_and_hashes(name: str) -> None:
    """A lock file is nothing but exact versions, each followed by its digests."""
    lines = (REPOSITORY / name).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not (REQUIREMENT.match(line) or HASH.match(line))] == []
    unhashed = [
        a for a, b in zip(lines, [*lines[1:], ""], strict=True) if REQUIREMENT.match(a) and not HASH.match(b)
    ]
    assert unhashed == []


def test_the_development_lock_extends_the_runtime_lock() -> None:
    """Tests run against exactly the versions that users get."""
    runtime, dev = (
        {line.partition(" ")[0] for line in (REPOSITORY / name).read_text(encoding="utf-8").splitlines()}
        for name in LOCKS
    )
    assert {line for line in runtime - dev if REQUIREMENT.match(f"{line} \\")} == set()


def test_nothing_large_is_tracked() -> None:
    """Models and recordings come from packages, never from the repository."""
    assert [path.name for path in tracked_files() if path.stat().st_size > 500_000] == []
