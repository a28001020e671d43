"""The SQLite file under the transcripts: how it is opened, and its errors in our words."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from echopanel.errors import StoreError
from echopanel.store.disk import DiskError, Trouble, disk_errors
from echopanel.store.migrations import MIGRATIONS

BUSY_TIMEOUT_S = 5.0  # how long one process waits for another one's write
_RETRY_S = 0.01

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
