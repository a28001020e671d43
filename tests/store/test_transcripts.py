"""The transcript store: what is kept, what may change, and what happens to a file that cannot be used."""

from __future__ import annotations

import secrets
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.audio import Source
from echopanel.errors import StoreError, UnknownSession
from echopanel.store import schema
from echopanel.store.disk import DiskError, Trouble
from echopanel.store.migrations import MIGRATIONS
from echopanel.store.transcripts import (
    ResumeRecord,
    SessionRecord,
    SessionState,
    StoredEvent,
    TranscriptStore,
    Wish,
    is_session_id,
)
from echopanel.transcript import (
    Coverage,
    Final,
    Gap,
    GapStatus,
    LostRange,
    Refined,
    Revision,
    Segment,
    Word,
)

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
SESSION = "0123456789abcdef"
OTHER = "fedcba9876543210"
LEDGER = Coverage(100, 95, 60, 20, 10, 10, (LostRange(90, 95, "not_received"), LostRange(95, 100, "muted")))


def record(session: str = SESSION, created: datetime = NOON, title: str = "Standup") -> SessionRecord:
    """A live session."""
    return SessionRecord(session, created, title, "en", "faster-whisper", "tiny.en", OTHER)


def segment(name: str, start: float = 0.0, text: str = "so far", source: Source = Source.MIC) -> Segment:
    """Two seconds of speech."""
    words = tuple(Word(start + i, start + i + 0.5, word, 0.9) for i, word in enumerate(text.split()))
    first = round(start * 16_000)
    return Segment(name, source, start, start + 2, text, first, first + 32_000, words, "en")


def final(number: int, name: str, start: float = 0.0, text: str = "so far") -> StoredEvent:
    """A final segment as an event."""
    return StoredEvent(number, Final(segment(name, start, text)))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TranscriptStore]:
    """A new store with one live session."""
    with TranscriptStore(tmp_path / "data") as opened:
        opened.create_session(record())
        yield opened


def test_a_stopped_session_is_completing_until_it_ends(store: TranscriptStore) -> None:
    """It is still to be taken up after a restart, with where its sources ended; its end stays the stop."""
    note = ResumeRecord("ab" * 32, (Source.MIC,), origin_ms=5.0, stopped={Source.MIC: 64_000})
    store.stop_session(SESSION, NOON + timedelta(hours=1), note)
    assert store.session(SESSION).state is SessionState.COMPLETING
    assert store.session(SESSION).ended == NOON + timedelta(hours=1)
    assert store.resumable() == {SESSION: note}
    store.end_session(SESSION, NOON + timedelta(hours=2))
    ended = store.session(SESSION)
    assert (ended.state, ended.ended) == (SessionState.ENDED, NOON + timedelta(hours=1))
    assert store.resumable() == {}


def test_a_second_pass_is_kept_beside_the_live_text(store: TranscriptStore) -> None:
    """A later one takes its place; it goes with its session."""
    assert store.refined(SESSION) is None
    heard = {Source.MIC: ((0, 32_000), (64_000, 96_000))}
    for model in ("base", "small"):
        made = Refined(NOON, "faster-whisper", model, (segment("mic-second-1"),), heard)
        store.save_refined(SESSION, made)
        assert store.refined(SESSION) == made
    assert store.transcript(SESSION).segments == ()
    store.delete(SESSION)
    store.create_session(record())
    assert store.refined(SESSION) is None
    with pytest.raises(UnknownSession):
        store.save_refined(OTHER, made)


def test_a_second_pass_that_was_asked_for_is_kept_in_mind(store: TranscriptStore) -> None:
    """Until it is done, given up, or its session is gone; oldest first, and the newest wish for each."""
    store.create_session(record(OTHER))
    base, small = Wish("faster-whisper", "base"), Wish("faster-whisper", "small")
    for session, wish in ((SESSION, base), (OTHER, base), (SESSION, small)):
        store.wish(session, wish)
    assert list(store.wishes().items()) == [(OTHER, base), (SESSION, small)]
    store.save_refined(SESSION, Refined(NOON, "faster-whisper", "small", (), {}))
    assert store.wishes() == {OTHER: base}
    store.give_up_wish(OTHER)
    store.give_up_wish("nobody's")
    store.wish(SESSION, base)
    store.delete(SESSION)
    assert store.wishes() == {}
    with pytest.raises(UnknownSession):
        store.wish(SESSION, base)


