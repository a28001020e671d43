"""Full, read-only, unwritable and failing disks: a clear error, nothing lost, and it goes on afterwards."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from echopanel.audio import Source
from echopanel.store.disk import DiskError, Trouble
from echopanel.store.fsync import FsyncPolicy
from echopanel.store.journal import AppendFailed, Journal, SyncFailed
from echopanel.store.source_journal import SourceJournal
from tests.helpers.disks import Disk, can_mount, limited_disk, small_disk
from tests.helpers.journals import SESSION, Faults, FaultyFile, frame, is_tone, tone, unprivileged

MIC, SYSTEM = Source.MIC, Source.SYSTEM
OTHER = "f" * 16


@pytest.fixture(params=[limited_disk, *([small_disk] if can_mount() else [])], ids=lambda kind: kind.__name__)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    """Every kind of disk that can be filled here."""
    with request.param(tmp_path) as made:
        yield made


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journal]:
    """A journal with two open sessions whose files fail on demand."""
    monkeypatch.setattr("echopanel.store.source_journal.DiskFile", FaultyFile)
    journal = Journal(tmp_path)
    journal.session(SESSION)
    journal.session(OTHER)
    yield journal
    journal.close()


def append_until_refused(journal: Journal, position: int) -> tuple[int, AppendFailed]:
    """Append 0.1 s at a time to `mic`; return where that ended, and why."""
    while True:
        try:
            journal.append([(SESSION, frame(position, 1_600))])
        except AppendFailed as failed:
            return position, failed
        position += 1_600


def open_files() -> int:
    """How many descriptors this process holds."""
    return sum(1 for _ in Path("/dev/fd").iterdir())


def faults_of(journal: SourceJournal) -> Faults:
    """The switch of its file."""
    assert isinstance(journal._file, FaultyFile)
    return journal._file.faults


@pytest.mark.parametrize("policy", FsyncPolicy)
@pytest.mark.parametrize("room", [0, 5_000, 9_000])
def test_full_disk_withholds_and_goes_on(disk: Disk, policy: FsyncPolicy, room: int) -> None:
    """What does not fit is refused whole, in the file too; once there is space the same frames are taken."""
    journal = Journal(disk.root / "journal", policy)
    session = journal.session(SESSION)
    journal.append([(SESSION, frame(0, 5_000))])
    with disk.full(room):
        position, failed = append_until_refused(journal, 5_000)
        assert failed.troubles == {Trouble.NO_SPACE}
        assert "free some disk space" in str(failed)
        assert session.end(MIC) == position
        assert session.source(MIC).size == session.source(MIC).path.stat().st_size
        assert is_tone(session.source(MIC))
        journal.close()
        journal = Journal(disk.root / "journal", policy)
        session = journal.session(SESSION)
        assert session.ranges(MIC) == [(0, position)]
    journal.append([(SESSION, frame(position, 1_600))])
    assert session.ranges(MIC) == [(0, position + 1_600)]
    assert is_tone(session.source(MIC))
    assert session.source(MIC).recovery.cut_bytes == 0
    journal.close()


def test_full_disk_opens_no_new_source(disk: Disk) -> None:
    """A source whose file cannot be made is refused, and made once there is space."""
    journal = Journal(disk.root / "journal")
    session = journal.session(SESSION)
    with disk.full(0):
        with pytest.raises(AppendFailed) as caught:
            journal.append([(SESSION, frame(0, 100, SYSTEM))])
        assert caught.value.troubles == {Trouble.NO_SPACE}
        assert session.end(SYSTEM) == 0
    journal.append([(SESSION, frame(0, 100, SYSTEM))])
    assert session.ranges(SYSTEM) == [(0, 100)]
    journal.close()


def test_unwritable_directory_is_refused_at_once() -> None:
    """Without write access there is neither a journal nor a new session, and the message says what to do."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        (root / "lock").touch(mode=0o666)
        (root / "lock").chmod(0o666)
        root.chmod(0o555)
        with unprivileged():
            with pytest.raises(DiskError, match="give the server's user write access") as caught:
                Journal(root / "journal")
            assert caught.value.trouble is Trouble.DENIED
            journal = Journal(root)
            with pytest.raises(DiskError) as caught:
                journal.session(SESSION)
            assert caught.value.trouble is Trouble.DENIED
            assert journal.sessions() == []
        journal.close()
        root.chmod(0o700)


