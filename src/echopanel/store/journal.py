"""Every session's audio on disk, appended before it is acknowledged: `<root>/<session id>/<source>.journal`.

What may be acknowledged is what `SessionJournal.end` says: after any error it still tells the truth. The
format of the files is described in `records`, what each fsync policy survives in `FsyncPolicy`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from echopanel.audio import AudioFrame, Source
from echopanel.errors import EchoPanelError, StoreError
from echopanel.store.disk import DiskError, DiskFile, ProcessLock, Trouble, disk_errors, sync_directory
from echopanel.store.fsync import FsyncPolicy, SyncTurns
from echopanel.store.session_journal import SUFFIX, SessionJournal
from echopanel.store.source_journal import Piece, SourceJournal

__all__ = [
    "AppendFailed",
    "FsyncPolicy",
    "Journal",
    "JournalFailed",
    "SessionJournal",
    "SourceJournal",
    "SyncFailed",
]

Key = tuple[str, Source]

DIRECTORY = "journal"  # below the data directory
_SESSION_ID = re.compile(r"[0-9a-f]{8,64}")
_DELETED = ".deleted"  # what is renamed to this is gone, even when its removal was interrupted
_GONE = re.compile(_SESSION_ID.pattern + re.escape(_DELETED))
_LOCK = "lock"
_SAMPLE = "room"  # written and removed to see what the disk says
ROOM_BYTES = 1 << 16  # a second of two sources
_MB = 1e6


class JournalFailed(StoreError):
    """Something failed for some sources; `failures` says for which and why. It went well for all others."""

    def __init__(self, failures: dict[Key, EchoPanelError]) -> None:
        super().__init__(failures)
        self.failures = failures

    @property
    def troubles(self) -> frozenset[Trouble]:
        """What the disk said; empty when the frames themselves were wrong."""
        return frozenset(error.trouble for error in self.failures.values() if isinstance(error, DiskError))

    def __str__(self) -> str:
        first = next(iter(self.failures.values()))
        more = len(self.failures) - 1
        return f"{first}" + (f" (and {more} more sources)" if more else "")


class AppendFailed(JournalFailed):
    """These sources' frames are not in the journal: try again those with a `DiskError`, never the others."""


class SyncFailed(JournalFailed):
    """These sources' frames are in the journal, so never append them again, but perhaps not on the medium."""