def test_a_session_comes_back_as_it_was_created(store: TranscriptStore) -> None:
    """Every field survives, times in any zone as the same instant."""
    zoned = record(OTHER, NOON.astimezone(tz=None), "a'; DROP TABLE sessions; --")
    store.create_session(zoned)
    assert store.session(OTHER) == zoned
    assert store.session(SESSION) == record()


def test_an_id_that_is_taken_or_malformed_is_refused(store: TranscriptStore) -> None:
    """Ids are made by the server; nothing else becomes one."""
    with pytest.raises(StoreError):
        store.create_session(record())
    with pytest.raises(StoreError, match="is not a session id"):
        store.create_session(record("../../etc/passwd"))
    assert [one.id for one in store.sessions()] == [SESSION]


@pytest.mark.parametrize(
    "text", ["", "0123456789abcde", "0123456789ABCDEF", SESSION + "\n", SESSION + "0", "%" * 16]
)
def test_only_sixteen_lower_case_hex_digits_are_an_id(store: TranscriptStore, text: str) -> None:
    """What comes from outside is checked before use, and is simply unknown."""
    assert not is_session_id(text)
    with pytest.raises(UnknownSession, match="there is no session"):
        store.transcript(text)
    assert is_session_id(secrets.token_hex(8))


def test_every_method_knows_which_sessions_there_are(store: TranscriptStore) -> None:
    """Asking about a session that is not there is the same error everywhere, and writes nothing."""
    calls = (
        lambda: store.session(OTHER),
        lambda: store.rename(OTHER, "x"),
        lambda: store.end_session(OTHER, NOON),
        lambda: store.delete(OTHER),
        lambda: store.save_resume(OTHER, ResumeRecord("", ())),
        lambda: store.add_events(OTHER, [final(1, "a")]),
        lambda: store.events_after(OTHER),
        lambda: store.last_event(OTHER),
        lambda: store.save_coverage(OTHER, {Source.MIC: LEDGER}),
        lambda: store.coverage(OTHER),
        lambda: store.transcript(OTHER),
    )
    for call in calls:
        with pytest.raises(UnknownSession):
            call()


def test_sessions_are_listed_newest_first_and_in_pages(store: TranscriptStore) -> None:
    """Pages neither overlap nor leave anything out."""
    for hour in range(1, 6):
        store.create_session(record(f"{hour:016x}", NOON + timedelta(hours=hour)))
    everything = [one.id for one in store.sessions()]
    assert everything == [*(f"{hour:016x}" for hour in (5, 4, 3, 2, 1)), SESSION]
    assert [one.id for page in range(3) for one in store.sessions(2, 2 * page)] == everything


def test_how_a_session_ended_is_known(store: TranscriptStore) -> None:
    """From its record."""
    later = NOON + timedelta(hours=1)
    store.end_session(SESSION, later, SessionState.INTERRUPTED)
    assert (store.session(SESSION).state, store.session(SESSION).ended) == (SessionState.INTERRUPTED, later)
    store.end_session(SESSION, later)
    assert store.session(SESSION).state is SessionState.ENDED


def test_a_session_does_not_end_before_it_began(store: TranscriptStore) -> None:
    """Also when the clock was set back meanwhile, whether it is stopped or ended then."""
    store.end_session(SESSION, NOON - timedelta(hours=2))
    assert store.session(SESSION).ended == NOON
    store.create_session(record(OTHER))
    store.stop_session(OTHER, NOON - timedelta(hours=2), ResumeRecord("0" * 64, (Source.MIC,)))
    assert store.session(OTHER).ended == NOON


