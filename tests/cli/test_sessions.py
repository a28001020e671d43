"""`echopanel sessions`, on a real data directory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from echopanel.audio import Source
from echopanel.store.archive import Archive
from echopanel.store.fsync import FsyncPolicy
from echopanel.store.journal import Journal
from echopanel.store.transcripts import (
    ResumeRecord,
    SessionRecord,
    SessionState,
    StoredEvent,
    TranscriptStore,
)
from echopanel.transcript import Coverage, Final, LostRange, Refined, Segment
from tests.cli.conftest import Program

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
ENDED, LIVE, UNKNOWN = "0123456789abcdef", "fedcba9876543210", "0000000000000000"
TEXT = "[00:00:01] Good morning.\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TranscriptStore]:
    """One session that ended and one that runs; open, as it is while a server runs."""
    with TranscriptStore(tmp_path / "data") as opened:
        opened.create_session(SessionRecord(ENDED, NOON, "Standup\x1b[2J", "en", "faster-whisper", "tiny.en"))
        segment = Segment("a", Source.MIC, 1.0, 2.0, "Good morning.", 16_000, 32_000)
        opened.add_events(ENDED, [StoredEvent(1, Final(segment))])
        opened.end_session(ENDED, NOON + timedelta(seconds=3725))
        opened.create_session(SessionRecord(LIVE, NOON + timedelta(hours=2)))
        yield opened


@pytest.fixture
def data(store: TranscriptStore) -> str:
    """The option that names the data directory."""
    return f"--data-dir={store.path.parent}"


def test_sessions_are_listed_newest_first(program: Program, data: str) -> None:
    """A line each with id, length, state and title, and nothing in it that could steer a terminal."""
    result = program("sessions", "list", data)
    lines = result.stdout.splitlines()
    assert (result.exit_code, result.stderr) == (0, "")
    assert [line.split()[0] for line in lines] == [LIVE, ENDED]
    assert lines[0].split()[3:] == ["-", "live"]
    assert lines[1].split()[3:] == ["1:02:05", "ended", "Standup�[2J"]
    assert program("sessions", "list", data, "--limit", "1", "--offset", "1").stdout == lines[1] + "\n"


def test_a_listing_for_programs_is_json(program: Program, data: str) -> None:
    """One object a line with every field."""
    records = [json.loads(line) for line in program("sessions", "list", data, "--json").stdout.splitlines()]
    assert [record["id"] for record in records] == [LIVE, ENDED]
    assert records[1]["model"] == "tiny.en"
    assert datetime.fromisoformat(records[1]["created"]) == NOON


def test_looking_makes_no_directory(program: Program, tmp_path: Path) -> None:
    """A misspelt directory is simply empty."""
    result = program("sessions", "list", "--data-dir", tmp_path / "typo")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no sessions\n")
    assert not (tmp_path / "typo").exists()
    assert program.refusal("sessions", "show", ENDED, "--data-dir", tmp_path / "typo")[0] == 1


def test_a_session_is_shown_with_its_ledger_and_text(
    program: Program, store: TranscriptStore, data: str
) -> None:
    """Everything about it on one page."""
    ledger = Coverage(32_000, 32_000, 16_000, 0, 0, 16_000, (LostRange(0, 16_000, "not_received"),))
    store.save_coverage(ENDED, {Source.MIC: ledger})
    shown = program("sessions", "show", ENDED, data).stdout
    assert "title:     Standup�[2J\n" in shown
    assert "length:    1:02:05 (ended)\n" in shown
    assert "model:     faster-whisper tiny.en\n" in shown
    assert "mic:       2.0 s captured, 2.0 s received, 1.0 s transcribed" in shown
    assert shown.endswith(
        f"\n{TEXT}\nMissing from this transcript:\n"
        "Audio: 1.0 s are lost, 00:00:00 to 00:00:01 (not_received)\n"
    )


def test_a_transcript_is_exported_to_stdout_or_a_file(program: Program, data: str, tmp_path: Path) -> None:
    """The same text either way; in a directory the file is named after the session."""
    assert program("sessions", "export", ENDED, data).stdout == TEXT
    srt = program("sessions", "export", ENDED, data, "--format", "srt").stdout
    assert srt == "1\n00:00:01,000 --> 00:00:02,000\nGood morning.\n"
    result = program("sessions", "export", ENDED, data, "-f", "srt", "-o", tmp_path)
    assert (result.stdout, result.stderr) == ("", f"wrote {tmp_path / ENDED}.srt\n")
    assert (tmp_path / f"{ENDED}.srt").read_text() == srt


def test_an_existing_file_is_not_overwritten_by_mistake(program: Program, data: str, tmp_path: Path) -> None:
    """Only with --force."""
    file = tmp_path / "kept.txt"
    file.write_text("precious")
    code, line = program.refusal("sessions", "export", ENDED, data, "-o", file)
    assert code == 1
    assert "--force" in line
    assert file.read_text() == "precious"
    assert program("sessions", "export", ENDED, data, "-o", file, "--force").exit_code == 0
    assert file.read_text() == TEXT


def test_sessions_are_found_by_their_words(program: Program, store: TranscriptStore, data: str) -> None:
    """A line for the session and one for each place, as people read it or as JSON."""
    segment = Segment("b", Source.SYSTEM, 3.0, 4.0, "Morning\x1b[2J!", 48_000, 64_000)
    store.add_events(LIVE, [StoredEvent(1, Final(segment))])
    lines = program("sessions", "search", "morn", data).stdout.splitlines()
    assert [line.split()[0] for line in lines] == [LIVE, "[00:00:03]", ENDED, "[00:00:01]"]
    assert lines[1::2] == ["  [00:00:03] Others: Morning�[2J!", "  [00:00:01] You: Good morning."]
    [row] = program("sessions", "search", "good", data, "--json").stdout.splitlines()
    assert json.loads(row)["hits"][0]["parts"][0] == {"text": "Good", "hit": True}
    nothing = program("sessions", "search", "evening", data)
    assert (nothing.exit_code, nothing.stdout, nothing.stderr) == (0, "", "nothing found\n")


def test_a_session_is_renamed(program: Program, store: TranscriptStore, data: str) -> None:
    """The server that runs meanwhile sees it at once."""
    assert program("sessions", "rename", ENDED, " Budget  2027", data).exit_code == 0
    assert store.session(ENDED).title == "Budget 2027"
    code, line = program.refusal("sessions", "rename", UNKNOWN, "x", data)
    assert (code, UNKNOWN in line) == (1, True)


@pytest.mark.parametrize("command", ["show", "export", "delete"])
@pytest.mark.parametrize("session", [UNKNOWN, "../../etc/passwd", ""])
def test_an_unknown_session_is_named_with_the_way_to_the_others(
    program: Program, data: str, command: str, session: str
) -> None:
    """Whatever was typed, the answer is one line."""
    code, line = program.refusal("sessions", command, session, data)
    assert (code, line) == (
        1,
        f"there is no session {session!r}; `echopanel sessions list` shows those there are",
    )


def test_sessions_are_deleted_for_good(program: Program, store: TranscriptStore, data: str) -> None:
    """The server that runs meanwhile sees it at once."""
    result = program("sessions", "delete", "--yes", ENDED, data)
    assert (result.exit_code, result.stderr) == (0, f"deleted {ENDED}\n")
    assert [one.id for one in store.sessions()] == [LIVE]


def test_deleting_asks_first_and_refuses_where_nobody_can_answer(
    program: Program, store: TranscriptStore, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer is no; on a terminal only "y" deletes."""
    assert "--yes" in program.refusal("sessions", "delete", ENDED, data)[1]
    monkeypatch.setattr("echopanel.cli.sessions._asked_by_a_person", lambda: True)
    assert program("sessions", "delete", ENDED, data, stdin="n\n").exit_code == 0
    assert len(store.sessions()) == 2
    assert program("sessions", "delete", ENDED, data, stdin="y\n").exit_code == 0
    assert len(store.sessions()) == 1


