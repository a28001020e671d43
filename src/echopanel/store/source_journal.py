"""One source's audio in one append-only file that survives a crash at any instant (format: `records`)."""

from __future__ import annotations

import io
import secrets
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from echopanel.audio import SAMPLE_BYTES, to_seconds
from echopanel.store import records
from echopanel.store.disk import DiskError, DiskFile, Trouble, disk_errors, sync_directory
from echopanel.store.fsync import FsyncPolicy

Piece = tuple[int, bytes]  # sample index, s16le

INDEX_STEP = 1 << 16  # bytes of file per index entry: 2 s of audio, so two hours take 58 kB of memory
_COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Recovery:
    """What opening found: whole records, bytes of torn tail cut off, damaged bytes stepped over.

    `damaged` are the samples (start, end) that those bytes may have held: they were here, and are lost.
    """

    records: int = 0
    cut_bytes: int = 0
    damaged_bytes: int = 0
    damaged: tuple[tuple[int, int], ...] = ()


class Index:
    """Which samples are where: a file offset every `INDEX_STEP` bytes, and the contiguous ranges."""

    def __init__(self) -> None:
        self._starts = array("Q")
        self._offsets = array("Q")
        self._range_starts = array("Q")
        self._range_ends = array("Q")

    @property
    def end(self) -> int:
        """Sample index just behind the last sample; 0 when there is none."""
        return self._range_ends[-1] if self._range_ends else 0

    @property
    def count(self) -> int:
        """Number of samples."""
        return sum(self._range_ends) - sum(self._range_starts)

    def note(self, start: int, end: int, offset: int) -> None:
        """Take in the record of samples `start` to `end` at byte `offset`."""
        if not self._offsets or offset - self._offsets[-1] >= INDEX_STEP:
            self._starts.append(start)
            self._offsets.append(offset)
        if self._range_ends and start == self._range_ends[-1]:
            self._range_ends[-1] = end
        else:
            self._range_starts.append(start)
            self._range_ends.append(end)

    def span(self, start: int, end: int, size: int) -> tuple[int, int]:
        """Bytes of the file, from a record's first to a record's last, that hold samples `start` to `end`."""
        first = max(bisect_right(self._starts, start) - 1, 0)
        last = bisect_left(self._starts, end)
        if first >= last:
            return size, size
        return self._offsets[first], self._offsets[last] if last < len(self._offsets) else size

    def ranges(self) -> list[tuple[int, int]]:
        """Return the contiguous (start, end) in samples, in order."""
        return list(zip(self._range_starts, self._range_ends, strict=True))


