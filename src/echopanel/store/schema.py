"""The SQLite file under the transcripts: how it is opened, its tables, and its errors in our words."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from echopanel.errors import StoreError
from echopanel.store.disk import DiskError, Trouble, disk_errors

BUSY_TIMEOUT_S = 5.0  # how long one process waits for another one's write
_RETRY_S = 0.01

# One entry a schema version, each a list of statements; entries are added at the end and never changed.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE sessions (
            id TEXT PRIMARY KEY,
            title TEXT NOT NULL,
            created TEXT NOT NULL,
            ended TEXT,
            state TEXT NOT NULL CHECK (state IN ('live', 'ended', 'interrupted')),
            language TEXT,
            provider TEXT NOT NULL,
            model TEXT NOT NULL,
            continues TEXT
        ) STRICT
        """,
        "CREATE INDEX sessions_by_time ON sessions (created DESC, id)",
        """
        CREATE TABLE events (
            session TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
            number INTEGER NOT NULL CHECK (number > 0),
            kind TEXT NOT NULL CHECK (kind IN ('final', 'revision', 'gap')),
            payload TEXT NOT NULL,
            PRIMARY KEY (session, number)
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE segments (
            session TEXT NOT NULL,
            id TEXT NOT NULL,
            event INTEGER NOT NULL,
            place INTEGER NOT NULL,
            replaced_by INTEGER,
            source TEXT NOT NULL CHECK (source IN ('mic', 'system')),
            start REAL NOT NULL,
            "end" REAL NOT NULL,
            text TEXT NOT NULL,
            start_sample INTEGER NOT NULL,
            end_sample INTEGER NOT NULL,
            words TEXT NOT NULL,
            language TEXT,
            PRIMARY KEY (session, id),
            UNIQUE (session, event, place),
            FOREIGN KEY (session, event) REFERENCES events ON DELETE CASCADE
        ) STRICT
        """,
        """
        CREATE TABLE coverage (
            session TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
            source TEXT NOT NULL CHECK (source IN ('mic', 'system')),
            captured INTEGER NOT NULL,
            received INTEGER NOT NULL,
            transcribed INTEGER NOT NULL,
            silence INTEGER NOT NULL,
            pending INTEGER NOT NULL,
            lost INTEGER NOT NULL,
            lost_ranges TEXT NOT NULL,
            PRIMARY KEY (session, source)
        ) STRICT, WITHOUT ROWID
        """,
    ),
    (
        """
        CREATE TABLE resumable (
            session TEXT PRIMARY KEY REFERENCES sessions ON DELETE CASCADE,
            record TEXT NOT NULL
        ) STRICT, WITHOUT ROWID
        """,
    ),
    (
        # The index finds segments by a key that stays theirs; SQLite may give out hidden row ids anew.
        """
        CREATE TABLE keyed_segments (
            key INTEGER PRIMARY KEY,
            session TEXT NOT NULL,
            id TEXT NOT NULL,
            event INTEGER NOT NULL,
            place INTEGER NOT NULL,
            replaced_by INTEGER,
            source TEXT NOT NULL CHECK (source IN ('mic', 'system')),
            start REAL NOT NULL,
            "end" REAL NOT NULL,
            text TEXT NOT NULL,
            start_sample INTEGER NOT NULL,
            end_sample INTEGER NOT NULL,
            words TEXT NOT NULL,
            language TEXT,
            -- every word was only overheard, so that the other source has it
            echo INTEGER NOT NULL GENERATED ALWAYS AS
                (words LIKE '%"bleed":true%' AND words NOT LIKE '%"bleed":false%') VIRTUAL,
            UNIQUE (session, id),
            UNIQUE (session, event, place),
            FOREIGN KEY (session, event) REFERENCES events ON DELETE CASCADE
        ) STRICT
        """,
        """
        INSERT INTO keyed_segments (session, id, event, place, replaced_by, source, start, "end", text,
            start_sample, end_sample, words, language)
        SELECT session, id, event, place, replaced_by, source, start, "end", text,
            start_sample, end_sample, words, language FROM segments
        """,
        "DROP TABLE segments",
        "ALTER TABLE keyed_segments RENAME TO segments",
        """
        CREATE VIRTUAL TABLE search USING fts5(
            text, content = 'segments', content_rowid = 'key', tokenize = "unicode61 remove_diacritics 2"
        )
        """,
        "INSERT INTO search (rowid, text) SELECT key, text FROM segments WHERE replaced_by IS NULL",
        """
        CREATE TRIGGER segment_is_found AFTER INSERT ON segments WHEN new.replaced_by IS NULL BEGIN
            INSERT INTO search (rowid, text) VALUES (new.key, new.text);
        END
        """,
        """
        CREATE TRIGGER replaced_segment_is_not_found AFTER UPDATE OF replaced_by ON segments
        WHEN old.replaced_by IS NULL AND new.replaced_by IS NOT NULL BEGIN
            INSERT INTO search (search, rowid, text) VALUES ('delete', old.key, old.text);
        END
        """,
        """
        CREATE TRIGGER deleted_segment_is_not_found AFTER DELETE ON segments
        WHEN old.replaced_by IS NULL BEGIN
            INSERT INTO search (search, rowid, text) VALUES ('delete', old.key, old.text);
        END
        """,
    ),
)

