"""One source's journal: what is appended is read back, also after the file was cut or damaged anywhere."""

from __future__ import annotations

import random
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from echopanel.audio import SAMPLE_BYTES
from echopanel.errors import AudioError
from echopanel.store import records, source_journal
from echopanel.store.disk import DiskError, Trouble
from echopanel.store.fsync import FsyncPolicy
from echopanel.store.source_journal import Recovery, SourceJournal
from tests.helpers.journals import is_tone, tone

NONE = FsyncPolicy.NONE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is."""
    return tmp_path / "mic.journal"


@pytest.fixture
def journal(path: Path) -> Iterator[SourceJournal]:
    """A new journal."""
    journal = SourceJournal.open(path)
    yield journal
    journal.close()


def written(path: Path, *stretches: tuple[int, int]) -> bytes:
    """The file after appending each (start, count) of `tone` by itself."""
    path.unlink(missing_ok=True)
    journal = SourceJournal.open(path, NONE)
    for start, count in stretches:
        journal.append(start, tone(start, count))
    journal.close()
    return path.read_bytes()


def recovered(path: Path, data: bytes) -> SourceJournal:
    """The journal found in a file of `data`."""
    path.write_bytes(data)
    return SourceJournal.open(path, NONE)


def test_new_journal_is_empty(journal: SourceJournal) -> None:
    """It starts at sample 0 with nothing to read, nothing to recover, and is nobody else's to read."""
    assert (journal.end, journal.count, journal.ranges(), journal.unsynced) == (0, 0, [], 0)
    assert journal.read(0, 100) == []
    assert journal.recovery == Recovery()
    assert journal.size == journal.path.stat().st_size == records.HEADER_SIZE
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600


def test_read_trims_and_joins(journal: SourceJournal) -> None:
    """A read returns exactly the samples asked for, in one piece per contiguous stretch."""
    for start, count in ((0, 10), (10, 10), (30, 5)):
        journal.append(start, tone(start, count))
    assert journal.read(0, 100) == [(0, tone(0, 20)), (30, tone(30, 5))]
    assert journal.read(7, 33) == [(7, tone(7, 13)), (30, tone(30, 3))]
    assert journal.read(12, 13) == [(12, tone(12, 1))]
    assert journal.read(20, 30) == journal.read(35, 99) == journal.read(5, 5) == []
    assert journal.ranges() == [(0, 20), (30, 35)]
    assert (journal.end, journal.count) == (35, 25)


def test_append_many_is_one_record_per_stretch(journal: SourceJournal) -> None:
    """A batch of neighbouring frames costs one record header."""
    journal.append_many([(0, tone(0, 320)), (320, tone(320, 320)), (1_000, tone(1_000, 10))])
    assert journal.size == records.HEADER_SIZE + 2 * records.RECORD_OVERHEAD + 650 * SAMPLE_BYTES
    assert journal.ranges() == [(0, 640), (1_000, 1_010)]


def test_nothing_is_nothing(journal: SourceJournal) -> None:
    """Appending no pieces, or empty ones, changes nothing."""
    journal.append_many([])
    journal.append(50, b"")
    assert (journal.end, journal.size) == (0, records.HEADER_SIZE)


def test_going_back_is_refused(journal: SourceJournal) -> None:
    """An overlap is an error that leaves the journal as it was, also in the middle of a batch."""
    journal.append(0, tone(0, 10))
    for pieces in ([(9, tone(9, 2))], [(10, tone(10, 4)), (13, tone(13, 4))]):
        with pytest.raises(records.OutOfOrder):
            journal.append_many(pieces)
        assert (journal.end, journal.size) == (10, journal.path.stat().st_size)
    with pytest.raises(AudioError):
        journal.append(10, b"odd")
    journal.append(10, tone(10, 5))
    assert is_tone(journal)
    assert journal.end == 15