class SourceJournal:
    """The journal of one source, to be used from one thread at a time.

    A failed append leaves everything as it was, in the file too, and may be repeated. The methods that
    touch the file raise `DiskError`.
    """

    def __init__(self, file: DiskFile, policy: FsyncPolicy) -> None:
        self.policy = policy
        self.recovery = Recovery()
        self._file = file
        self._index = Index()
        self._salt = self._read_header()
        self._size = records.HEADER_SIZE
        self._staged: list[Piece] = []
        self._staged_bytes = 0
        self._recover()
        self._synced = records.HEADER_SIZE
        self._tail_clean = True
        self._sync_failed = False

    @classmethod
    def open(cls, path: Path, policy: FsyncPolicy = FsyncPolicy.INTERVAL) -> Self:
        """Open or create the journal at `path`; cut a torn tail and index the rest.

        Raises:
            DiskError: `DAMAGED` when the file is something else, which is left as it is.
        """
        file = DiskFile(path)
        try:
            return cls(file, policy)
        except BaseException:
            file.close()
            raise

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._file.path

    @property
    def end(self) -> int:
        """The next sample to append: just behind the last one."""
        return self._index.end

    @property
    def count(self) -> int:
        """Number of samples."""
        return self._index.count

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return self._size

    @property
    def unsynced(self) -> int:
        """Bytes appended, and perhaps not on the medium yet."""
        return self._size - self._synced

    def ranges(self) -> list[tuple[int, int]]:
        """Return the contiguous (start, end) in samples that are here, in order."""
        return self._index.ranges()

    def append(self, start: int, pcm: bytes) -> None:
        """Append the s16le `pcm` whose first sample is `start`; see `append_many`."""
        self.append_many([(start, pcm)])

    def append_many(self, pieces: Iterable[Piece]) -> None:
        """Append (start, s16le) pieces in one write, all or none.

        Raises:
            OutOfOrder: a piece starts before the samples in front of it end.
            AudioError: half a sample.
        """
        self.stage(pieces)
        self.commit()

    def stage(self, pieces: Iterable[Piece], room: int | None = None) -> int:
        """Write pieces that count only after `commit`; return their bytes, which must fit in `room` if given.

        Raises:
            OutOfOrder, AudioError: as for `append_many`.
        """
        pieces = records.arrange(pieces, self.end)
        data = b"".join(records.encode(self._salt, start, pcm) for start, pcm in pieces)
        if room is not None and len(data) > room:
            raise DiskError(self.path, Trouble.QUOTA, "the journal's quota is used up")
        try:
            self._clean_tail()
            self._tail_clean = False
            self._file.write(self._size, data)
        except DiskError:
            self._roll_back()
            raise
        self._staged, self._staged_bytes = pieces, len(data)
        return len(data)

    def commit(self) -> None:
        """Make the staged pieces count; under `always` when they are on the medium."""
        try:
            if self.policy is FsyncPolicy.ALWAYS and self._staged:
                self._file.sync()
                self._synced = self._size + self._staged_bytes
        except DiskError:
            self._roll_back()
            raise
        offset = self._size
        for start, pcm in self._staged:
            self._index.note(start, start + len(pcm) // SAMPLE_BYTES, offset)
            offset += records.RECORD_OVERHEAD + len(pcm)
        self._size = offset
        self._staged, self._staged_bytes = [], 0
        self._tail_clean = True

    def sync(self) -> None:
        """Force what was appended to the medium; a sync that failed may be repeated."""
        if not self.unsynced:
            return
        if self._sync_failed:
            # A failed fsync marks the pages clean, and the next one succeeds without them: dirty them again.
            for offset in range(self._synced, self._size, _COPY_BYTES):
                self._file.write(offset, self._file.read(offset, min(_COPY_BYTES, self._size - offset)))
        self._sync_failed = True
        self._file.sync()
        self._sync_failed = False
        self._synced = self._size

    def read(self, start: int, end: int) -> list[Piece]:
        """Return what there is of the samples `start` to `end`, one piece per contiguous stretch.

        A record that got damaged since is left out, so compare with `ranges` to see what is missing.
        """
        low, high = self._index.span(start, end, self._size)
        pieces: list[tuple[int, bytearray]] = []
        expected = -1
        for record in records.scan(io.BytesIO(self._file.read(low, high - low)), self._salt, low):
            first, last = max(record.start, start), min(record.end, end)
            if first >= last:
                continue
            if first != expected:
                pieces.append((first, bytearray()))
            pieces[-1][1].extend(_samples(record, first, last))
            expected = last
        return [(at, bytes(pcm)) for at, pcm in pieces]

    def close(self) -> None:
        """Close the file; harmless when closed already."""
        self._file.close()

    def _read_header(self) -> int:
        try:
            salt = records.decode_header(self._file.read(0, records.HEADER_SIZE))
        except records.NotAJournal as error:
            raise DiskError(self.path, Trouble.DAMAGED, str(error)) from error
        return self._create() if salt is None else salt

    def _create(self) -> int:
        salt = secrets.randbits(32)
        cut = self._file.size
        self._file.truncate(0)
        self._file.write(0, records.encode_header(salt))
        if self.policy is not FsyncPolicy.NONE:
            self._file.sync()
            sync_directory(self.path.parent)
        self.recovery = Recovery(cut_bytes=cut)
        return salt

    def _recover(self) -> None:
        count = kept = 0
        damaged: list[tuple[int, int]] = []
        with disk_errors(self.path), self.path.open("rb", _COPY_BYTES) as file:
            file.seek(self._size)
            for record in records.scan(file, self._salt):
                if record.offset > self._size and record.start > self.end:
                    damaged.append((self.end, record.start))
                self._index.note(record.start, record.end, record.offset)
                self._size = record.stop
                count += 1
                kept += record.stop - record.offset
        cut = self._file.size - self._size
        if cut:
            self._file.truncate(self._size)
        lost = self._size - records.HEADER_SIZE - kept
        self.recovery = Recovery(count, self.recovery.cut_bytes + cut, lost, tuple(damaged))

    def _clean_tail(self) -> None:
        if not self._tail_clean:
            self._file.truncate(self._size)
            self._tail_clean = True

    def _roll_back(self) -> None:
        self._staged, self._staged_bytes = [], 0
        # If even this fails, the next append tries it again first, and opening cuts the torn tail.
        with suppress(DiskError):
            self._clean_tail()

    def __repr__(self) -> str:
        return (
            f"<SourceJournal {self.path.name} [{to_seconds(self.count):.1f}s in {len(self.ranges())} ranges, "
            f"{self._size} bytes, {self.unsynced} unsynced]>"
        )


def _samples(record: records.Record, first: int, last: int) -> bytes:
    return record.pcm[(first - record.start) * SAMPLE_BYTES : (last - record.start) * SAMPLE_BYTES]
