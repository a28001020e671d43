"""The recordings of a server: made when a session ends, kept as long as was asked for, deleted with it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from echopanel.store.journal import SessionJournal
from echopanel.store.recording import Recording, delete_recordings, expired, find_recordings, record_session

DIRECTORY = "recordings"


@dataclass(frozen=True, slots=True)
class Archive:
    """Recordings below `data_dir`. Blocking. All methods raise `DiskError`.

    `max_days` and `max_bytes` bound what is kept; None: for ever, any amount.
    """

    data_dir: Path
    max_days: float | None = None
    max_bytes: int | None = None

    @property
    def directory(self) -> Path:
        """Where the files are."""
        return self.data_dir / DIRECTORY

    def keep(self, journal: SessionJournal) -> None:
        """Make recordings of a session that has ended, and let go of those that are too old or too many."""
        record_session(journal, self.directory)
        delete_recordings(
            expired(find_recordings(self.directory), time.time(), self.max_days, self.max_bytes)
        )

    def find(self, session: str) -> list[Recording]:
        """The recordings of a session, one a source, in the order of sources."""
        found = find_recordings(self.directory) if self.directory.is_dir() else []
        return sorted((one for one in found if one.session == session), key=lambda one: one.source)

    def delete(self, session: str) -> None:
        """Delete the recordings of a session; harmless when there are none."""
        delete_recordings(self.find(session))
