"""Everything that goes to disk, off the event loop: a thread for the transcripts, one for the journal."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import structlog

from echopanel.audio import SAMPLE_BYTES, AudioFrame, Source
from echopanel.errors import EchoPanelError
from echopanel.store.archive import Archive
from echopanel.store.disk import DiskError
from echopanel.store.journal import AppendFailed, Journal, SyncFailed
from echopanel.store.transcripts import TranscriptStore

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

# Frames are gathered this long before they are written: one write a source, and acks at the same pace. Nobody
# waits for an ack, because it only frees a replay buffer of minutes; twenty a second and source would cost
# more than voice activity detection does.
GATHER_S = 0.2
SYNC_S = 0.2
RETRY_S = 1.0

Kept = Callable[[Source, int], None]
Refused = Callable[[EchoPanelError], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """A frame to write, and whom to tell how it went."""

    session: str
    frame: AudioFrame
    kept: Kept
    refused: Refused


@dataclass(frozen=True, slots=True)
class Found:
    """Ranges (start, end) in samples that a journal has of a source, and those that it had."""

    ranges: Sequence[tuple[int, int]]
    damaged: Sequence[tuple[int, int]]


class Keeper:
    """Serialises access to the transcript store, and batches the journal."""

    def __init__(
        self, transcripts: TranscriptStore, journal: Journal, archive: Archive, *, record: bool
    ) -> None:
        """`record`: make recordings of sessions that end; `archive` also deletes older ones."""
        self.transcripts = transcripts
        self.journal = journal
        self.archive = archive
        self._record = record
        self._store_thread = ThreadPoolExecutor(1, "store")
        self._journal_thread = ThreadPoolExecutor(1, "journal")
        self._entries: list[Entry] = []
        self._arrived = asyncio.Event()
        self._writing = asyncio.Lock()  # a write must not overtake what another one has to try again

    def __repr__(self) -> str:
        return f"<Keeper {len(self._entries)} frames to write>"

    async def store(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of `transcripts` on its thread; raises what the method does."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._store_thread, lambda: function(*args, **kwargs))

    async def audio(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of `journal` on its thread; raises what the method does."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._journal_thread, lambda: function(*args, **kwargs))

    def append(self, entry: Entry) -> None:
        """Write a frame soon: `kept` is told when it is in the journal, `refused` when the disk says no."""
        self._entries.append(entry)
        self._arrived.set()

    async def run(self) -> None:
        """Write what arrives until cancelled; what the disk refuses is tried again, its acks withheld."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sync())
            while True:
                await self._arrived.wait()
                await asyncio.sleep(GATHER_S)
                if not await self.write():
                    await asyncio.sleep(RETRY_S)

    async def _sync(self) -> None:
        """Give every source its turn to be forced to the medium, also when no more audio comes."""
        while True:
            await asyncio.sleep(SYNC_S)
            try:
                await self.audio(self.journal.sync_due, time.monotonic())
            except SyncFailed as error:
                log.error("cannot sync the journal; trying again", error=str(error))

    async def write(self) -> bool:
        """Write everything that waits, once; False when some of it has to be tried again."""
        async with self._writing:
            entries, self._entries = self._entries, []
            self._arrived.clear()
            failures = await self.audio(self._append, entries)
            again = self._tell(entries, failures)
            if again:
                self._entries = again + self._entries
                self._arrived.set()
            return not again

    def _tell(self, entries: list[Entry], failures: dict[tuple[str, Source], EchoPanelError]) -> list[Entry]:
        """Say how it went; returns what is to be written again."""
        failed = [entry for entry in entries if (entry.session, entry.frame.source) in failures]
        for entry in newest(
            entry for entry in entries if (entry.session, entry.frame.source) not in failures
        ):
            entry.kept(entry.frame.source, entry.frame.end)
        for entry in newest(failed):
            error = failures[entry.session, entry.frame.source]
            log.error(
                "cannot journal audio", session=entry.session, source=entry.frame.source, error=str(error)
            )
            entry.refused(error)
        # Only the disk can change its mind; anything else would fail again for ever.
        return [
            entry for entry in failed if isinstance(failures[entry.session, entry.frame.source], DiskError)
        ]

    def _append(self, entries: list[Entry]) -> dict[tuple[str, Source], EchoPanelError]:
        """Runs on the journal's thread."""
        try:
            self.journal.append([(entry.session, entry.frame) for entry in entries])
        except AppendFailed as error:
            return error.failures
        return {}

    async def read(self, session: str, source: Source, start: int, end: int) -> bytes:
        """Samples [start, end) as s16le; what the journal lacks of them is silence."""
        return await self.audio(self._read, session, source, start, end)

    def _read(self, session: str, source: Source, start: int, end: int) -> bytes:
        pcm = bytearray((end - start) * SAMPLE_BYTES)
        for first, piece in self.journal.session(session).read(source, start, end):
            offset = (first - start) * SAMPLE_BYTES
            pcm[offset : offset + len(piece)] = piece
        return bytes(pcm)

    def found(self, session: str) -> dict[Source, Found]:
        """What the journal has of each source; on the journal's thread."""
        journal = self.journal.session(session)
        return {source: Found(journal.ranges(source), journal.damaged(source)) for source in Source}

    async def retire(self, session: str) -> None:
        """A session has ended: make recordings of its audio if that was asked for, then delete its journal.

        Raises:
            StoreError: the recordings cannot be written; the journal stays.
        """
        if self._record:
            # Encoding takes a while and needs nothing that changes any more, so not on the journal's thread.
            await asyncio.to_thread(self.archive.keep, await self.audio(self.journal.session, session))
        await self.audio(self.journal.delete, session)

    async def delete(self, session: str) -> None:
        """Delete the text and all audio of a session for good; audio first: of audio alone text is made.

        Raises:
            UnknownSession: there is none.
            StoreError: the disk does not do it.
        """
        await self.store(self.transcripts.session, session)
        await self.audio(self.journal.delete, session)
        await self.store(self.transcripts.delete, session)
        await asyncio.to_thread(self.archive.delete, session)

    async def close(self) -> None:
        """Write what is left, sync, and end the threads."""
        await self.write()
        with contextlib.suppress(SyncFailed):  # said by the last turn already; there is nobody left to tell
            await self.audio(self.journal.sync)
        await self.audio(self.journal.close)
        await self.store(self.transcripts.close)
        self._store_thread.shutdown()
        self._journal_thread.shutdown()


def newest(entries: Iterable[Entry]) -> Iterable[Entry]:
    """The last entry of each session and source."""
    return {(entry.session, entry.frame.source): entry for entry in entries}.values()