_TROUBLE = {
    sqlite3.SQLITE_FULL: Trouble.NO_SPACE,
    sqlite3.SQLITE_READONLY: Trouble.READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: Trouble.DENIED,
    sqlite3.SQLITE_PERM: Trouble.DENIED,
    sqlite3.SQLITE_BUSY: Trouble.IN_USE,
    sqlite3.SQLITE_LOCKED: Trouble.IN_USE,
    sqlite3.SQLITE_CORRUPT: Trouble.DAMAGED,
    sqlite3.SQLITE_NOTADB: Trouble.DAMAGED,
    sqlite3.SQLITE_IOERR: Trouble.IO,
}
_PRIMARY_CODE = 0xFF  # extended result codes carry the primary one in their lowest byte


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours: `DiskError` where the disk is to blame, else `StoreError`."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY_CODE
        if code in _TROUBLE:
            raise DiskError(path, _TROUBLE[code], str(error)) from error
        raise StoreError(f"{path}: {error}") from error
    except UnicodeEncodeError as error:
        raise StoreError(f"{path}: text with half a surrogate pair cannot be stored") from error


def connect(path: Path, *, durable: bool = False) -> sqlite3.Connection:
    """Open the file at `path`, made if need be and readable by its owner only, at the newest schema.

    The connection may change threads, but only one may use it at a time. Write-ahead logging lets other
    processes read meanwhile; what a transaction wrote survives the end of the process, and, if `durable`,
    a power cut too.

    Raises:
        StoreError: the file is damaged, cannot be written or comes from a newer EchoPanel.
    """
    with disk_errors(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    with sqlite_errors(path):
        connection = sqlite3.connect(path, BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            _log_ahead(connection)
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(
                "PRAGMA secure_delete = ON"
            )  # what the user deletes leaves no trace in the file
            _migrate(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; takes the write lock at once, so that nothing read inside is out of date."""
    with _transaction(connection, "BEGIN IMMEDIATE"):
        yield


@contextmanager
def durably(connection: sqlite3.Connection) -> Iterator[None]:
    """Transactions inside are on the medium when they are done, with all that was written before them."""
    (before,) = connection.execute("PRAGMA synchronous").fetchone()
    connection.execute("PRAGMA synchronous = FULL")
    try:
        yield
    finally:
        connection.execute(f"PRAGMA synchronous = {before}")


@contextmanager
def reading(connection: sqlite3.Connection) -> Iterator[None]:
    """Everything read inside is of one moment."""
    with _transaction(connection, "BEGIN DEFERRED"):
        yield


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # some errors, such as a full disk, have rolled back already
            connection.execute("ROLLBACK")
        raise


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Turn write-ahead logging on; SQLite's own busy timeout does not cover this when several try at once."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(_RETRY_S)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    if _version(connection) == len(MIGRATIONS):
        return
    with writing(connection):
        version = _version(connection)  # again: another process may have been faster
        if version > len(MIGRATIONS):
            raise StoreError(
                f"{path}: written by a newer EchoPanel (schema {version}, this one knows {len(MIGRATIONS)}); "
                "update EchoPanel, or choose another data directory"
            )
        for statement in (statement for step in MIGRATIONS[version:] for statement in step):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
