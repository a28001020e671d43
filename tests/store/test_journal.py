"""All sessions together: batches, quota, finding, deleting, syncing."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from echopanel.audio import Source
from echopanel.errors import AudioError, StoreError
from echopanel.store import records
from echopanel.store.disk import DiskError, DiskFile, Trouble
from echopanel.store.fsync import FsyncPolicy
from echopanel.store.journal import AppendFailed, Journal
from tests.helpers.journals import SESSION, frame, is_tone, tone

OTHER = "f" * 32
HUNDRED = records.RECORD_OVERHEAD + 200  # bytes that 100 samples take
MIC, SYSTEM = Source.MIC, Source.SYSTEM


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal with an open session."""
    journal = Journal(tmp_path / "journal")
    journal.session(SESSION)
    yield journal
    journal.close()


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The name of every file that is synced."""
    synced: list[str] = []
    monkeypatch.setattr(
        DiskFile, "sync", lambda file: synced.append(f"{file.path.parent.name}/{file.path.stem}")
    )
    return synced


def test_batch_reaches_each_source(journal: Journal) -> None:
    """Frames of several sessions and sources in any order land in their own files."""
    other = journal.session(OTHER)
    journal.append(
        [
            (SESSION, frame(0, 100)),
            (OTHER, frame(40, 10, SYSTEM)),
            (SESSION, frame(0, 30, SYSTEM)),
            (SESSION, frame(100, 50)),
        ]
    )
    session = journal.session(SESSION)
    assert session.ranges(MIC) == [(0, 150)]
    assert session.read(SYSTEM, 0, 99) == [(0, tone(0, 30))]
    assert (other.end(MIC), other.end(SYSTEM)) == (0, 50)
    assert (other.ranges(MIC), other.read(MIC, 0, 9)) == ([], [])
    assert sorted(path.relative_to(journal.root).as_posix() for path in journal.root.rglob("*.journal")) == [
        f"{SESSION}/mic.journal",
        f"{SESSION}/system.journal",
        f"{OTHER}/system.journal",
    ]


def test_batch_is_one_write_per_source(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many frames a batch has, a source's file is written once."""
    journal.append([(SESSION, frame(0, 1)), (SESSION, frame(0, 1, SYSTEM))])
    writes: list[str] = []
    write = DiskFile.write

    def counted(file: DiskFile, offset: int, data: bytes) -> None:
        writes.append(file.path.stem)
        write(file, offset, data)

    monkeypatch.setattr(DiskFile, "write", counted)
    frames = [frame(start, 10, source) for start in range(1, 101, 10) for source in Source]
    journal.append([(SESSION, item) for item in frames])
    assert sorted(writes) == ["mic", "system"]
    assert journal.session(SESSION).ranges(SYSTEM) == [(0, 101)]


def test_reopened_journal_finds_everything(journal: Journal) -> None:
    """A new process finds the sessions of the last one and reads what it wrote."""
    journal.append([(SESSION, frame(0, 100)), (SESSION, frame(7, 100, SYSTEM))])
    journal.session(OTHER)
    size = journal.size
    journal.close()
    again = Journal(journal.root)
    assert again.sessions() == [SESSION, OTHER]
    assert again.size == size
    session = again.session(SESSION)
    assert (session.id, session.end(MIC), session.end(SYSTEM)) == (SESSION, 100, 107)
    assert all(is_tone(source) for source in session.sources.values())
    assert again.size == size
    again.close()


def test_session_is_opened_once(journal: Journal) -> None:
    """Asking again gives the same object, with what was appended since."""
    journal.append([(SESSION, frame(0, 10))])
    assert journal.session(SESSION) is journal.session(SESSION)
    assert journal.session(SESSION).end(MIC) == 10


@pytest.mark.parametrize(
    "session",
    [
        "",
        "..",
        "../../etc",
        "0123456",
        "0" * 65,
        "0123456789ABCDEF",
        "0123456789abcde/",
        "0123456789abcdef\n",
        "é" * 16,
    ],
)
def test_session_id_is_checked_before_the_disk(journal: Journal, session: str) -> None:
    """Only hexadecimal digits become a path, for opening as for deleting."""
    before = sorted(journal.root.rglob("*"))
    for operation in (journal.session, journal.delete):
        with pytest.raises(StoreError, match="is not a session id"):
            operation(session)
    assert sorted(journal.root.rglob("*")) == before


def test_audio_is_private(journal: Journal) -> None:
    """Directories and files are their owner's only."""
    journal.append([(SESSION, frame(0, 10))])
    paths = [journal.root, *journal.root.rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o700, 0o600}


