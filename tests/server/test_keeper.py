"""To disk off the loop: gathered, in order, tried again where only the disk said no."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from echopanel.audio import AudioFrame, Source
from echopanel.errors import EchoPanelError, StoreError, UnknownSession
from echopanel.server.keeper import Entry, Keeper
from echopanel.store.archive import Archive
from echopanel.store.disk import DiskError, Trouble
from echopanel.store.journal import AppendFailed, FsyncPolicy, Journal, SyncFailed
from echopanel.store.transcripts import SessionRecord, TranscriptStore
from tests.engine.rig import soon
from tests.helpers.journals import SESSION, frame

OTHER = "fedcba9876543210"


class Disk(Journal):
    """A journal whose disk refuses what it is told to; `gate` holds an append up."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, FsyncPolicy.NONE)
        self.refuses: dict[str, EchoPanelError] = {}
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.syncs = 0
        self.sync_error: SyncFailed | None = None

    def append(self, batch: Sequence[tuple[str, AudioFrame]]) -> None:
        self.batches.append(len(batch))
        refused = {
            (session, one.source): self.refuses[session] for session, one in batch if session in self.refuses
        }
        self.gate.wait()
        super().append([(session, one) for session, one in batch if (session, one.source) not in refused])
        if refused:
            raise AppendFailed(refused)

    def sync_due(self, now: float) -> None:
        self.syncs += 1
        if self.sync_error is not None:
            raise self.sync_error

    def full(self, session: str = SESSION) -> None:
        """No more room for a session."""
        self.refuses[session] = DiskError(self.root, Trouble.NO_SPACE, "no space left on device")


@dataclass
class Desk:
    """A keeper, its disk, and what it told."""

    keeper: Keeper
    disk: Disk
    kept: list[int] = field(default_factory=list)
    refused: list[EchoPanelError] = field(default_factory=list)

    def append(
        self, start: int, count: int = 160, session: str = SESSION, source: Source = Source.MIC
    ) -> None:
        """Hand a frame in."""
        self.keeper.append(
            Entry(
                session,
                frame(start, count, source),
                lambda _, end: self.kept.append(end),
                self.refused.append,
            )
        )

    def ranges(self, session: str = SESSION) -> list[tuple[int, int]]:
        """What is on disk."""
        return self.disk.session(session).ranges(Source.MIC)