@pytest.mark.parametrize(
    ("code", "trouble"),
    [(errno.EROFS, Trouble.READ_ONLY), (errno.EIO, Trouble.IO), (errno.EACCES, Trouble.DENIED)],
)
def test_failing_source_does_not_harm_the_others(faulty: Journal, code: int, trouble: Trouble) -> None:
    """The error names the one source and its trouble; all others are appended; later it goes on."""
    batch = [(session, frame(0, 50, source)) for session in (SESSION, OTHER) for source in Source]
    faulty.append(batch)
    broken = faulty.session(SESSION).source(MIC)
    faults_of(broken).errors["write"] = code
    batch = [(session, frame(50, 50, source)) for session in (SESSION, OTHER) for source in Source]
    with pytest.raises(AppendFailed) as caught:
        faulty.append(batch)
    assert set(caught.value.failures) == {(SESSION, MIC)}
    assert caught.value.troubles == {trouble}
    assert [faulty.session(session).end(source) for session, _ in batch[::2] for source in Source] == [
        50,
        100,
        100,
        100,
    ]
    faults_of(broken).errors.clear()
    faulty.append(batch[:1])
    assert broken.ranges() == [(0, 100)]


def test_write_cut_short_at_every_byte_is_undone(tmp_path: Path) -> None:
    """Wherever the disk fills up in a batch of two records, nothing of it stays and nothing else changes."""
    file = FaultyFile(tmp_path / "mic.journal")
    journal = SourceJournal(file, FsyncPolicy.NONE)
    journal.append(0, tone(0, 30))
    size = journal.size
    pieces = [(30, tone(30, 10)), (100, tone(100, 20))]
    for room in range(100):
        file.faults.writable = room
        with pytest.raises(DiskError):
            journal.append_many(pieces)
        assert (journal.end, journal.size, file.size) == (30, size, size)
    file.faults.writable = 100
    journal.append_many(pieces)
    assert journal.ranges() == [(0, 40), (100, 120)]
    journal.close()


def test_rest_of_a_failed_write_is_cut_before_the_next(tmp_path: Path) -> None:
    """When undoing fails too, the next append undoes first; until that works nothing is appended."""
    file = FaultyFile(tmp_path / "mic.journal")
    journal = SourceJournal(file, FsyncPolicy.NONE)
    journal.append(0, tone(0, 30))
    file.faults = Faults(writable=33, errors={"truncate": errno.EIO})
    with pytest.raises(DiskError):
        journal.append(30, tone(30, 50))
    file.faults.writable = None
    with pytest.raises(DiskError):
        journal.append(30, tone(30, 1))
    assert (journal.end, file.size) == (30, journal.size + 33)
    file.faults.errors.clear()
    journal.append(30, tone(30, 1))
    assert (journal.end, file.size) == (31, journal.size)
    journal.close()
    again = SourceJournal.open(file.path)
    assert again.ranges() == [(0, 31)]
    assert again.recovery.cut_bytes == 0
    again.close()


def test_failed_sync_under_always_is_not_appended(faulty: Journal) -> None:
    """What may not have reached the medium is taken back, so that it is not acknowledged."""
    faulty.append([(SESSION, frame(0, 50))])
    source = faulty.session(SESSION).source(MIC)
    source.policy = FsyncPolicy.ALWAYS
    source.sync()
    faults_of(source).errors["sync"] = errno.EIO
    with pytest.raises(AppendFailed) as caught:
        faulty.append([(SESSION, frame(50, 50)), (OTHER, frame(0, 50))])
    assert set(caught.value.failures) == {(SESSION, MIC)}
    assert (source.end, source.unsynced, source.size) == (50, 0, source.path.stat().st_size)
    assert faulty.session(OTHER).end(MIC) == 50
    faults_of(source).errors.clear()
    faulty.append([(SESSION, frame(50, 50))])
    assert (source.ranges(), source.unsynced) == ([(0, 100)], 0)


