"""The journal's bytes: what counts as a record, and what does not."""

from __future__ import annotations

import io
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.audio import SAMPLE_BYTES
from echopanel.errors import AudioError
from echopanel.store import records
from tests.helpers.journals import tone

SALT = 0xC0FFEE


def scanned(data: bytes, salt: int = SALT) -> list[tuple[int, bytes]]:
    """What counts in `data`."""
    return [(record.start, record.pcm) for record in records.scan(io.BytesIO(data), salt)]


def test_file_header_is_as_documented() -> None:
    """Magic, version, zero, rate, salt and the checksum stand where the module says."""
    header = records.encode_header(0x01020304)
    assert header == (
        bytes.fromhex("8945504A0D0A1A0A" + "0100" + "0000" + "803E0000" + "04030201")
        + zlib.crc32(header[:20]).to_bytes(4, "little")
    )
    assert len(header) == records.HEADER_SIZE


def test_record_is_as_documented() -> None:
    """Magic, start, count, salted checksum and samples stand where the module says."""
    record = records.encode(SALT, 5, b"\x01\x02\x03\x04")
    head = b"EPr\x01" + bytes.fromhex("0500000000000000" + "02000000")
    assert (
        record
        == head + zlib.crc32(head + b"\x01\x02\x03\x04", SALT).to_bytes(4, "little") + b"\x01\x02\x03\x04"
    )


@given(salt=st.integers(0, 2**32 - 1), extra=st.binary(max_size=8))
def test_header_gives_the_salt_back(salt: int, extra: bytes) -> None:
    """What follows the header does not matter."""
    assert records.decode_header(records.encode_header(salt) + extra) == salt


def test_interrupted_header_is_none() -> None:
    """A header cut anywhere, or only zeros as a power cut leaves them, has no salt."""
    header = records.encode_header(SALT)
    assert [records.decode_header(header[:size]) for size in range(len(header))] == [None] * len(header)
    assert records.decode_header(bytes(records.HEADER_SIZE)) is None


@pytest.mark.parametrize("data", [b"hello", b"RIFF" + bytes(40), b"\x89EPK", records.encode_header(1)[1:]])
def test_foreign_file_is_refused(data: bytes) -> None:
    """Something else is told apart from an interrupted header, however short it is."""
    with pytest.raises(records.NotAJournal):
        records.decode_header(data)


def test_every_flipped_byte_of_the_header_is_refused() -> None:
    """No damaged header passes, so no journal is read with the wrong salt."""
    header = records.encode_header(SALT)
    for at in range(len(header)):
        with pytest.raises(records.NotAJournal):
            records.decode_header(header[:at] + bytes([header[at] ^ 0x40]) + header[at + 1 :])


@pytest.mark.parametrize(("version", "rate"), [(2, 16_000), (1, 48_000)])
def test_other_version_or_rate_is_refused(version: int, rate: int) -> None:
    """A file of a later version is not misread."""
    head = records._FILE.pack(records._FILE_MAGIC, version, 0, rate, SALT)
    with pytest.raises(records.NotAJournal, match=f"format {version} at {rate} Hz"):
        records.decode_header(head + zlib.crc32(head).to_bytes(4, "little"))


def test_record_of_another_file_does_not_count() -> None:
    """The salt ties a record to its file."""
    assert scanned(records.encode(SALT + 1, 0, tone(0, 10))) == []


def test_forged_record_inside_damaged_samples_does_not_count() -> None:
    """Samples made to look like a record by somebody who does not know the salt are stepped over."""
    forged = records.encode(0, 1_000, tone(0, 4))
    outer = bytearray(records.encode(SALT, 0, forged))
    outer[-1] ^= 1
    behind = records.encode(SALT, 500, tone(500, 3))
    assert scanned(bytes(outer) + behind) == [(500, tone(500, 3))]


