"""Audio whose every sample tells its place, and files that fail on demand."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from echopanel.audio import AudioFrame, Source
from echopanel.store.disk import DiskFile, disk_errors
from echopanel.store.source_journal import SourceJournal

SESSION = "0123456789abcdef"


def tone(start: int, count: int) -> bytes:
    """Samples `start` to `start + count` of an endless signal that repeats after 65,521 samples, as s16le."""
    return (
        ((np.arange(start, start + count, dtype=np.int64) * 7919) % 65_521 - 32_768).astype("<i2").tobytes()
    )


def frame(start: int, count: int, source: Source = Source.MIC) -> AudioFrame:
    """A frame of `tone`."""
    return AudioFrame(source, start, tone(start, count))


def is_tone(journal: SourceJournal) -> bool:
    """Whether exactly the ranges it claims can be read, and hold the right samples."""
    expected = [(start, tone(start, end - start)) for start, end in journal.ranges()]
    return journal.read(0, journal.end) == expected


@dataclass
class Faults:
    """What shall go wrong: `writable` bytes fit before a write is cut short, and errors by operation."""

    writable: int | None = None
    errors: dict[str, int] = field(default_factory=dict)


class FaultyFile(DiskFile):
    """A file whose operations fail as `faults` says, in the middle of a write too."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.faults = Faults()

    def write(self, offset: int, data: bytes) -> None:
        self._fail("write")
        room = self.faults.writable
        super().write(offset, data if room is None else data[:room])
        if room is not None:
            self.faults.writable = max(room - len(data), 0)
            if room < len(data):
                self._raise(errno.ENOSPC)

    def truncate(self, size: int) -> None:
        self._fail("truncate")
        super().truncate(size)

    def sync(self) -> None:
        self._fail("sync")
        super().sync()

    def _fail(self, operation: str) -> None:
        if operation in self.faults.errors:
            self._raise(self.faults.errors[operation])

    def _raise(self, code: int) -> None:
        with disk_errors(self.path):
            raise OSError(code, os.strerror(code))


@contextmanager
def unprivileged() -> Iterator[None]:
    """Make the permission bits count, for root too."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)