def test_bad_frames_harm_only_their_source(journal: Journal) -> None:
    """One source's overlap or another's half sample does not keep the rest of the batch out."""
    journal.session(OTHER)
    journal.append([(SESSION, frame(0, 100)), (OTHER, frame(0, 100, SYSTEM))])
    half = type(frame(0, 1))(MIC, 0, b"odd")
    with pytest.raises(AppendFailed) as caught:
        journal.append(
            [
                (SESSION, frame(50, 100)),
                (SESSION, frame(0, 20, SYSTEM)),
                (OTHER, half),
                (OTHER, frame(100, 20, SYSTEM)),
                ("a" * 16, frame(0, 20)),
            ]
        )
    failures = caught.value.failures
    assert {key: type(error) for key, error in failures.items()} == {
        (SESSION, MIC): records.OutOfOrder,
        (OTHER, MIC): AudioError,
        ("a" * 16, MIC): StoreError,
    }
    assert caught.value.troubles == frozenset()
    assert str(caught.value).endswith("(and 2 more sources)")
    assert journal.session(SESSION).ranges(MIC) == [(0, 100)]
    assert journal.session(SESSION).end(SYSTEM) == 20
    assert journal.session(OTHER).end(SYSTEM) == 120


def test_deleted_session_is_gone(journal: Journal) -> None:
    """Its files leave the disk and its bytes the total; frames on their way are refused, not written."""
    journal.append([(SESSION, frame(0, 100))])
    journal.delete(SESSION)
    assert (journal.sessions(), journal.size) == ([], 0)
    assert list(journal.root.rglob("*.journal")) == []
    with pytest.raises(AppendFailed, match="is not open"):
        journal.append([(SESSION, frame(100, 100))])
    assert journal.sessions() == []
    journal.delete(SESSION)
    assert journal.session(SESSION).end(MIC) == 0


def test_closed_session_stays_on_disk(journal: Journal) -> None:
    """Closing keeps audio and accounts; it can be deleted or opened afterwards."""
    journal.append([(SESSION, frame(0, 100))])
    size = journal.size
    journal.close_session(SESSION)
    journal.close_session(SESSION)
    assert (journal.sessions(), journal.size) == ([SESSION], size)
    assert journal.session(SESSION).end(MIC) == 100
    journal.close_session(SESSION)
    journal.delete(SESSION)
    assert (journal.sessions(), journal.size) == ([], 0)


