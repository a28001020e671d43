"""Disks that can be filled and freed again: a real small one where mounting is allowed, a limit anywhere."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

PAGE = 4_096


class LimitedDisk:
    """Any directory, where no file of this process may grow beyond the largest by more than `room`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def full(self, room: int) -> Iterator[None]:
        """The kernel writes what fits, then refuses with EFBIG, as it does with ENOSPC on a full disk."""
        largest = max((path.stat().st_size for path in self.root.rglob("*") if path.is_file()), default=0)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest + room, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class SmallDisk:
    """A mounted tmpfs of a few hundred kilobytes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def full(self, room: int) -> Iterator[None]:
        """Another file takes the space; what is left is rounded up to pages."""
        ballast = self.root / "ballast"
        with ballast.open("wb", buffering=0) as file:
            # Until nothing fits: a server that writes at the same time makes any number counted before wrong.
            with suppress(OSError):
                while True:
                    file.write(bytes(PAGE))
            file.truncate(max(file.tell() - -(-room // PAGE) * PAGE, 0))
        try:
            yield
        finally:
            ballast.unlink()


class RefusingDisk:
    """Any directory, while no file of this process can be written at an offset, as those of the store are."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def full(self, _: int = 0) -> Iterator[None]:
        """Nothing fits."""
        with self.refusing(errno.ENOSPC):
            yield

    @contextmanager
    def refusing(self, code: int) -> Iterator[None]:
        """Writes end with the error `code`."""
        with patch("os.pwrite", side_effect=OSError(code, os.strerror(code))):
            yield


@contextmanager
def limited_disk(directory: Path) -> Iterator[LimitedDisk]:
    """A directory with a limit."""
    yield LimitedDisk(directory)


@contextmanager
def small_disk(directory: Path) -> Iterator[SmallDisk]:
    """A tmpfs mounted on `directory`."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", directory], check=True)
    try:
        yield SmallDisk(directory)
    finally:
        subprocess.run(["umount", "-l", directory], check=True)


@contextmanager
def refusing_disk(directory: Path) -> Iterator[RefusingDisk]:
    """A directory that refuses when told to."""
    yield RefusingDisk(directory)


Disk = LimitedDisk | SmallDisk


@cache
def can_mount() -> bool:
    """Whether this user and this container may mount."""
    with TemporaryDirectory() as directory:
        try:
            with small_disk(Path(directory)):
                return True
        except (subprocess.CalledProcessError, FileNotFoundError):
            return False
