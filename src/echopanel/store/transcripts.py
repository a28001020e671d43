"""Sessions, their text and their ledgers, in one SQLite file under the data directory."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Self

from echopanel.audio import Source
from echopanel.errors import StoreError, UnknownSession
from echopanel.store import schema
from echopanel.store.disk import DiskError, Trouble, identity
from echopanel.store.rows import (
    INSERT_EVENT,
    INSERT_SEGMENT,
    INSERT_SESSION,
    REPLACE_COVERAGE,
    ResumeRecord,
    SessionRecord,
    SessionState,
    StoredEvent,
    Wish,
    coverage_to_row,
    event_to_row,
    refined_to_text,
    resume_to_text,
    row_to_coverage,
    row_to_event,
    row_to_segment,
    row_to_session,
    segment_to_row,
    segments_of,
    session_to_row,
    text_to_refined,
    text_to_resume,
    time_to_text,
)
from echopanel.store.search import Found, search
from echopanel.transcript import Coverage, Refined, Revision, Segment, Transcript

__all__ = [
    "ResumeRecord",
    "SessionRecord",
    "SessionState",
    "StoredEvent",
    "TranscriptStore",
    "Wish",
    "is_session_id",
]

FILE_NAME = "transcripts.sqlite3"

_SESSION_ID = re.compile(r"[0-9a-f]{16}")


def is_session_id(text: str) -> bool:
    """Whether this has the form of our session ids, `secrets.token_hex(8)`; to be asked of what comes in."""
    return _SESSION_ID.fullmatch(text) is not None


class TranscriptStore:
    """The transcripts under `directory`.

    Blocking; for one thread at a time. Other processes may read and write meanwhile. Every method
    raises `StoreError` when the file cannot be used, and `UnknownSession` for an id that is malformed
    or not there.
    """

    def __init__(self, directory: Path, *, durable: bool = False) -> None:
        """`durable`: every write is on the medium on return, else soon; a power cut may cost what is not."""
        self.path = directory / FILE_NAME
        self._connection = schema.connect(self.path, durable=durable)
        self._identity = identity(self.path)
        self._connection.row_factory = sqlite3.Row

    def __repr__(self) -> str:
        return f"<TranscriptStore {self.path}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; harmless when closed already."""
        self._connection.close()

    def check(self) -> None:
        """Raise `StoreError` when nothing can be written now."""
        with self._writing():
            pass

    # --- sessions ---------------------------------------------------------------------------------

    def create_session(self, record: SessionRecord, resume: ResumeRecord | None = None) -> None:
        """Begin a session, whose id must be new, and keep what another process needs to go on with it."""
        if not is_session_id(record.id):
            raise StoreError(f"{record.id!r} is not a session id; make it with secrets.token_hex(8)")
        with self._writing():  # at once: a session that nobody can take up would count as live for ever
            self._connection.execute(INSERT_SESSION, session_to_row(record))
            if resume is not None:
                self._save_resume(record.id, resume)

    def sessions(self, limit: int = 100, offset: int = 0) -> list[SessionRecord]:
        """List sessions, newest first."""
        with self._reading():
            query = "SELECT * FROM sessions ORDER BY created DESC, id LIMIT ? OFFSET ?"
            rows = self._connection.execute(query, (limit, offset)).fetchall()
        return [row_to_session(row) for row in rows]

    def search(self, query: str, limit: int = 100, offset: int = 0) -> list[Found]:
        """Find sessions by their words and titles, newest first; see `echopanel.store.search`."""
        with self._reading():
            return search(self._connection, query, limit, offset)

    def session(self, session: str) -> SessionRecord:
        """Return what is known of a session."""
        with self._reading():
            return self._session(session)

    def known(self, session: str) -> bool:
        """Return whether there is such a session."""
        try:
            self.session(session)
        except UnknownSession:
            return False
        return True

    def save_resume(self, session: str, record: ResumeRecord) -> None:
        """Keep what another process needs to go on with a session."""
        with self._writing():
            self._session(session)
            self._save_resume(session, record)

    def resume(self, session: str) -> ResumeRecord | None:
        """Return what was kept to go on with a session, ended or not; None when nothing was."""
        with self._reading():
            self._session(session)
            query = "SELECT record FROM resumable WHERE session = ?"
            row = self._connection.execute(query, (session,)).fetchone()
        return None if row is None else text_to_resume(row["record"])

    def resumable(self) -> dict[str, ResumeRecord]:
        """Return what is needed to go on with the sessions that never ended."""
        with self._reading():
            rows = self._connection.execute(
                "SELECT session, record FROM resumable JOIN sessions ON id = session WHERE state = ?",
                (SessionState.LIVE,),
            ).fetchall()
        return {row["session"]: text_to_resume(row["record"]) for row in rows}

    def rename(self, session: str, title: str) -> None:
        """Give a session another title."""
        self._update("UPDATE sessions SET title = ? WHERE id = ?", title, session)

    def stop_session(self, session: str, ended: datetime, record: ResumeRecord) -> None:
        """Note that a session takes no more audio, and what is needed to complete it."""
        self.save_resume(session, record)
        # A clock that was set back must not let a session end before it began.
        self._update("UPDATE sessions SET ended = max(created, ?) WHERE id = ?", time_to_text(ended), session)

    def end_session(self, session: str, ended: datetime, state: SessionState = SessionState.ENDED) -> None:
        """Note that a session is over, since `ended` unless it was stopped earlier, and how.

        On return all its text is on the medium, so its audio may be deleted: a power cut must not bring back
        a session without either.
        """
        update = (
            "UPDATE sessions "
            "SET ended = max(created, CASE state WHEN 'live' THEN coalesce(ended, ?1) ELSE ?1 END), "
            "state = ?2 WHERE id = ?3"
        )
        with schema.durably(self._connection):
            self._update(update, time_to_text(ended), state, session)

    def delete(self, session: str) -> None:
        """Remove a session and its text for good."""
        with self._writing():
            self._session(session)
            self._connection.execute("DELETE FROM sessions WHERE id = ?", (session,))
            # The index only notes that words are gone; merging it takes them out.
            self._connection.execute("INSERT INTO search (search) VALUES ('optimize')")
        with schema.sqlite_errors(self.path):
            # The log still holds the old pages; moving it into the file and emptying it removes them.
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    # --- events and text --------------------------------------------------------------------------

    def add_events(self, session: str, events: Sequence[StoredEvent]) -> None:
        """Write events, all or none. What is stored never changes; storing the same again does no harm.

        Raises:
            StoreError: a number or a segment id is taken by something else, or a revision replaces
                a segment that is not there.
        """
        with self._writing():
            self._session(session)
            for stored in events:
                if not self._has(session, stored):
                    self._add(session, stored)

    def events_after(self, session: str, number: int = 0) -> list[StoredEvent]:
        """Return the events behind `number`, in order."""
        with self._reading():
            self._session(session)
            return self._events(session, number)

    def last_event(self, session: str, until: int | None = None) -> int:
        """Return the number of the newest event, of those up to `until`; 0 when there is none."""
        with self._reading():
            self._session(session)
            query = (
                "SELECT coalesce(max(number), 0) FROM events "
                "WHERE session = :session AND (:until IS NULL OR number <= :until)"
            )
            return int(self._connection.execute(query, {"session": session, "until": until}).fetchone()[0])

    def save_coverage(self, session: str, coverage: Mapping[Source, Coverage]) -> None:
        """Write the ledgers as they are now."""
        with self._writing():
            self._session(session)
            rows = [coverage_to_row(session, source, ledger) for source, ledger in coverage.items()]
            self._connection.executemany(REPLACE_COVERAGE, rows)

    def coverage(self, session: str) -> dict[Source, Coverage]:
        """Return the ledgers as they were saved last."""
        with self._reading():
            self._session(session)
            return self._coverage(session)

    def coverages(self, sessions: Iterable[str]) -> dict[str, dict[Source, Coverage]]:
        """Return the ledgers of several sessions as they were saved last."""
        with self._reading():
            return {session: self._coverage(session) for session in sessions}

    def transcript(self, session: str) -> Transcript:
        """Return a session's text in the order it was spoken, revisions applied, with its ledgers."""
        with self._reading():
            record = self._session(session)
            events = self._events(session, 0)
            coverage = self._coverage(session)
        return replace(
            Transcript.fold(stored.event for stored in events),
            session=record.id,
            title=record.title,
            created=record.created,
            language=record.language,
            provider=record.provider,
            model=record.model,
            coverage=coverage,
        )

    def save_refined(self, session: str, refined: Refined) -> None:
        """Keep what a second pass heard, in place of what an earlier one did and of the wish for it."""
        with self._writing():
            self._session(session)
            self._connection.execute("DELETE FROM wished WHERE session = ?", (session,))
            statement = "INSERT OR REPLACE INTO refined (session, result) VALUES (?, ?)"
            self._connection.execute(statement, (session, refined_to_text(refined)))

    def refined(self, session: str) -> Refined | None:
        """Return what the newest second pass heard; None when there was none."""
        with self._reading():
            self._session(session)
            query = "SELECT result FROM refined WHERE session = ?"
            row = self._connection.execute(query, (session,)).fetchone()
        return None if row is None else text_to_refined(row["result"])

    def wish(self, session: str, wish: Wish) -> None:
        """Keep in mind which second pass was asked for."""
        with self._writing():
            self._session(session)
            statement = "INSERT OR REPLACE INTO wished (session, provider, model) VALUES (?, ?, ?)"
            self._connection.execute(statement, (session, wish.provider, wish.model))

    def give_up_wish(self, session: str) -> None:
        """There will be no second pass, unless it is asked for again."""
        with self._writing():
            self._connection.execute("DELETE FROM wished WHERE session = ?", (session,))

    def wishes(self) -> dict[str, Wish]:
        """Return the second passes that were asked for and have not been done, by session, oldest first."""
        with self._reading():
            rows = self._connection.execute("SELECT session, provider, model FROM wished ORDER BY number")
            return {session: Wish(provider, model) for session, provider, model in rows}

    # --- inside a transaction ---------------------------------------------------------------------

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if identity(self.path) != self._identity:  # SQLite would write to a file that nobody finds any more
            raise DiskError(self.path, Trouble.MISSING, "another file has taken its place")
        with schema.sqlite_errors(self.path), schema.writing(self._connection):
            yield

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with schema.sqlite_errors(self.path), schema.reading(self._connection):
            yield

    def _session(self, session: str) -> SessionRecord:
        query = "SELECT * FROM sessions WHERE id = ?"
        row = self._connection.execute(query, (session,)).fetchone() if is_session_id(session) else None
        if row is None:
            raise UnknownSession(session)
        return row_to_session(row)

    def _save_resume(self, session: str, record: ResumeRecord) -> None:
        statement = "INSERT OR REPLACE INTO resumable (session, record) VALUES (?, ?)"
        self._connection.execute(statement, (session, resume_to_text(record)))

    def _update(self, statement: str, *values: str) -> None:
        """Run `statement`, whose last value is the session."""
        with self._writing():
            self._session(values[-1])
            self._connection.execute(statement, values)

    def _events(self, session: str, after: int, until: int | None = None) -> list[StoredEvent]:
        span = {"session": session, "after": after, "until": until}
        events = self._connection.execute(
            "SELECT * FROM events "
            "WHERE session = :session AND number > :after AND (:until IS NULL OR number <= :until) "
            "ORDER BY number",
            span,
        ).fetchall()
        rows = self._connection.execute(
            "SELECT * FROM segments "
            "WHERE session = :session AND event > :after AND (:until IS NULL OR event <= :until) "
            "ORDER BY event, place",
            span,
        ).fetchall()
        segments: dict[int, list[Segment]] = {}
        for row in rows:
            segments.setdefault(row["event"], []).append(row_to_segment(row))
        return [row_to_event(row, segments.get(row["number"], [])) for row in events]

    def _has(self, session: str, stored: StoredEvent) -> bool:
        found = self._events(session, stored.number - 1, stored.number)
        if found and found != [stored]:
            raise StoreError(
                f"event {stored.number} of session {session} is stored already and never changes"
            )
        return bool(found)

    def _add(self, session: str, stored: StoredEvent) -> None:
        self._connection.execute(INSERT_EVENT, event_to_row(session, stored))
        for place, segment in enumerate(segments_of(stored.event)):
            if self._known(session, segment.id):
                raise StoreError(f"segment {segment.id} of session {session} is final and never changes")
            row = segment_to_row(session, stored.number, place, segment)
            self._connection.execute(INSERT_SEGMENT, row)
        if isinstance(stored.event, Revision):
            for name in stored.event.replaces:
                self._replace(session, name, stored.number)

    def _known(self, session: str, segment: str) -> bool:
        query = "SELECT 1 FROM segments WHERE session = ? AND id = ?"
        return self._connection.execute(query, (session, segment)).fetchone() is not None

    def _replace(self, session: str, segment: str, number: int) -> None:
        done = self._connection.execute(
            "UPDATE segments SET replaced_by = ? "
            "WHERE session = ? AND id = ? AND event < ? AND replaced_by IS NULL",
            (number, session, segment, number),
        )
        if done.rowcount != 1:
            raise StoreError(f"session {session} has no segment {segment} that event {number} could replace")

    def _coverage(self, session: str) -> dict[Source, Coverage]:
        query = "SELECT * FROM coverage WHERE session = ? ORDER BY source"
        return dict(row_to_coverage(row) for row in self._connection.execute(query, (session,)))