@asynccontextmanager
async def desk(tmp_path: Path, *, running: bool = False, record: bool = False) -> AsyncIterator[Desk]:
    """With one session open."""
    disk = Disk(tmp_path / "journal")
    keeper = Keeper(TranscriptStore(tmp_path), disk, Archive(tmp_path), record=record)
    disk.session(SESSION)
    task = asyncio.create_task(keeper.run()) if running else None
    yield Desk(keeper, disk)
    if task is not None:
        task.cancel()
        failed = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(failed[0], asyncio.CancelledError), failed
    await keeper.close()


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting."""
    for name in ("GATHER_S", "RETRY_S", "SYNC_S"):
        monkeypatch.setattr(f"echopanel.server.keeper.{name}", 0.002)


async def test_frames_are_gathered_into_one_write(tmp_path: Path) -> None:
    """And told once for each source, with the newest sample."""
    async with desk(tmp_path) as d:
        for start in range(0, 1600, 160):
            d.append(start)
        assert await d.keeper.write()
        assert (d.disk.batches, d.kept, d.ranges()) == ([10], [1600], [(0, 1600)])


async def test_running_writes_what_arrives(tmp_path: Path) -> None:
    """By itself."""
    async with desk(tmp_path, running=True) as d:
        d.append(0)
        await soon(lambda: d.kept == [160])
        d.append(160)
        await soon(lambda: d.kept == [160, 320])


async def test_what_the_disk_refuses_is_tried_again(tmp_path: Path) -> None:
    """Its acks are withheld and it is told; when there is room all is written, in order."""
    async with desk(tmp_path, running=True) as d:
        d.disk.full()
        d.append(0)
        await soon(lambda: len(d.refused) >= 2)
        d.append(160)
        assert d.kept == []
        d.disk.refuses.clear()
        await soon(lambda: d.kept[-1:] == [320])
        assert d.ranges() == [(0, 320)]
        assert "free some disk space" in str(d.refused[0])


async def test_one_full_session_does_not_hold_others_up(tmp_path: Path) -> None:
    """Their frames are written and acknowledged."""
    async with desk(tmp_path) as d:
        d.disk.session(OTHER)
        d.disk.full(OTHER)
        d.append(0)
        d.append(0, session=OTHER)
        assert not await d.keeper.write()
        assert (d.kept, len(d.refused)) == ([160], 1)


async def test_what_would_fail_for_ever_is_not_tried_again(tmp_path: Path) -> None:
    """A session that is not open any more."""
    async with desk(tmp_path) as d:
        d.append(0, session=OTHER)
        assert await d.keeper.write()
        assert isinstance(d.refused[0], StoreError)
        d.append(0)
        assert await d.keeper.write()
        assert (d.disk.batches, d.kept) == ([1, 1], [160])


async def test_writes_do_not_overtake_each_other(tmp_path: Path) -> None:
    """A write that is asked for while one is under way comes behind what that one failed to write."""
    async with desk(tmp_path) as d:
        d.disk.full()
        d.disk.gate.clear()
        d.append(0)
        first = asyncio.create_task(d.keeper.write())
        await soon(lambda: d.disk.batches == [1])
        d.append(160)
        second = asyncio.create_task(d.keeper.write())
        await asyncio.sleep(0)
        d.disk.refuses.clear()
        d.disk.gate.set()
        await asyncio.gather(first, second)
        await d.keeper.write()
        assert d.ranges() == [(0, 320)]
        assert d.kept == [320]


async def test_a_sync_that_fails_is_tried_again(tmp_path: Path) -> None:
    """It is logged, and nobody's audio is refused for it."""
    async with desk(tmp_path, running=True) as d:
        d.disk.sync_error = SyncFailed({(SESSION, Source.MIC): StoreError("I/O error")})
        await soon(lambda: d.disk.syncs >= 2)
        d.disk.sync_error = None
        d.append(0)
        await soon(lambda: d.kept == [160])


@pytest.mark.parametrize("record", [False, True])
async def test_an_ended_session_leaves_recordings_only_where_asked(tmp_path: Path, *, record: bool) -> None:
    """Its journal is deleted; deleting the session deletes the recordings."""
    async with desk(tmp_path, record=record) as d:
        d.append(0)
        await d.keeper.write()
        await d.keeper.retire(SESSION)
        assert SESSION not in d.disk.sessions()
        recordings = list(d.keeper.archive.directory.glob("*")) if record else []
        assert len(recordings) == record
        d.keeper.transcripts.create_session(SessionRecord(SESSION, datetime.now(UTC)))
        await d.keeper.delete(SESSION)
        assert [path for path in recordings if path.exists()] == []
        with pytest.raises(UnknownSession):
            await d.keeper.delete(SESSION)


async def test_reading_fills_holes_with_silence(tmp_path: Path) -> None:
    """So that samples keep their places."""
    async with desk(tmp_path) as d:
        d.append(0, 10)
        d.append(20, 10)
        await d.keeper.write()
        pcm = await d.keeper.read(SESSION, Source.MIC, 5, 25)
        assert pcm == frame(0, 30).pcm[10:20] + bytes(20) + frame(0, 30).pcm[40:50]


async def test_closing_writes_what_is_left(tmp_path: Path) -> None:
    """Nothing that was handed in is forgotten."""
    async with desk(tmp_path) as d:
        d.append(0)
    journal = Journal(tmp_path / "journal", FsyncPolicy.NONE)
    assert journal.session(SESSION).ranges(Source.MIC) == [(0, 160)]
    journal.close()


async def test_the_store_is_called_on_one_thread(tmp_path: Path) -> None:
    """Never on the loop's, and what it raises comes through."""

    def fail() -> None:
        raise StoreError("no")

    async with desk(tmp_path) as d:
        threads = {await d.keeper.store(threading.current_thread) for _ in range(5)}
        assert len(threads) == 1
        assert threading.main_thread() not in threads
        with pytest.raises(StoreError, match="no"):
            await d.keeper.store(fail)