def test_interrupted_deletion_is_finished(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deletion that fails half-way took the session away, and a retry or a restart removes the rest."""
    journal.append([(SESSION, frame(0, 100))])

    def failing(path: Path) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("echopanel.store.journal.shutil.rmtree", failing)
        with pytest.raises(DiskError):
            journal.delete(SESSION)
    assert journal.sessions() == []
    assert len(list(journal.root.rglob("*.journal"))) == 1
    journal.delete(SESSION)
    assert list(journal.root.rglob("*.journal")) == []
    journal.session(OTHER)
    with monkeypatch.context() as patch:
        patch.setattr("echopanel.store.journal.shutil.rmtree", failing)
        with pytest.raises(DiskError):
            journal.delete(OTHER)
    journal.close()
    Journal(journal.root).close()
    assert [path.name for path in journal.root.iterdir()] == ["lock"]


def test_what_others_keep_there_is_left_alone(tmp_path: Path) -> None:
    """Files and directories that are no sessions neither keep the journal from opening nor leave it."""
    foreign = [tmp_path / "notes.txt", tmp_path / "old.deleted", tmp_path / "mine.deleted" / "file"]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    with closing(Journal(tmp_path)) as journal:
        journal.session(SESSION)
        assert journal.sessions() == [SESSION]
    assert [path.read_text() for path in foreign] == ["mine"] * 3


def test_quota_is_never_exceeded(tmp_path: Path) -> None:
    """What does not fit is refused whole, per source; what was there is unharmed, and later it fits."""
    quota = 3 * records.HEADER_SIZE + 3 * HUNDRED
    journal = Journal(tmp_path, FsyncPolicy.NONE, quota)
    session, other = journal.session(SESSION), journal.session(OTHER)
    journal.append([(SESSION, frame(0, 1)), (OTHER, frame(0, 100)), (SESSION, frame(0, 100, SYSTEM))])
    with pytest.raises(AppendFailed) as caught:
        journal.append([(SESSION, frame(1, 100)), (OTHER, frame(100, 20))])
    assert caught.value.troubles == {Trouble.QUOTA}
    assert set(caught.value.failures) == {(SESSION, MIC)}
    assert (session.end(MIC), other.end(MIC)) == (1, 120)
    assert journal.room is not None
    assert journal.room == quota - journal.size >= 0
    journal.delete(OTHER)
    journal.append([(SESSION, frame(1, 100))])
    assert session.end(MIC) == 101
    journal.close()


def test_quota_holds_within_a_batch(tmp_path: Path) -> None:
    """When the room is enough for either of two sources, the first has it and the second is refused."""
    journal = Journal(tmp_path, FsyncPolicy.NONE)
    session = journal.session(SESSION)
    journal.append([(SESSION, frame(0, 1)), (SESSION, frame(0, 1, SYSTEM))])
    journal.quota_bytes = journal.size + 2 * HUNDRED - 1
    with pytest.raises(AppendFailed):
        journal.append([(SESSION, frame(1, 100)), (SESSION, frame(1, 100, SYSTEM))])
    assert (session.end(MIC), session.end(SYSTEM)) == (101, 1)
    assert journal.size <= journal.quota_bytes
    journal.close()


def test_quota_counts_sessions_of_the_last_process(tmp_path: Path) -> None:
    """Audio that waits on disk takes room, and a full journal opens no new session but the old ones."""
    quota = records.HEADER_SIZE + HUNDRED
    journal = Journal(tmp_path, quota_bytes=quota)
    journal.session(SESSION)
    journal.append([(SESSION, frame(0, 100))])
    journal.close()
    journal = Journal(tmp_path, quota_bytes=quota)
    assert journal.room == 0
    with pytest.raises(DiskError, match="quota is used up; end or delete sessions") as caught:
        journal.session(OTHER)
    assert caught.value.trouble is Trouble.QUOTA
    assert journal.sessions() == [SESSION]
    assert journal.session(SESSION).end(MIC) == 100
    journal.delete(SESSION)
    assert journal.session(OTHER).end(MIC) == 0
    journal.close()


def test_always_syncs_before_append_returns(tmp_path: Path, syncs: list[str]) -> None:
    """Under `always` each source of a batch is synced once, new files and their headers too."""
    journal = Journal(tmp_path, FsyncPolicy.ALWAYS)
    session = journal.session(SESSION)
    journal.append([(SESSION, frame(0, 10))])
    syncs.clear()
    journal.append([(SESSION, frame(10, 10)), (SESSION, frame(20, 10)), (SESSION, frame(0, 10, SYSTEM))])
    assert syncs.count(f"{SESSION}/mic") == 1
    assert [source.unsynced for source in session.sources.values()] == [0, 0]
    journal.sync_due(0.0)
    journal.append([])
    assert len(syncs) == 3
    journal.close()


def test_none_never_syncs_by_itself(tmp_path: Path, syncs: list[str]) -> None:
    """Under `none` only an explicit sync, at the end of the server, reaches the medium."""
    journal = Journal(tmp_path, FsyncPolicy.NONE)
    journal.session(SESSION)
    journal.append([(SESSION, frame(0, 10))])
    journal.sync_due(0.0)
    journal.sync_due(100.0)
    assert syncs == []
    journal.sync()
    journal.sync()
    assert syncs == [f"{SESSION}/mic"]
    journal.close()


def test_interval_syncs_what_is_dirty_when_it_is_due(tmp_path: Path, syncs: list[str]) -> None:
    """Under `interval` appends do not wait, and each source with new audio is synced within the interval."""
    journal = Journal(tmp_path, FsyncPolicy.INTERVAL, interval_s=2.0)
    session = journal.session(SESSION)
    journal.append([(SESSION, frame(0, 10)), (SESSION, frame(0, 10, SYSTEM))])
    journal.sync_due(10.0)
    syncs.clear()
    journal.append([(SESSION, frame(10, 10))])
    journal.sync_due(10.1)
    assert syncs == []
    assert session.sources[MIC].unsynced == HUNDRED - 180
    journal.sync_due(12.1)
    assert syncs == [f"{SESSION}/mic"]
    journal.sync_due(14.2)
    assert syncs == [f"{SESSION}/mic"]
    journal.close()


def test_repr_is_a_log_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Policy, sessions and bytes at a glance."""
    journal = Journal(tmp_path, FsyncPolicy.ALWAYS, quota_bytes=5_000_000)
    journal.session(SESSION)
    journal.append([(SESSION, frame(0, 600_000))])
    journal.session(OTHER)
    journal.close_session(OTHER)
    assert repr(journal) == "<Journal always [1 open, 1 idle, 1.2 MB of 5.0 MB]>"
    assert repr(journal.session(SESSION)).startswith(f"<SessionJournal {SESSION} [<SourceJournal mic.journal")
    journal.close()
    unlimited = Journal(tmp_path)
    assert repr(unlimited) == "<Journal interval [0 open, 2 idle, 1.2 MB no quota]>"
    assert unlimited.room is None
    unlimited.close()