class Journal:
    """All sessions below `root`, which this process locks; to be used from one thread at a time.

    Args:
        root: made if need be, readable by its owner only.
        policy: when appended audio is forced to the medium.
        quota_bytes: the most that all sessions' files may take together; None for no limit.
        interval_s: the most time between two syncs of a source under the `interval` policy.

    Raises:
        DiskError: another process uses `root` (`IN_USE`), or it cannot be written.
    """

    def __init__(
        self,
        root: Path,
        policy: FsyncPolicy = FsyncPolicy.INTERVAL,
        quota_bytes: int | None = None,
        interval_s: float = 1.0,
    ) -> None:
        self.root = root
        self.policy = policy
        self.quota_bytes = quota_bytes
        self._turns: SyncTurns[Key] = SyncTurns(interval_s)
        self._open: dict[str, SessionJournal] = {}
        with disk_errors(root):
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = ProcessLock(root / _LOCK)
        try:
            with disk_errors(root):
                for leftover in root.iterdir():
                    if _GONE.fullmatch(leftover.name):
                        shutil.rmtree(leftover)
                self._idle = {session: _size_of(root / session) for session in self.sessions()}
        except DiskError:
            self._lock.release()
            raise

    @property
    def size(self) -> int:
        """Bytes in all sessions' files, open or not."""
        return sum(session.size for session in self._open.values()) + sum(self._idle.values())

    @property
    def room(self) -> int | None:
        """Bytes left of the quota; None without one."""
        return None if self.quota_bytes is None else max(self.quota_bytes - self.size, 0)

    def sessions(self) -> list[str]:
        """Return the ids of the sessions found on disk. Raises `DiskError`."""
        with disk_errors(self.root):
            return sorted(path.name for path in self.root.iterdir() if _SESSION_ID.fullmatch(path.name))

    def session(self, session: str) -> SessionJournal:
        """Open a session's journal, new or found on disk, cutting torn tails.

        Raises:
            StoreError: the id is not 8 to 64 hexadecimal digits.
            DiskError: a new session with the disk or the quota full; a file is damaged or cannot be opened.
        """
        path = self._path(session)
        if session in self._open:
            return self._open[session]
        with disk_errors(path):
            if not path.is_dir():
                self._create(path)
        self._open[session] = opened = SessionJournal(path, self.policy)
        self._idle.pop(session, None)
        return opened

    def append(self, batch: Sequence[tuple[str, AudioFrame]]) -> None:
        """Append the frames of open sessions: a write per source, then, under `always`, a sync per source.

        Raises:
            AppendFailed: for some sources; theirs are as before, the frames of all others are in the journal.
        """
        failures: dict[Key, EchoPanelError] = {}
        staged: list[tuple[Key, SourceJournal]] = []
        room = self.room
        for key, pieces in _by_source(batch).items():
            try:
                journal = self._writable(key)
                written = journal.stage(pieces, room)
            except EchoPanelError as error:
                failures[key] = error
            else:
                staged.append((key, journal))
                room = None if room is None else room - written
        failures |= _attempt((key, journal.commit) for key, journal in staged)
        if failures:
            raise AppendFailed(failures)

    def check(self) -> None:
        """Write as much as a second of audio takes, and take it away again.

        Raises:
            DiskError: no audio would be taken now, and why.
        """
        if self.room is not None and self.room < ROOM_BYTES:
            raise DiskError(self.root, Trouble.QUOTA, "the journal's quota is used up")
        path = self.root / _SAMPLE
        try:
            with DiskFile(path) as sample:
                sample.write(0, bytes(ROOM_BYTES))
        finally:
            with disk_errors(path):
                path.unlink(missing_ok=True)

    def sync_due(self, now: float) -> None:
        """Under `interval`, sync the sources whose turn it is; to be called several times per interval.

        Args:
            now: monotonic seconds.

        Raises:
            SyncFailed: for some sources; a later call tries them again.
        """
        if self.policy is not FsyncPolicy.INTERVAL:
            return
        dirty = {key: journal for key, journal in self._journals() if journal.unsynced}
        if failures := _attempt((key, dirty[key].sync) for key in self._turns.take(dirty, now)):
            raise SyncFailed(failures)

    def sync(self) -> None:
        """Force everything appended to the medium, whatever the policy: for the end of the server.

        Raises:
            SyncFailed: for some sources.
        """
        if failures := _attempt((key, journal.sync) for key, journal in self._journals()):
            raise SyncFailed(failures)

    def close_session(self, session: str) -> None:
        """Close a session's files and keep them on disk; harmless when it is not open."""
        if opened := self._open.pop(session, None):
            opened.close()
            self._idle[session] = opened.size

    def delete(self, session: str) -> None:
        """Delete a session's audio, open or not; harmless when there is none.

        Raises:
            StoreError: the id is not 8 to 64 hexadecimal digits.
            DiskError: something is still there; what could be renamed goes at the next start at the latest.
        """
        path = self._path(session)
        self.close_session(session)
        try:
            with disk_errors(path):
                if discard(path):
                    self._sync_root()
        finally:
            if not path.is_dir():
                self._idle.pop(session, None)

    def close(self) -> None:
        """Close all files and let other processes in."""
        for session in list(self._open):
            self.close_session(session)
        self._lock.release()

    def _path(self, session: str) -> Path:
        if not _SESSION_ID.fullmatch(session):
            raise StoreError(f"{session[:80]!r} is not a session id, 8 to 64 hexadecimal digits; check it")
        return self.root / session

    def _create(self, path: Path) -> None:
        if self.room == 0:
            raise DiskError(self.root, Trouble.QUOTA, "the journal's quota is used up")
        path.mkdir(mode=0o700)
        self._sync_root()

    def _sync_root(self) -> None:
        if self.policy is not FsyncPolicy.NONE:
            sync_directory(self.root)

    def _journals(self) -> Iterator[tuple[Key, SourceJournal]]:
        for session in self._open.values():
            for source, journal in session.sources.items():
                yield (session.id, source), journal

    def _writable(self, key: Key) -> SourceJournal:
        session, source = key
        if session not in self._open:
            raise StoreError(f"session {session} is not open; open it before appending")
        return self._open[session].source(source)

    def __repr__(self) -> str:
        quota = "no quota" if self.quota_bytes is None else f"of {self.quota_bytes / _MB:.1f} MB"
        return (
            f"<Journal {self.policy} [{len(self._open)} open, {len(self._idle)} idle, "
            f"{self.size / _MB:.1f} MB {quota}]>"
        )


def discard(path: Path) -> bool:
    """Delete a session's directory, whoever has it open; returns whether there was one, whole or not.

    Raises `OSError`; what could be renamed goes when a journal is opened there at the latest.
    """
    gone = path.with_name(path.name + _DELETED)
    if path.is_dir():
        path.rename(gone)
    if not gone.is_dir():
        return False
    shutil.rmtree(gone)
    return True


def _by_source(batch: Sequence[tuple[str, AudioFrame]]) -> dict[Key, list[Piece]]:
    """Group a batch, keeping the order within each source."""
    pieces: dict[Key, list[Piece]] = {}
    for session, frame in batch:
        pieces.setdefault((session, frame.source), []).append((frame.start, frame.pcm))
    return pieces


def _size_of(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.glob(f"*{SUFFIX}"))


def _attempt(actions: Iterable[tuple[Key, Callable[[], None]]]) -> dict[Key, EchoPanelError]:
    """Do every action, whatever becomes of the others; return what failed."""
    failures: dict[Key, EchoPanelError] = {}
    for key, action in actions:
        try:
            action()
        except StoreError as error:
            failures[key] = error
    return failures
