"""Finding sessions by what was said in them, with SQLite's full-text index over the segments."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final as Constant

from echopanel.audio import Source
from echopanel.store.rows import SessionRecord, row_to_session

HITS_SHOWN = 3

# Around what was found, in SQLite's answer: characters that no recogniser writes.
_OPEN, _CLOSE = "\x02", "\x03"
_TERM = re.compile(r'"([^"]*)"?|([^\s"]+)')

_SESSIONS: Constant = """
    WITH counted AS (
        SELECT session, count(*) AS hits FROM search JOIN segments ON key = search.rowid
        WHERE search MATCH :match GROUP BY session
    )
    SELECT sessions.*, coalesce(hits, 0) AS hits FROM sessions LEFT JOIN counted ON counted.session = id
    WHERE hits > 0 OR instr(lower(title), lower(:title)) > 0
    ORDER BY created DESC, id LIMIT :limit OFFSET :offset
"""
_FIRST: Constant = """
    SELECT key FROM (
        SELECT key, row_number() OVER (PARTITION BY session ORDER BY start) AS place
        FROM search JOIN segments ON key = search.rowid
        WHERE search MATCH :match AND session IN (SELECT value FROM json_each(:sessions))
    ) WHERE place <= :most
"""
_HITS: Constant = """
    SELECT session, id, source, start, highlight(search, 0, :open, :close) AS marked
    FROM search JOIN segments ON key = search.rowid
    WHERE search MATCH :match AND search.rowid IN (SELECT value FROM json_each(:keys))
    ORDER BY start
"""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a hit's text; `hit`: it is what was looked for."""

    text: str
    hit: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """A segment in which something was found; `start` in seconds on the session clock."""

    segment: str
    source: Source
    start: float
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A session, how many of its segments match, and the first of those (none: only its title does)."""

    record: SessionRecord
    count: int
    hits: tuple[Hit, ...]


def search(connection: sqlite3.Connection, query: str, limit: int, offset: int) -> list[Found]:
    """Sessions with a segment that has all terms of `query`, or with `query` in the title, newest first.

    Terms are words or "quoted phrases"; the last word may be the beginning of one. Case and accents do not
    matter. A query without a letter or digit finds nothing. Words that were only overheard are not found,
    because the other source has them.
    """
    match = to_match(query)
    if not match:
        return []
    asked = {"match": match, "title": query.strip(), "limit": limit, "offset": offset}
    rows = connection.execute(_SESSIONS, asked).fetchall()
    hits = _hits(connection, match, [row["id"] for row in rows])
    return [Found(row_to_session(row), row["hits"], tuple(hits.get(row["id"], ()))) for row in rows]


def to_match(query: str) -> str:
    """A person's words in the language of FTS5; "" when there is nothing to look for."""
    terms = [phrase or word for phrase, word in _TERM.findall(query.replace("\0", " "))]
    quoted = [f'"{term}"' for term in terms if any(map(str.isalnum, term))]
    if quoted and query[-1].isalnum():
        quoted[-1] += "*"
    return " ".join(quoted)


def _hits(connection: sqlite3.Connection, match: str, sessions: Sequence[str]) -> dict[str, list[Hit]]:
    """The first hits of each session."""
    asked = {"match": match, "sessions": json.dumps(sessions), "most": HITS_SHOWN}
    keys = [row["key"] for row in connection.execute(_FIRST, asked)]
    asked = {"match": match, "keys": json.dumps(keys), "open": _OPEN, "close": _CLOSE}
    found: dict[str, list[Hit]] = {}
    for row in connection.execute(_HITS, asked):
        hit = Hit(row["id"], Source(row["source"]), row["start"], tuple(_parts(row["marked"])))
        found.setdefault(row["session"], []).append(hit)
    return found


def _parts(marked: str) -> Iterator[Part]:
    for number, piece in enumerate(re.split(f"[{_OPEN}{_CLOSE}]", marked)):
        if piece:
            yield Part(piece, hit=number % 2 == 1)