def test_record_that_goes_back_does_not_count() -> None:
    """Overlapping samples are read once: the earlier record wins."""
    data = records.encode(SALT, 10, tone(10, 5)) + records.encode(SALT, 12, tone(12, 5))
    assert scanned(data + records.encode(SALT, 15, tone(15, 1))) == [(10, tone(10, 5)), (15, tone(15, 1))]


@pytest.mark.parametrize("count", [0, records.MAX_SAMPLES + 1, 2**32 - 1])
def test_impossible_count_does_not_count(count: int) -> None:
    """A count out of range is damage, whatever its checksum says."""
    head = records._HEAD.pack(records._MAGIC, 0, count)
    assert scanned(head + zlib.crc32(head, SALT).to_bytes(4, "little")) == []


@given(
    gap=st.one_of(st.integers(1, 40), st.sampled_from([65_533, 65_534, 65_535, 65_536, 65_537, 140_000])),
    filler=st.sampled_from([b"\0", b"E", b"EPr", b"EPr\x01"]),
)
def test_scan_steps_over_damage_of_any_length(gap: int, filler: bytes) -> None:
    """The next record is found behind junk, half magics across the edge of a search window included."""
    junk = (filler * gap)[:gap]
    first, second = records.encode(SALT, 0, tone(0, 3)), records.encode(SALT, 3, tone(3, 3))
    assert scanned(first + junk + second) == [(0, tone(0, 3)), (3, tone(3, 3))]


def test_offsets_are_those_of_the_file() -> None:
    """`base` is added, so that a part of a file can be scanned."""
    data = records.encode(SALT, 0, tone(0, 3)) + records.encode(SALT, 3, tone(3, 3))
    found = list(records.scan(io.BytesIO(data), SALT, base=100))
    assert [(record.offset, record.stop, record.end) for record in found] == [(100, 126, 3), (126, 152, 6)]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=12), st.integers(0, 9))
def test_arrange_joins_neighbours_and_keeps_holes(shape: list[tuple[int, int]], end: int) -> None:
    """Every sample is there once, neighbours share a record, and records are never empty."""
    pieces, position = [], end
    for hole, count in shape:
        pieces.append((position + hole, tone(position + hole, count)))
        position += (hole + count) if count else 0
    arranged = records.arrange(pieces, end)
    held = {start + i for start, pcm in arranged for i in range(len(pcm) // SAMPLE_BYTES)}
    assert held == {start + i for start, pcm in pieces for i in range(len(pcm) // SAMPLE_BYTES)}
    assert all(pcm == tone(start, len(pcm) // SAMPLE_BYTES) and pcm for start, pcm in arranged)
    ends = [start + len(pcm) // SAMPLE_BYTES for start, pcm in arranged]
    assert all(later > earlier for earlier, (later, _) in zip(ends, arranged[1:], strict=False))


def test_arrange_splits_what_is_too_long() -> None:
    """No record is longer than the scan accepts."""
    count = 2 * records.MAX_SAMPLES + 7
    arranged = records.arrange([(3, tone(3, count))], 0)
    assert [len(pcm) // SAMPLE_BYTES for _, pcm in arranged] == [records.MAX_SAMPLES, records.MAX_SAMPLES, 7]
    assert b"".join(pcm for _, pcm in arranged) == tone(3, count)


def test_arrange_refuses_to_go_back() -> None:
    """Neither before the end of the journal nor within the batch; the error says where to trim to."""
    with pytest.raises(records.OutOfOrder) as caught:
        records.arrange([(9, tone(9, 1))], 10)
    assert (caught.value.start, caught.value.expected) == (9, 10)
    with pytest.raises(records.OutOfOrder, match="sample 14 is before 15"):
        records.arrange([(10, tone(10, 5)), (14, tone(14, 1))], 10)


@pytest.mark.parametrize(("start", "pcm"), [(0, b"abc"), (records.MAX_INDEX + 1, b"ab")])
def test_arrange_refuses_what_is_not_audio(start: int, pcm: bytes) -> None:
    """Half a sample and an absurd index are the caller's mistake."""
    with pytest.raises(AudioError):
        records.arrange([(start, pcm)], 0)