def test_long_audio_is_indexed_sparsely(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an index entry every few records, any stretch is still found, before and after reopening."""
    monkeypatch.setattr(source_journal, "INDEX_STEP", 200)
    chance = random.Random(4)
    journal, position, ranges = SourceJournal.open(path, NONE), 0, []
    for _ in range(120):
        start, count = position + chance.choice([0, 0, 0, 13]), chance.randint(1, 70)
        journal.append(start, tone(start, count))
        ranges += [start + i for i in range(count)]
        position = start + count
    held = set(ranges)
    for _ in range(2):
        for _ in range(150):
            low = chance.randint(0, position + 20)
            high = low + chance.randint(0, 300)
            pieces = journal.read(low, high)
            assert all(pcm == tone(start, len(pcm) // 2) for start, pcm in pieces)
            assert {start + i for start, pcm in pieces for i in range(len(pcm) // 2)} == held & set(
                range(low, high)
            )
        journal.close()
        journal = SourceJournal.open(path, NONE)
    journal.close()


def test_repr_is_a_log_line(journal: SourceJournal) -> None:
    """Seconds, ranges, bytes and what a power cut could cost."""
    journal.append(16_000, tone(16_000, 24_000))
    assert repr(journal) == "<SourceJournal mic.journal [1.5s in 1 ranges, 48044 bytes, 48020 unsynced]>"
    journal.sync()
    assert "0 unsynced" in repr(journal)


def test_closing_twice_is_harmless(path: Path) -> None:
    """Clean-up code need not know who closed first."""
    journal = SourceJournal.open(path)
    journal.close()
    journal.close()


def test_cut_at_every_byte_keeps_all_whole_records(path: Path) -> None:
    """Wherever a crash cuts the last record, the earlier ones remain and appending goes on."""
    before = len(written(path, (0, 40), (40, 25), (100, 30)))
    whole = written(path, (0, 40), (40, 25), (100, 30), (130, 50))
    for size in range(before, len(whole)):
        journal = recovered(path, whole[:size])
        assert journal.ranges() == [(0, 65), (100, 130)]
        assert journal.recovery == Recovery(records=3, cut_bytes=size - before)
        assert path.stat().st_size == before
        journal.append(130, tone(130, 7))
        journal.close()
        journal = SourceJournal.open(path, NONE)
        assert journal.ranges() == [(0, 65), (100, 137)]
        assert is_tone(journal)
        assert journal.recovery == Recovery(records=4)
        journal.close()


def test_every_flipped_byte_of_the_last_record_cuts_it(path: Path) -> None:
    """A damaged last record is told from a whole one whichever bit flipped, and is gone for good."""
    before = len(written(path, (0, 40), (40, 25)))
    whole = written(path, (0, 40), (40, 25), (65, 50))
    for at in range(before, len(whole)):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << at % 8
        journal = recovered(path, bytes(flipped))
        assert journal.ranges() == [(0, 65)]
        assert journal.recovery.cut_bytes == len(whole) - before
        journal.append(65, tone(65, 50))
        assert is_tone(journal)
        journal.close()


def test_damage_in_the_middle_costs_one_record(path: Path) -> None:
    """Every byte that flips in an earlier record makes a hole there; what follows is kept."""
    first, second = len(written(path, (0, 40))), len(written(path, (0, 40), (40, 25)))
    whole = written(path, (0, 40), (40, 25), (65, 50))
    for at in range(first, second):
        flipped = bytearray(whole)
        flipped[at] ^= 0x80
        journal = recovered(path, bytes(flipped))
        assert journal.ranges() == [(0, 40), (65, 115)]
        assert journal.recovery == Recovery(2, damaged_bytes=second - first, damaged=((40, 65),))
        assert is_tone(journal)
        assert journal.end == 115
        journal.close()


def test_cut_at_every_byte_of_the_header_starts_anew(path: Path) -> None:
    """A crash while the file was made leaves an empty journal that works."""
    header = written(path)
    for data in [header[:size] for size in range(len(header))] + [bytes(5_000)]:
        journal = recovered(path, data)
        assert (journal.end, journal.recovery) == (0, Recovery(cut_bytes=len(data)))
        journal.append(3, tone(3, 4))
        journal.close()
        journal = SourceJournal.open(path, NONE)
        assert journal.ranges() == [(3, 7)]
        journal.close()


@pytest.mark.parametrize("data", [b"something else", b"\x89EPJ\r\n\x1a\n" + bytes(100)])
def test_foreign_file_is_left_alone(path: Path, data: bytes) -> None:
    """What is not a journal, or has lost its header, is refused and not overwritten."""
    path.write_bytes(data)
    with pytest.raises(DiskError) as caught:
        SourceJournal.open(path)
    assert caught.value.trouble is Trouble.DAMAGED
    assert "move the file away" in str(caught.value)
    assert path.read_bytes() == data


def test_record_damaged_after_opening_is_left_out(path: Path) -> None:
    """Bit rot under a running server makes a hole in what is read, never wrong samples."""
    written(path, (0, 40), (40, 25), (65, 50))
    journal = SourceJournal.open(path)
    data = bytearray(path.read_bytes())
    data[records.HEADER_SIZE + 2 * records.RECORD_OVERHEAD + 45 * SAMPLE_BYTES] ^= 1
    path.write_bytes(data)
    assert journal.read(0, 200) == [(0, tone(0, 40)), (65, tone(65, 50))]
    journal.close()


SECTOR = 64  # stands for a disk's 512, to have many of them in a small file


@settings(max_examples=200)
@given(data=st.data())
def test_power_cut_costs_only_what_was_not_synced(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """After any sectors behind the last sync are lost, all that was synced is there and nothing is wrong."""
    path = tmp_path_factory.mktemp("power") / "mic.journal"
    journal, synced_end, synced_size = SourceJournal.open(path), 0, records.HEADER_SIZE
    for hole, count, sync in data.draw(
        st.lists(st.tuples(st.sampled_from([0, 0, 9]), st.integers(1, 90), st.booleans()))
    ):
        journal.append(journal.end + hole, tone(journal.end + hole, count))
        if sync:
            journal.sync()
            synced_end, synced_size = journal.end, journal.size
    synced_ranges, all_ranges = [r for r in journal.ranges() if r[0] < synced_end], journal.ranges()
    journal.close()
    image = bytearray(path.read_bytes())
    for at in range(0, len(image), SECTOR):
        if data.draw(st.booleans()):
            low = max(at, synced_size)
            image[low : at + SECTOR] = bytes(max(at + SECTOR - low, 0))[: max(len(image) - low, 0)]
    size = data.draw(st.integers(synced_size, len(image)))
    journal = recovered(path, bytes(image[:size]))
    kept = {i for low, high in journal.ranges() for i in range(low, high)}
    assert {i for low, high in synced_ranges for i in range(low, min(high, synced_end))} <= kept
    assert kept <= {i for low, high in all_ranges for i in range(low, high)}
    assert is_tone(journal)
    journal.append(journal.end, tone(journal.end, 5))
    assert is_tone(journal)
    journal.close()


class JournalModel(RuleBasedStateMachine):
    """A journal against a dict from sample index to sample, through appends, crashes and cuts."""

    directory: Path

    def __init__(self) -> None:
        super().__init__()
        self.samples: dict[int, bytes] = {}
        self.end = 0

    @initialize(policy=st.sampled_from(FsyncPolicy))
    def create(self, policy: FsyncPolicy) -> None:
        self.path = self.directory / "mic.journal"
        self.path.unlink(missing_ok=True)
        self.policy = policy
        self.journal = SourceJournal.open(self.path, policy)

    @rule(hole=st.sampled_from([0, 0, 1, 500]), pcm=st.binary(max_size=60))
    def append(self, hole: int, pcm: bytes) -> None:
        pcm = pcm[: len(pcm) // 2 * 2]
        self.journal.append(self.end + hole, pcm)
        self._take(self.end + hole, pcm)

    @rule(pieces=st.lists(st.tuples(st.sampled_from([0, 0, 7]), st.integers(1, 40)), max_size=5))
    def append_many(self, pieces: list[tuple[int, int]]) -> None:
        batch, position = [], self.end
        for hole, count in pieces:
            batch.append((position + hole, tone(position + hole, count)))
            position += hole + count
        self.journal.append_many(batch)
        for start, pcm in batch:
            self._take(start, pcm)

    @precondition(lambda self: self.end > 0)
    @rule(back=st.integers(1, 50), count=st.integers(1, 60))
    def append_overlapping(self, back: int, count: int) -> None:
        start = max(self.end - back, 0)
        with pytest.raises(records.OutOfOrder):
            self.journal.append(start, tone(start, count))

    @rule()
    def sync(self) -> None:
        self.journal.sync()
        assert self.journal.unsynced == 0

    @rule(junk=st.binary(max_size=50))
    def crash(self, junk: bytes) -> None:
        self.journal.close()
        with self.path.open("ab") as file:
            file.write(junk)
        self.journal = SourceJournal.open(self.path, self.policy)
        assert self.journal.recovery.cut_bytes == len(junk)

    @rule(low=st.integers(0, 800), count=st.integers(0, 800))
    def read(self, low: int, count: int) -> None:
        got = {
            start + i: pcm[2 * i : 2 * i + 2]
            for start, pcm in self.journal.read(low, low + count)
            for i in range(len(pcm) // 2)
        }
        assert got == {i: sample for i, sample in self.samples.items() if low <= i < low + count}

    @invariant()
    def ends_agree(self) -> None:
        assert self.journal.end == self.end
        assert {i for low, high in self.journal.ranges() for i in range(low, high)} == set(self.samples)
        assert self.journal.count == len(self.samples)
        assert self.journal.size == self.path.stat().st_size

    def _take(self, start: int, pcm: bytes) -> None:
        for i in range(len(pcm) // 2):
            self.samples[start + i] = pcm[2 * i : 2 * i + 2]
        if pcm:
            self.end = start + len(pcm) // 2

    def teardown(self) -> None:
        self.journal.close()


def test_journal_behaves_like_a_dict_of_samples(tmp_path: Path) -> None:
    """Through any sequence of appends, syncs, crashes with a torn tail and reads."""
    machine = type("Machine", (JournalModel,), {"directory": tmp_path})
    run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=25))
