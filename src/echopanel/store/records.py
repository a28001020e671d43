"""The bytes of a source's journal: a file header, then records, each a stretch of s16le mono PCM.

All integers are little-endian.

    file header, 24 bytes                        record, 20 bytes + 2 * count
    0   8s   89 45 50 4A 0D 0A 1A 0A             0   4s   "EPr" 01
    8   u16  version, 1                          4   u64  start: index of the first sample
    10  u16  0                                   12  u32  count of samples, 1 .. 65,536
    12  u32  sample rate, 16,000                 16  u32  CRC-32 of bytes 0-15 and the PCM
    16  u32  salt, random                        20  s16  PCM
    20  u32  CRC-32 of bytes 0-19

Records stand in the order of their samples and never overlap; a record may start later than the one
before it ended (a hole in the timeline). A record counts when it is whole, its CRC fits and it starts
no earlier than the last one that counted ended. What does not count is stepped over by looking for the
next record that does; what lies behind the last one is a torn tail, to be cut.

The record's CRC-32 starts from the salt instead of 0 (the idea is that of SQLite's write-ahead log), so a
record counts in its own file only: neither a stale disk block of a deleted journal that a power cut
brings back, nor bytes that a client made to look like a record, can pass for one.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from echopanel.audio import SAMPLE_BYTES, SAMPLE_RATE
from echopanel.errors import AudioError, StoreError

VERSION = 1
MAX_SAMPLES = 65_536  # 4 s; bounds what a damaged count makes us read
MAX_INDEX = 1 << 62  # samples

_FILE_MAGIC = b"\x89EPJ\r\n\x1a\n"
_FILE = struct.Struct("<8sHHII")
_MAGIC = b"EPr\x01"
_HEAD = struct.Struct("<4sQI")
_CRC = struct.Struct("<I")

HEADER_SIZE = _FILE.size + _CRC.size
RECORD_OVERHEAD = _HEAD.size + _CRC.size
_SEARCH_BYTES = 1 << 16


class OutOfOrder(StoreError):
    """Samples before `expected`, the next one to append: the caller should have trimmed them."""

    def __init__(self, start: int, expected: int) -> None:
        super().__init__(start, expected)
        self.start = start
        self.expected = expected

    def __str__(self) -> str:
        return f"sample {self.start} is before {self.expected}, the next to append; trim the overlap first"


class NotAJournal(StoreError):
    """A file header that is not of this format and version."""


@dataclass(frozen=True, slots=True)
class Record:
    """Samples `start` to `end` as s16le, found at byte `offset`."""

    start: int
    pcm: bytes
    offset: int

    @property
    def end(self) -> int:
        """Sample index just behind the last sample."""
        return self.start + len(self.pcm) // SAMPLE_BYTES

    @property
    def stop(self) -> int:
        """Byte just behind the record."""
        return self.offset + RECORD_OVERHEAD + len(self.pcm)


def encode_header(salt: int) -> bytes:
    """Return the file header for a journal whose CRCs start from `salt`, a u32."""
    head = _FILE.pack(_FILE_MAGIC, VERSION, 0, SAMPLE_RATE, salt)
    return head + _CRC.pack(zlib.crc32(head))


def decode_header(data: bytes) -> int | None:
    """Return the salt, or None for a header whose writing was interrupted (short or only zeros).

    Raises:
        NotAJournal: anything else that is not a header of this version.
    """
    data = data[:HEADER_SIZE]
    magic = data[: len(_FILE_MAGIC)]
    if not any(data) or (len(data) < HEADER_SIZE and _FILE_MAGIC.startswith(magic)):
        return None
    if magic != _FILE_MAGIC:
        raise NotAJournal("not a journal")
    head, (crc,) = data[: _FILE.size], _CRC.unpack_from(data, _FILE.size)
    if crc != zlib.crc32(head):
        raise NotAJournal("the file header is damaged")
    _, version, _, rate, salt = _FILE.unpack(head)
    if version != VERSION or rate != SAMPLE_RATE:
        raise NotAJournal(f"written in format {version} at {rate} Hz, not {VERSION} at {SAMPLE_RATE} Hz")
    return int(salt)


def encode(salt: int, start: int, pcm: bytes) -> bytes:
    """Return the record of `pcm`, 1 to `MAX_SAMPLES` samples of s16le."""
    head = _HEAD.pack(_MAGIC, start, len(pcm) // SAMPLE_BYTES)
    return b"".join((head, _CRC.pack(zlib.crc32(pcm, zlib.crc32(head, salt))), pcm))


def arrange(pieces: Iterable[tuple[int, bytes]], end: int) -> list[tuple[int, bytes]]:
    """Join neighbours and split what is too long, so that each result makes one record.

    Args:
        pieces: (sample index, s16le), in order; empty ones are left out.
        end: the first sample that may be written.

    Raises:
        OutOfOrder: a piece starts before `end` or before the one in front of it ended.
        AudioError: half a sample, or an index that is out of range.
    """
    runs: list[tuple[int, bytearray]] = []
    for start, pcm in pieces:
        if not pcm:
            continue
        if len(pcm) % SAMPLE_BYTES:
            raise AudioError(f"{len(pcm)} bytes are not whole 16-bit samples")
        if start > MAX_INDEX:
            raise AudioError(f"sample index {start} is beyond {MAX_INDEX}")
        if start < end:
            raise OutOfOrder(start, end)
        if not runs or start > end:
            runs.append((start, bytearray()))
        runs[-1][1].extend(pcm)
        end = start + len(pcm) // SAMPLE_BYTES
    step = MAX_SAMPLES * SAMPLE_BYTES
    return [
        (start + at // SAMPLE_BYTES, bytes(pcm[at : at + step]))
        for start, pcm in runs
        for at in range(0, len(pcm), step)
    ]


def scan(file: BinaryIO, salt: int, base: int = 0) -> Iterator[Record]:
    """Yield the records that count, from the file's position on; `base` is added to their offsets."""
    end = 0
    offset: int | None = file.tell()
    while offset is not None:
        record = _read(file, salt, offset)
        if record is None or record.start < end:
            offset = _find(file, offset + 1)
            continue
        yield Record(record.start, record.pcm, base + offset)
        end, offset = record.end, record.stop


def _read(file: BinaryIO, salt: int, offset: int) -> Record | None:
    """Read the record at the file's position, which is `offset`; None when it does not count."""
    head = file.read(RECORD_OVERHEAD)
    if len(head) < RECORD_OVERHEAD or not head.startswith(_MAGIC):
        return None
    _, start, count = _HEAD.unpack_from(head)
    (crc,) = _CRC.unpack_from(head, _HEAD.size)
    if not 0 < count <= MAX_SAMPLES:
        return None
    pcm = file.read(count * SAMPLE_BYTES)
    whole = len(pcm) == count * SAMPLE_BYTES
    fits = whole and crc == zlib.crc32(pcm, zlib.crc32(head[: _HEAD.size], salt))
    return Record(start, pcm, offset) if fits else None


def _find(file: BinaryIO, offset: int) -> int | None:
    """Put the file's position on the next record magic at or behind `offset`; None when there is none."""
    file.seek(offset)
    window = b""
    while part := file.read(_SEARCH_BYTES):
        window += part
        found = window.find(_MAGIC)
        if found >= 0:
            file.seek(offset + found)
            return offset + found
        keep = window[1 - len(_MAGIC) :]
        offset += len(window) - len(keep)
        window = keep
    return None
