"""Full-text search: what is found, what is not any more, and files of earlier versions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from echopanel.audio import Source
from echopanel.store import schema
from echopanel.store.migrations import MIGRATIONS
from echopanel.store.search import HITS_SHOWN, to_match
from echopanel.store.transcripts import SessionRecord, StoredEvent, TranscriptStore
from echopanel.transcript import Final, Revision, Segment, Word

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
MONDAY, TUESDAY = "0123456789abcdef", "fedcba9876543210"


def segment(name: str, text: str, start: float = 0.0, source: Source = Source.MIC) -> Segment:
    """A second of speech."""
    return Segment(
        name, source, start, start + 1, text, round(start * 16_000), round(start * 16_000) + 16_000
    )


def say(store: TranscriptStore, session: str, *texts: str) -> None:
    """Make an utterance of each text, a second apart."""
    first = store.last_event(session)
    events = [
        StoredEvent(first + n, Final(segment(f"s{first + n}", text, n))) for n, text in enumerate(texts, 1)
    ]
    store.add_events(session, events)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TranscriptStore]:
    """Two sessions on two days."""
    with TranscriptStore(tmp_path / "data") as opened:
        opened.create_session(SessionRecord(MONDAY, NOON, "Budget"))
        opened.create_session(SessionRecord(TUESDAY, NOON + timedelta(days=1), "Standup"))
        yield opened


def found(store: TranscriptStore, query: str) -> list[str]:
    """The titles of what is found."""
    return [one.record.title for one in store.search(query)]


def test_sessions_are_found_by_what_was_said_newest_first(store: TranscriptStore) -> None:
    """All words of the query in one utterance, in any order, case and accents aside."""
    say(store, MONDAY, "The café opens at nine.", "It was the best of times.")
    say(store, TUESDAY, "A cafe, then.", "the worst of times")
    assert found(store, "CAFE") == found(store, "café") == ["Standup", "Budget"]
    assert found(store, "nine cafe") == ["Budget"]
    assert found(store, "best nine") == []
    assert found(store, '"best of times"') == ["Budget"]
    assert found(store, '"times of best"') == []
    assert [one.record.title for one in store.search("times", limit=1, offset=1)] == ["Budget"]


def test_the_last_word_may_be_a_beginning(store: TranscriptStore) -> None:
    """So that results come while somebody types; a space or a quote ends it."""
    say(store, MONDAY, "incredulity")
    assert found(store, "incred") == ["Budget"]
    assert found(store, "incred ") == []
    assert found(store, '"incred"') == []


def test_titles_are_found_too(store: TranscriptStore) -> None:
    """Without hits; a renamed session by its new title."""
    [one] = store.search("budg")
    assert (one.record.id, one.count, one.hits) == (MONDAY, 0, ())
    store.rename(MONDAY, "Plan")
    assert (found(store, "budg"), found(store, "plan")) == ([], ["Plan"])


def test_hits_say_where_and_mark_what_was_found(store: TranscriptStore) -> None:
    """The first few, and how many there are; the parts give the whole text."""
    say(store, MONDAY, *("one fish, two fish" for _ in range(5)))
    [one] = store.search("fish")
    assert (one.count, len(one.hits)) == (5, HITS_SHOWN)
    assert [hit.start for hit in one.hits] == [1.0, 2.0, 3.0]
    assert [(part.text, part.hit) for part in one.hits[0].parts] == [
        ("one ", False),
        ("fish", True),
        (", two ", False),
        ("fish", True),
    ]


def test_replaced_text_is_not_found_any_more(store: TranscriptStore) -> None:
    """What took its place is."""
    say(store, MONDAY, "wreck a nice beach")
    better = segment("better", "recognise speech", 1.0)
    store.add_events(MONDAY, [StoredEvent(2, Revision(("s1",), (better,), "repair"))])
    assert (found(store, "wreck"), found(store, "recognise")) == ([], ["Budget"])


def test_what_was_only_overheard_is_found_once(store: TranscriptStore) -> None:
    """In the source where it was said; a line that has words of its own too is found by those alone."""
    heard = tuple(Word(n, n + 0.5, text, bleed=True) for n, text in enumerate(("good", "morning")))
    own = Word(2.0, 2.5, "hello")
    lines = (
        segment("others", "good morning", 1.0, Source.SYSTEM),
        replace(segment("echo", "good morning", 1.1), words=heard),
        replace(segment("mixed", "good morning hello", 5.0), words=(*heard, own)),
    )
    store.add_events(MONDAY, [StoredEvent(n, Final(line)) for n, line in enumerate(lines, 1)])
    [one] = store.search("morning")
    assert (one.count, [hit.segment for hit in one.hits]) == (1, ["others"])
    [one] = store.search("hello")
    assert [(hit.segment, "".join(part.text for part in hit.parts)) for hit in one.hits] == [
        ("mixed", "hello")
    ]
    better = segment("better", "hello", 5.0)
    store.add_events(MONDAY, [StoredEvent(4, Revision(("mixed",), (better,), "repair"))])
    [one] = store.search("hello")
    assert [hit.segment for hit in one.hits] == ["better"]


def test_deleted_text_is_not_found_any_more(store: TranscriptStore) -> None:
    """Other sessions are."""
    say(store, MONDAY, "xylophone")
    say(store, TUESDAY, "xylophone")
    store.delete(MONDAY)
    assert found(store, "xylophone") == ["Standup"]
    check = "INSERT INTO search (search, rank) VALUES ('integrity-check', 1)"
    with sqlite3.connect(store.path) as connection:
        connection.execute(check)
    connection.close()


@pytest.mark.parametrize("version", [2, 3])
def test_a_file_of_an_earlier_version_is_searchable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    """Its text is indexed once, with what was replaced left out, and nothing else changes."""
    with monkeypatch.context() as earlier:
        earlier.setattr(schema, "MIGRATIONS", MIGRATIONS[:version])
        with TranscriptStore(tmp_path) as old:
            old.create_session(SessionRecord(MONDAY, NOON, "Budget"))
            say(old, MONDAY, "wreck a nice beach", "good morning")
            better = segment("better", "recognise speech", 1.0)
            old.add_events(MONDAY, [StoredEvent(3, Revision(("s1",), (better,), "repair"))])
            words = Word(1.0, 1.5, "echo", bleed=True), Word(1.5, 2.0, "own")
            mixed = replace(segment("mixed", "echo own", 1.0), words=words)
            old.add_events(MONDAY, [StoredEvent(4, Final(mixed))])
            before = old.events_after(MONDAY), old.transcript(MONDAY)
    with TranscriptStore(tmp_path) as new:
        assert (new.events_after(MONDAY), new.transcript(MONDAY)) == before
        assert (found(new, "wreck"), found(new, "recognise"), found(new, "morning")) == (
            [],
            ["Budget"],
            ["Budget"],
        )
        assert (found(new, "echo"), found(new, "own")) == ([], ["Budget"])
        say(new, MONDAY, "added later")
        assert found(new, "later") == ["Budget"]


@given(st.text(max_size=30))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_query_is_an_error(store: TranscriptStore, query: str) -> None:
    """Whatever is typed, it is words, never the language of the index."""
    text = query.encode("utf-8", "ignore").decode()
    assert all(one.record.title for one in store.search(text))


def test_what_has_no_letter_finds_nothing() -> None:
    """Instead of everything."""
    assert [to_match(query) for query in ("", " ", '"', "...", '"..."', "\0")] == [""] * 6