def test_a_running_session_is_not_deleted_by_mistake(
    program: Program, store: TranscriptStore, data: str
) -> None:
    """One that a crashed server left behind can be, on demand, with the audio that it left."""
    audio = store.path.parent / "journal" / LIVE
    audio.mkdir(parents=True)
    assert "stop it first" in program.refusal("sessions", "delete", "--yes", LIVE, data)[1]
    assert program("sessions", "delete", "--yes", "--live", LIVE, data).exit_code == 0
    assert [(one.id, one.state) for one in store.sessions()] == [(ENDED, SessionState.ENDED)]
    assert not audio.exists()


def test_a_damaged_store_is_one_line(program: Program, tmp_path: Path) -> None:
    """What is wrong and what to do, no traceback."""
    (tmp_path / "transcripts.sqlite3").write_bytes(b"garbage" * 1000)
    code, line = program.refusal("sessions", "list", "--data-dir", tmp_path)
    assert code == 1
    assert line.endswith("move the file away to go on without it")


def test_a_refined_session_is_shown_and_exported_in_editions(
    program: Program, store: TranscriptStore, data: str
) -> None:
    """The second pass by default, either text where it is asked for."""
    assert "no second pass" not in program("sessions", "export", ENDED, data).stdout
    code, message = program.refusal("sessions", "export", ENDED, data, "--edition", "refined")
    assert (code, "sessions refine" in message) == (1, True)
    again = Segment("mic-second-1", Source.MIC, 1.0, 2.0, "Good mourning.", 16_000, 32_000)
    store.save_refined(ENDED, Refined(NOON, "faster-whisper", "base", (again,), {Source.MIC: ((0, 48_000),)}))
    refined = TEXT.replace("morning", "mourning")
    texts = {
        edition: program("sessions", "export", ENDED, data, "--edition", edition).stdout
        for edition in ("merged", "refined", "live")
    }
    assert texts == {"merged": refined, "refined": refined, "live": TEXT}
    shown = program("sessions", "show", ENDED, data).stdout
    assert "refined:   faster-whisper base, " in shown
    assert shown.endswith(refined)
    assert program("sessions", "show", ENDED, data, "--edition", "live").stdout.endswith(TEXT)


