"""Values as rows of the transcript store and back."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final as Constant

from pydantic import TypeAdapter

from echopanel.audio import Source
from echopanel.transcript import (
    Coverage,
    Final,
    Gap,
    LostRange,
    Refined,
    Revision,
    Segment,
    TranscriptEvent,
    Word,
)

_WORDS: Constant = TypeAdapter(tuple[Word, ...])
_GAP: Constant = TypeAdapter(Gap)
_REVISION: Constant = TypeAdapter(Revision)
_RANGES: Constant = TypeAdapter(tuple[LostRange, ...])
_REFINED: Constant = TypeAdapter(Refined)


class SessionState(StrEnum):
    """Whether a session still runs, was stopped, or ended without `stop`.

    Completing: it was stopped, and what is pending is still being recognised. In the file such a session is
    live and has an end, so that any process that finds it unfinished takes it up.
    """

    LIVE = "live"
    COMPLETING = "completing"
    ENDED = "ended"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """What is known of a session besides its text; `created` and `ended` are wall time with a zone."""

    id: str
    created: datetime
    title: str = ""
    language: str | None = None
    provider: str = ""
    model: str = ""
    continues: str | None = None
    state: SessionState = SessionState.LIVE
    ended: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """Something a client must not miss, with its number in the session, from 1."""

    number: int
    event: TranscriptEvent


@dataclass(frozen=True, slots=True)
class Wish:
    """The model that a second pass was asked for with."""

    provider: str
    model: str


@dataclass(frozen=True, slots=True)
class ResumeRecord:
    """What a session needs to be taken up again by another process.

    `token_sha256`: hexadecimal; the token itself is the client's. `origin_ms`: the capture time that counts
    as zero on the session clock, once it is known; `offsets`: seconds by which each source is ahead of its
    nominal time there. `stopped`: the sample where each source ended, once the client has said so and left
    the rest to us.
    """

    token_sha256: str
    sources: tuple[Source, ...]
    language: str | None = None
    prompt: str = ""
    hotwords: str = ""
    partials: bool = True
    origin_ms: float | None = None
    offsets: dict[Source, float] = field(default_factory=dict)
    stopped: dict[Source, int] | None = None


_RESUME: Constant = TypeAdapter(ResumeRecord)


class _Kind(StrEnum):
    FINAL = "final"
    REVISION = "revision"
    GAP = "gap"


Row = tuple[str | int | float | None, ...]

INSERT_SESSION: Constant = """
    INSERT INTO sessions (id, title, created, ended, state, language, provider, model, continues)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
INSERT_EVENT: Constant = "INSERT INTO events (session, number, kind, payload) VALUES (?, ?, ?, ?)"
INSERT_SEGMENT: Constant = """
    INSERT INTO segments
        (session, event, place, id, source, start, "end", text, start_sample, end_sample, words, language)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
REPLACE_COVERAGE: Constant = """
    INSERT OR REPLACE INTO coverage
        (session, source, captured, received, transcribed, silence, pending, lost, lost_ranges)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def resume_to_text(record: ResumeRecord) -> str:
    """As JSON."""
    text: bytes = _RESUME.dump_json(record)
    return text.decode()


def text_to_resume(text: str) -> ResumeRecord:
    """The inverse of `resume_to_text`."""
    record: ResumeRecord = _RESUME.validate_json(text)
    return record


def refined_to_text(refined: Refined) -> str:
    """As JSON."""
    text: bytes = _REFINED.dump_json(refined)
    return text.decode()


def text_to_refined(text: str) -> Refined:
    """The inverse of `refined_to_text`."""
    refined: Refined = _REFINED.validate_json(text)
    return refined


def time_to_text(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds, so that text sorts as time does."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def session_to_row(record: SessionRecord) -> Row:
    """For `INSERT_SESSION`."""
    return (
        record.id,
        record.title,
        time_to_text(record.created),
        time_to_text(record.ended) if record.ended else None,
        record.state,
        record.language,
        record.provider,
        record.model,
        record.continues,
    )


def row_to_session(row: sqlite3.Row) -> SessionRecord:
    """The inverse of `session_to_row`."""
    return SessionRecord(
        id=row["id"],
        title=row["title"],
        created=datetime.fromisoformat(row["created"]),
        ended=datetime.fromisoformat(row["ended"]) if row["ended"] else None,
        state=_state(row),
        language=row["language"],
        provider=row["provider"],
        model=row["model"],
        continues=row["continues"],
    )


def _state(row: sqlite3.Row) -> SessionState:
    state = SessionState(row["state"])
    return SessionState.COMPLETING if state is SessionState.LIVE and row["ended"] else state


def event_to_row(session: str, stored: StoredEvent) -> Row:
    """For `INSERT_EVENT`; the segments of an event are rows of their own."""
    match stored.event:
        case Final():
            kind, payload = _Kind.FINAL, "{}"
        case Revision() as revision:
            kind, payload = _Kind.REVISION, _REVISION.dump_json(replace(revision, segments=())).decode()
        case Gap() as gap:
            kind, payload = _Kind.GAP, _GAP.dump_json(gap).decode()
    return session, stored.number, kind, payload


def row_to_event(row: sqlite3.Row, segments: Sequence[Segment]) -> StoredEvent:
    """The inverse of `event_to_row`, given the event's segments in order."""
    match _Kind(row["kind"]):
        case _Kind.FINAL:
            event: TranscriptEvent = Final(segments[0])
        case _Kind.REVISION:
            event = replace(_REVISION.validate_json(row["payload"]), segments=tuple(segments))
        case _Kind.GAP:
            event = _GAP.validate_json(row["payload"])
    return StoredEvent(row["number"], event)


def segments_of(event: TranscriptEvent) -> tuple[Segment, ...]:
    """The segments that an event brings."""
    match event:
        case Final(segment):
            return (segment,)
        case Revision():
            return event.segments
        case Gap():
            return ()


def segment_to_row(session: str, event: int, place: int, segment: Segment) -> Row:
    """For `INSERT_SEGMENT`."""
    return (
        session,
        event,
        place,
        segment.id,
        segment.source,
        segment.start,
        segment.end,
        segment.text,
        segment.start_sample,
        segment.end_sample,
        _WORDS.dump_json(segment.words).decode(),
        segment.language,
    )


def row_to_segment(row: sqlite3.Row) -> Segment:
    """The inverse of `segment_to_row`."""
    return Segment(
        id=row["id"],
        source=Source(row["source"]),
        start=row["start"],
        end=row["end"],
        text=row["text"],
        start_sample=row["start_sample"],
        end_sample=row["end_sample"],
        words=_WORDS.validate_json(row["words"]),
        language=row["language"],
    )


def coverage_to_row(session: str, source: Source, ledger: Coverage) -> Row:
    """For `REPLACE_COVERAGE`."""
    return (
        session,
        source,
        ledger.captured,
        ledger.received,
        ledger.transcribed,
        ledger.silence,
        ledger.pending,
        ledger.lost,
        _RANGES.dump_json(ledger.lost_ranges).decode(),
    )


def row_to_coverage(row: sqlite3.Row) -> tuple[Source, Coverage]:
    """The inverse of `coverage_to_row`."""
    return Source(row["source"]), Coverage(
        captured=row["captured"],
        received=row["received"],
        transcribed=row["transcribed"],
        silence=row["silence"],
        pending=row["pending"],
        lost=row["lost"],
        lost_ranges=_RANGES.validate_json(row["lost_ranges"]),
    )