def test_what_is_needed_to_go_on_is_kept_for_sessions_that_never_ended(store: TranscriptStore) -> None:
    """The newest record of each live session, until it ends."""
    store.create_session(record(OTHER))
    before = ResumeRecord("ab" * 32, (Source.MIC,), "de", "names: Ada", "Lovelace", partials=False)
    after = replace(before, origin_ms=12_345.678)
    store.save_resume(SESSION, before)
    store.save_resume(SESSION, after)
    store.save_resume(OTHER, before)
    store.end_session(OTHER, NOON)
    assert store.resumable() == {SESSION: after}


def test_a_new_title_replaces_the_old_one(store: TranscriptStore) -> None:
    """The title is the only thing in a session that its owner edits."""
    store.rename(SESSION, "Plänung ✓")
    assert store.transcript(SESSION).title == "Plänung ✓"


def test_missed_events_come_again_in_order(store: TranscriptStore) -> None:
    """What a client missed is exactly what was sent, of every kind, with its number."""
    events = [
        final(1, "a", 0.0),
        StoredEvent(2, Gap(Source.SYSTEM, 5, 9, "overload", GapStatus.PENDING)),
        final(3, "b", 2.0),
        StoredEvent(4, Revision(("a", "b"), (segment("c", 0.0), segment("d", 2.5)), "better model")),
        StoredEvent(5, Revision((), (), "nothing was said")),
    ]
    store.add_events(SESSION, events[:2])
    store.add_events(SESSION, events[2:])
    for seen in range(6):
        assert store.events_after(SESSION, seen) == events[seen:]
    assert store.last_event(SESSION) == 5


def test_storing_an_event_again_does_no_harm(store: TranscriptStore) -> None:
    """A retry after an unclear error changes nothing."""
    store.add_events(SESSION, [final(1, "a")])
    store.add_events(SESSION, [final(1, "a"), final(2, "b", 2.0)])
    assert store.events_after(SESSION) == [final(1, "a"), final(2, "b", 2.0)]


@pytest.mark.parametrize(
    "broken",
    [
        final(1, "a", text="other words"),
        final(1, "z"),
        final(2, "a"),
        StoredEvent(2, Revision(("nobody",), (segment("z"),), "better")),
        StoredEvent(2, Revision(("a", "a"), (segment("z"),), "better")),
        StoredEvent(2, Revision(("z",), (segment("z"),), "better")),
        StoredEvent(0, Final(segment("z"))),
    ],
    ids=["other text", "other segment", "other number", "replaces nobody", "twice", "itself", "no number"],
)
def test_what_is_final_never_changes(store: TranscriptStore, broken: StoredEvent) -> None:
    """An event that contradicts the stored ones is refused together with its batch."""
    store.add_events(SESSION, [final(1, "a")])
    with pytest.raises(StoreError):
        store.add_events(SESSION, [final(3, "fine", 9.0), broken])
    assert store.events_after(SESSION) == [final(1, "a")]


def test_a_replaced_segment_cannot_be_replaced_again(store: TranscriptStore) -> None:
    """A second revision has to name what is valid now."""
    store.add_events(SESSION, [final(1, "a"), StoredEvent(2, Revision(("a",), (segment("b"),), "better"))])
    with pytest.raises(StoreError, match="no segment a that event 3 could replace"):
        store.add_events(SESSION, [StoredEvent(3, Revision(("a",), (segment("c"),), "better still"))])
    store.add_events(SESSION, [StoredEvent(3, Revision(("b",), (segment("c"),), "better still"))])
    assert [one.id for one in store.transcript(SESSION).segments] == ["c"]