def test_what_cannot_be_refined_says_why(program: Program, store: TranscriptStore, data: str) -> None:
    """A session that runs, is being completed, has no recording, is not there; a model that is not here."""

    def refusal(session: str, *options: str) -> tuple[int, str]:
        return program.refusal("sessions", "refine", session, data, *(options or ("--model", "tiny.en")))

    assert refusal(LIVE) == (1, f"session {LIVE} is not complete; stop it first")
    store.stop_session(LIVE, NOON, ResumeRecord("ab" * 32, (Source.MIC,), stopped={}))
    assert refusal(LIVE)[1].endswith("come back when what is pending has become text")
    code, message = program.refusal("sessions", "delete", LIVE, data, "--yes")
    assert (code, "--live" in message) == (1, True)
    code, message = refusal(ENDED)
    assert (code, "no recording" in message, "--record" in message) == (1, True, True)
    assert refusal(UNKNOWN)[0] == 1
    journal = Journal(store.path.parent / "journal", FsyncPolicy.NONE)
    journal.session(ENDED).source(Source.MIC).append(0, bytes(3200))
    Archive(store.path.parent).keep(journal.session(ENDED))
    journal.close()
    assert refusal(ENDED, "--model", "huge")[0] == 4
    assert refusal(ENDED, "--model", "medium")[1].endswith("install it with `echopanel models pull medium`")
    assert refusal(ENDED, "--model", "base", "--provider", "nobody")[0] == 2