def test_failed_sync_is_repeated_with_the_data(faulty: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel drops pages whose sync failed, so the retry writes them again first."""
    faulty.append([(SESSION, frame(0, 50)), (OTHER, frame(0, 50))])
    broken, whole = faulty.session(SESSION).source(MIC), faulty.session(OTHER).source(MIC)
    faults_of(broken).errors["sync"] = errno.EIO
    with pytest.raises(SyncFailed) as caught:
        faulty.sync_due(0.0)
    assert set(caught.value.failures) == {(SESSION, MIC)}
    assert (broken.unsynced > 0, whole.unsynced) == (True, 0)
    with pytest.raises(SyncFailed):
        faulty.sync()
    faults_of(broken).errors.clear()
    written: list[tuple[int, bytes]] = []
    monkeypatch.setattr(FaultyFile, "write", lambda file, offset, data: written.append((offset, data)))
    faulty.sync_due(9.0)
    assert broken.unsynced == 0
    assert b"".join(data for _, data in written) == broken.path.read_bytes()[written[0][0] :]
    written.clear()
    faulty.sync()
    assert written == []


def test_damaged_file_does_not_leak_the_others(faulty: Journal) -> None:
    """A session with one unreadable file is refused as a whole, and opens when the file was moved away."""
    faulty.append([(SESSION, frame(0, 50)), (SESSION, frame(0, 50, SYSTEM))])
    faulty.close_session(SESSION)
    damaged = faulty.root / SESSION / "system.journal"
    damaged.write_bytes(b"not a journal at all, but long enough to be one")
    before = open_files()
    with pytest.raises(DiskError, match="move the file away") as caught:
        faulty.session(SESSION)
    assert caught.value.trouble is Trouble.DAMAGED
    assert open_files() == before
    damaged.rename(damaged.with_suffix(".damaged"))
    assert faulty.session(SESSION).end(MIC) == 50


def test_unreadable_root_lets_go_of_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that could not be opened does not keep a second attempt out."""
    (tmp_path / f"{SESSION}.deleted").mkdir()

    def failing(path: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    before = open_files()
    with monkeypatch.context() as patch:
        patch.setattr("echopanel.store.journal.shutil.rmtree", failing)
        with pytest.raises(DiskError):
            Journal(tmp_path)
    assert open_files() == before
    Journal(tmp_path).close()


class FaultModel(RuleBasedStateMachine):
    """A journal on a disk whose every operation may fail, against the bytes that were accepted."""

    directory: Path

    def __init__(self) -> None:
        super().__init__()
        self.accepted: list[tuple[int, int]] = []
        self.synced = 0

    @property
    def end(self) -> int:
        return self.accepted[-1][1] if self.accepted else 0

    @initialize(policy=st.sampled_from(FsyncPolicy))
    def create(self, policy: FsyncPolicy) -> None:
        self.policy = policy
        self.path = self.directory / "mic.journal"
        self.path.unlink(missing_ok=True)
        self.file = FaultyFile(self.path)
        self.journal = SourceJournal(self.file, policy)

    @rule(
        writable=st.none() | st.integers(0, 200),
        broken=st.dictionaries(st.sampled_from(["write", "truncate", "sync"]), st.just(errno.EIO)),
    )
    def change_faults(self, writable: int | None, broken: dict[str, int]) -> None:
        self.file.faults = Faults(writable, broken)

    @rule(hole=st.sampled_from([0, 0, 5]), count=st.integers(1, 80))
    def append(self, hole: int, count: int) -> None:
        start = self.end + hole
        try:
            self.journal.append(start, tone(start, count))
        except DiskError:
            return
        self.accepted.append((start, start + count))

    @rule()
    def sync(self) -> None:
        try:
            self.journal.sync()
        except DiskError:
            return
        assert self.journal.unsynced == 0

    @rule()
    def crash(self) -> None:
        self.file.close()
        self.file = FaultyFile(self.path)
        self.journal = SourceJournal(self.file, self.policy)
        kept = self.journal.ranges()
        assert self.samples(self.accepted) <= self.samples(kept)
        assert is_tone(self.journal)
        self.accepted = kept

    @invariant()
    def agrees(self) -> None:
        assert self.samples(self.journal.ranges()) == self.samples(self.accepted)
        assert is_tone(self.journal)

    @staticmethod
    def samples(ranges: list[tuple[int, int]]) -> set[int]:
        return {i for low, high in ranges for i in range(low, high)}

    def teardown(self) -> None:
        self.file.close()


def test_accepted_audio_survives_any_faults(tmp_path: Path) -> None:
    """Through any failures of writing, undoing and syncing, and crashes, all that was accepted is there."""
    machine = type("Machine", (FaultModel,), {"directory": tmp_path})
    run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=25))
