"""The seam to the file system: errors that say what to do, files written at explicit offsets, a lock."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Self

from echopanel.errors import StoreError


class Trouble(StrEnum):
    """What is wrong with the store."""

    NO_SPACE = "no_space"  # appends work again once there is room
    QUOTA = "quota"  # likewise, once sessions are deleted
    READ_ONLY = "read_only"
    DENIED = "denied"
    MISSING = "missing"
    IN_USE = "in_use"
    DAMAGED = "damaged"
    IO = "io"


REMEDY = {
    Trouble.NO_SPACE: "free some disk space",
    Trouble.QUOTA: "end or delete sessions, or raise the journal's quota",
    Trouble.READ_ONLY: "remount the file system for writing, or choose another data directory",
    Trouble.DENIED: "give the server's user write access, or choose another data directory",
    Trouble.MISSING: "do not remove files below the data directory while the server runs",
    Trouble.IN_USE: "stop the other server, or choose another data directory",
    Trouble.DAMAGED: "move the file away to go on without it",
    Trouble.IO: "check the disk and the system log",
}

_TROUBLE = {
    errno.ENOSPC: Trouble.NO_SPACE,
    errno.EDQUOT: Trouble.NO_SPACE,
    errno.EFBIG: Trouble.NO_SPACE,
    errno.EROFS: Trouble.READ_ONLY,
    errno.EACCES: Trouble.DENIED,
    errno.EPERM: Trouble.DENIED,
    errno.ENOENT: Trouble.MISSING,
    errno.ENOTDIR: Trouble.MISSING,
}


class DiskError(StoreError):
    """The disk refused; `trouble` is the kind, `detail` the reason in words, `path` where."""

    def __init__(self, path: Path, trouble: Trouble, detail: str) -> None:
        super().__init__(path, trouble, detail)
        self.path = path
        self.trouble = trouble
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.path}: {self.detail}; {REMEDY[self.trouble]}"


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn `OSError` into `DiskError`."""
    try:
        yield
    except OSError as error:
        trouble = _TROUBLE.get(error.errno or 0, Trouble.IO)
        raise DiskError(path, trouble, error.strerror or str(error)) from error


class DiskFile:
    """A file read and written at explicit offsets, unbuffered: what was written survives the process.

    Every method raises `DiskError`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with disk_errors(path):
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @property
    def size(self) -> int:
        """Bytes in the file."""
        with disk_errors(self.path):
            return os.fstat(self._fd).st_size

    def read(self, offset: int, count: int) -> bytes:
        """Read up to `count` bytes; fewer only at the end of the file."""
        parts: list[bytes] = []
        with disk_errors(self.path):
            while count and (part := os.pread(self._fd, count, offset)):
                parts.append(part)
                offset += len(part)
                count -= len(part)
        return b"".join(parts)

    def write(self, offset: int, data: bytes) -> None:
        """Write all of `data`; after an error any part of it may be in the file."""
        rest = memoryview(data)
        with disk_errors(self.path):
            if not os.fstat(self._fd).st_nlink:  # the kernel would take it, and forget it when we end
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            while rest:
                written = os.pwrite(self._fd, rest, offset)
                offset += written
                rest = rest[written:]

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes."""
        with disk_errors(self.path):
            os.ftruncate(self._fd, size)

    def sync(self) -> None:
        """Return when what was written is on the medium."""
        with disk_errors(self.path):
            _flush(self._fd)

    def close(self) -> None:
        """Close; harmless when closed already."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def identity(path: Path) -> tuple[int, int]:
    """Which file is at `path`: another one with the same name is told from it. Raises `DiskError`."""
    with disk_errors(path):
        stat = path.stat()
    return stat.st_dev, stat.st_ino


def _flush(fd: int) -> None:
    if sys.platform == "darwin":  # there, fsync leaves the data in the drive's cache: man 2 fsync
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(fd)


def sync_directory(path: Path) -> None:
    """Make created, renamed and removed names in `path` survive a power cut. Raises `DiskError`."""
    with disk_errors(path):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


class ProcessLock:
    """Keeps a second process out of a directory; the kernel releases it however this process ends.

    Raises:
        DiskError: another process holds it (`IN_USE`), or the directory cannot be written.
    """

    def __init__(self, path: Path) -> None:
        with disk_errors(path):
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # POSIX locks are not inherited: a recogniser's child process cannot keep one beyond our death.
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.release()
            raise DiskError(path.parent, Trouble.IN_USE, "another process uses this directory") from error

    def release(self) -> None:
        """Let others in; harmless when released already."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