def test_the_transcript_is_in_the_order_of_speech_with_its_ledgers(store: TranscriptStore) -> None:
    """Segments stand by time and source, whenever they became final; the last ledger saved counts."""
    system = Segment("s", Source.SYSTEM, 0.0, 2.0, "hello", 0, 32_000)
    store.add_events(SESSION, [final(1, "b", 4.0), StoredEvent(2, Final(system)), final(3, "a", 0.0)])
    store.save_coverage(SESSION, {Source.MIC: Coverage(5, 5, 5), Source.SYSTEM: Coverage()})
    store.save_coverage(SESSION, {Source.MIC: LEDGER})
    transcript = store.transcript(SESSION)
    assert [one.id for one in transcript.segments] == ["a", "s", "b"]
    assert transcript.coverage == store.coverage(SESSION) == {Source.MIC: LEDGER, Source.SYSTEM: Coverage()}
    assert (transcript.session, transcript.created, transcript.model) == (SESSION, NOON, "tiny.en")


def test_deleting_leaves_no_trace_in_the_files(store: TranscriptStore) -> None:
    """A deleted session is gone from every list and its words from the disk; others stay."""
    store.create_session(record(OTHER))
    store.add_events(OTHER, [final(1, "a")])
    store.add_events(SESSION, [final(1, "a", text="xylophone secret")])
    store.save_coverage(SESSION, {Source.MIC: LEDGER})
    store.delete(SESSION)
    assert [one.id for one in store.sessions()] == [OTHER]
    assert store.events_after(OTHER) == [final(1, "a")]
    assert [path for path in store.path.parent.iterdir() if b"xylophone" in path.read_bytes()] == []


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
numbers = st.floats(0, 1e6)
words = st.builds(Word, numbers, numbers, texts, st.floats(0, 1))


segments = st.builds(
    Segment,
    st.just("a"),
    st.sampled_from(Source),
    numbers,
    numbers,
    texts,
    st.integers(0, 2**62),
    st.integers(0, 2**62),
    st.lists(words, max_size=3).map(tuple),
    st.none() | texts,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TranscriptStore]:
    """One store for all examples of a property; each makes its own session."""
    with TranscriptStore(tmp_path_factory.mktemp("shared")) as opened:
        yield opened


@given(one=segments)
def test_any_text_and_time_comes_back_unchanged(shared: TranscriptStore, one: Segment) -> None:
    """No character, quote or fraction of a second is lost on the way through the file."""
    session = secrets.token_hex(8)
    shared.create_session(record(session, title=one.text))
    shared.add_events(session, [StoredEvent(1, Final(one))])
    assert shared.events_after(session) == [StoredEvent(1, Final(one))]
    assert shared.transcript(session).title == one.text


def test_half_a_surrogate_pair_is_refused(store: TranscriptStore) -> None:
    """Text that UTF-8 cannot hold is an error of ours and leaves the store usable."""
    with pytest.raises(StoreError, match="surrogate"):
        store.rename(SESSION, "\ud800")
    assert store.session(SESSION).title == "Standup"


def test_only_its_owner_can_read_the_file(tmp_path: Path) -> None:
    """Transcripts are private also on a machine with several users."""
    with TranscriptStore(tmp_path / "new" / "data") as opened:
        assert opened.path.parent.stat().st_mode & 0o777 == 0o700
        files = [path.stat().st_mode & 0o777 for path in opened.path.parent.iterdir()]
    assert set(files) == {0o600}


def test_another_thread_may_use_the_store(store: TranscriptStore) -> None:
    """The server makes the store on one thread and uses it on another."""
    thread = threading.Thread(target=store.rename, args=(SESSION, "from a thread"))
    thread.start()
    thread.join()
    assert store.session(SESSION).title == "from a thread"


def test_another_process_reads_and_deletes_meanwhile(store: TranscriptStore) -> None:
    """The command line works on the data directory of a running server, and each sees the other's changes."""
    store.add_events(SESSION, [final(1, "a")])
    code = (
        "import sys; from pathlib import Path; from echopanel.store.transcripts import TranscriptStore\n"
        "with TranscriptStore(Path(sys.argv[1])) as store:\n"
        "    print(store.transcript(sys.argv[2]).segments[0].text); store.delete(sys.argv[2])"
    )
    command = [sys.executable, "-c", code, str(store.path.parent), SESSION]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "so far\n"
    assert store.sessions() == []


