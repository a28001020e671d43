"""One session's audio: a directory with a journal per source."""

from __future__ import annotations

from pathlib import Path

from echopanel.audio import Source
from echopanel.store.disk import DiskError
from echopanel.store.fsync import FsyncPolicy
from echopanel.store.source_journal import Piece, SourceJournal

SUFFIX = ".journal"


class SessionJournal:
    """The sources of one session; a source's file appears with its first samples."""

    def __init__(self, path: Path, policy: FsyncPolicy) -> None:
        self.path = path
        self.policy = policy
        self.sources: dict[Source, SourceJournal] = {}
        try:
            for source in Source:
                if self._file(source).exists():
                    self.source(source)
        except DiskError:
            self.close()
            raise

    @property
    def id(self) -> str:
        """The session."""
        return self.path.name

    @property
    def size(self) -> int:
        """Bytes in its files."""
        return sum(journal.size for journal in self.sources.values())

    def source(self, source: Source) -> SourceJournal:
        """Return the journal of `source`, made if need be. Raises `DiskError`."""
        if source not in self.sources:
            self.sources[source] = SourceJournal.open(self._file(source), self.policy)
        return self.sources[source]

    def end(self, source: Source) -> int:
        """Just behind the last sample of `source` that is in the journal: what may be acknowledged."""
        journal = self.sources.get(source)
        return journal.end if journal else 0

    def ranges(self, source: Source) -> list[tuple[int, int]]:
        """Return the contiguous (start, end) in samples that are here, in order."""
        journal = self.sources.get(source)
        return journal.ranges() if journal else []

    def damaged(self, source: Source) -> tuple[tuple[int, int], ...]:
        """Return the (start, end) in samples that were here and cannot be read any more."""
        journal = self.sources.get(source)
        return journal.recovery.damaged if journal else ()

    def read(self, source: Source, start: int, end: int) -> list[Piece]:
        """Return what there is of the samples `start` to `end`; see `SourceJournal.read`."""
        journal = self.sources.get(source)
        return journal.read(start, end) if journal else []

    def close(self) -> None:
        """Close its files."""
        for journal in self.sources.values():
            journal.close()

    def _file(self, source: Source) -> Path:
        return self.path / f"{source}{SUFFIX}"

    def __repr__(self) -> str:
        return f"<SessionJournal {self.id} {list(self.sources.values())}>"