def test_what_was_stored_survives_a_killed_process(tmp_path: Path) -> None:
    """A process that ends without closing anything has lost nothing that a call returned for."""
    code = (
        "import os, sys; from pathlib import Path; from datetime import datetime, UTC\n"
        "from echopanel.store.transcripts import SessionRecord, TranscriptStore\n"
        "store = TranscriptStore(Path(sys.argv[1]))\n"
        "store.create_session(SessionRecord(sys.argv[2], datetime.now(UTC)))\n"
        "os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path), SESSION], check=False)
    assert done.returncode == -9
    with TranscriptStore(tmp_path) as opened:
        assert opened.session(SESSION).state is SessionState.LIVE


@pytest.mark.parametrize("replaced", [False, True])
def test_a_store_whose_file_was_removed_takes_nothing_more(store: TranscriptStore, replaced: bool) -> None:
    """SQLite would write on to a file that nobody can open any more."""
    for path in store.path.parent.iterdir():
        path.unlink()
    if replaced:
        TranscriptStore(store.path.parent).close()
    with pytest.raises(DiskError, match="do not remove files") as caught:
        store.add_events(SESSION, [final(1, "a")])
    assert caught.value.trouble is Trouble.MISSING


def test_a_session_and_what_it_takes_to_resume_it_are_there_at_once(
    store: TranscriptStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be kept of the one leaves nothing of the other."""
    resume = ResumeRecord("ab" * 32, (Source.MIC,))

    def fail(unfit: ResumeRecord) -> str:
        raise StoreError(f"{unfit} cannot be kept")

    with monkeypatch.context() as patch:
        patch.setattr("echopanel.store.transcripts.resume_to_text", fail)
        with pytest.raises(StoreError, match="cannot be kept"):
            store.create_session(record(OTHER), resume)
    assert not store.known(OTHER)
    store.create_session(record(OTHER), resume)
    assert store.resumable() == {OTHER: resume}


def test_several_processes_may_open_a_new_store_at_once(tmp_path: Path) -> None:
    """Whoever comes first makes the tables; the others wait for them."""
    code = (
        "import sys; from pathlib import Path; from echopanel.store.transcripts import TranscriptStore\n"
        "for number in range(20):\n"
        "    print(number, flush=True); sys.stdin.readline()\n"
        "    TranscriptStore(Path(sys.argv[1]) / str(number)).close()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(4)]
    for number in range(20):
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == f"{number}\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
    assert [process.communicate()[1] for process in processes] == [""] * 4
    assert [process.returncode for process in processes] == [0] * 4


# --- files that cannot be used --------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough" * 50, b"SQLite format 3\0" + b"\xff" * 4096]
)
def test_a_damaged_file_is_refused_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    """Neither silently emptied nor a traceback."""
    path = tmp_path / "transcripts.sqlite3"
    path.write_bytes(content)
    with pytest.raises(DiskError, match="move the file away") as caught:
        TranscriptStore(tmp_path)
    assert caught.value.trouble is Trouble.DAMAGED
    assert path.read_bytes() == content


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    """An older program does not touch what it cannot understand."""
    with sqlite3.connect(tmp_path / "transcripts.sqlite3") as newer:
        newer.execute("PRAGMA user_version = 999")
    newer.close()
    with pytest.raises(StoreError, match=r"newer EchoPanel .schema 999, .*; update EchoPanel"):
        TranscriptStore(tmp_path)


def test_an_older_schema_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that are missing run once, in order, and the data stay."""
    with TranscriptStore(tmp_path) as opened:
        opened.create_session(record())
    further = (
        ("ALTER TABLE sessions ADD COLUMN mood TEXT",),
        ("UPDATE sessions SET mood = 'fine'", "UPDATE sessions SET title = title || mood"),
    )
    monkeypatch.setattr(schema, "MIGRATIONS", MIGRATIONS + further)
    for _ in range(2):
        with TranscriptStore(tmp_path) as opened:
            assert opened.session(SESSION).title == "Standupfine"


def test_a_failed_migration_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A schema is never left between two versions."""
    TranscriptStore(tmp_path).close()
    broken = (("ALTER TABLE sessions ADD COLUMN mood TEXT", "SELECT nonsense"),)
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", MIGRATIONS + broken)
        with pytest.raises(StoreError, match="nonsense"):
            TranscriptStore(tmp_path)
    with TranscriptStore(tmp_path) as opened:
        opened.create_session(record())


def test_a_place_that_cannot_be_a_directory_is_named(tmp_path: Path) -> None:
    """The message says which path is the trouble."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="file"):
        TranscriptStore(tmp_path / "file" / "data")
    (tmp_path / "data" / "transcripts.sqlite3").mkdir(parents=True)
    with pytest.raises(DiskError, match=r"transcripts\.sqlite3"):
        TranscriptStore(tmp_path / "data")


def test_a_full_disk_costs_one_call_and_no_data(store: TranscriptStore) -> None:
    """What does not fit is refused as a whole; with room again the same call works."""
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    large = [final(1, "a"), final(2, "b", 2.0, "so " * 20_000)]
    with pytest.raises(DiskError, match="free some disk space"):
        store.add_events(SESSION, large)
    assert store.events_after(SESSION) == []
    store._connection.execute("PRAGMA max_page_count = 100000")
    store.add_events(SESSION, large)
    assert store.last_event(SESSION) == 2


def test_a_store_that_became_read_only_can_be_read(store: TranscriptStore) -> None:
    """Writing says what to do, reading goes on."""
    store._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(DiskError, match="choose another data directory"):
        store.rename(SESSION, "x")
    assert store.session(SESSION).title == "Standup"


def test_a_lock_that_is_not_released_is_not_waited_for_for_ever(store: TranscriptStore) -> None:
    """Another process that hangs inside a write leads to an error that says so."""
    store._connection.execute("PRAGMA busy_timeout = 0")
    hanging = sqlite3.connect(store.path, isolation_level=None)
    hanging.execute("BEGIN IMMEDIATE")
    with pytest.raises(DiskError, match="database is locked"):
        store.rename(SESSION, "x")
    hanging.close()
    store.rename(SESSION, "y")
    assert store.session(SESSION).title == "y"


@pytest.mark.parametrize(("durable", "level"), [(False, 1), (True, 2)])
def test_the_end_of_a_session_is_always_on_the_medium(tmp_path: Path, durable: bool, level: int) -> None:
    """Its audio is deleted then; everything else is only where every write is to be durable."""
    with TranscriptStore(tmp_path, durable=durable) as store:
        store.create_session(record())
        levels: list[int] = []
        store._connection.set_trace_callback(
            lambda sql: levels.append(synchronous(store)) if sql.startswith("UPDATE") else None
        )
        store.rename(SESSION, "Retrospective")
        store.end_session(SESSION, NOON)
        store.rename(SESSION, "Standup")
    assert levels == [level, 2, level]


def test_what_resumes_a_session_is_kept_beyond_its_end(tmp_path: Path) -> None:
    """For a client that missed it; a session that never had any has none."""
    kept = ResumeRecord("ab" * 32, (Source.MIC,))
    with TranscriptStore(tmp_path) as store:
        store.create_session(record())
        assert store.resume(SESSION) is None
        store.save_resume(SESSION, kept)
        store.end_session(SESSION, NOON)
        assert store.resume(SESSION) == kept
        with pytest.raises(UnknownSession):
            store.resume(OTHER)


def synchronous(store: TranscriptStore) -> int:
    """How durable a commit is now: 1 NORMAL, 2 FULL."""
    return int(store._connection.execute("PRAGMA synchronous").fetchone()[0])
