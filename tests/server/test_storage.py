"""What `/health` says of the disk: full, read-only, gone, over its quota, hanging; and well again."""

from __future__ import annotations

import asyncio
import errno
import shutil
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from echopanel.asr.fake import Fake
from echopanel.audio import Source
from echopanel.errors import ErrorCode
from tests.engine.rig import PATIENCE_S
from tests.helpers.disks import RefusingDisk, SmallDisk, can_mount, limited_disk, refusing_disk, small_disk
from tests.server.rig import Served, serving, settings_of, talk

# So that every question is a look of its own.
NO_CACHE = {"probe_interval_s": 1e-9}

Small = SmallDisk | RefusingDisk


@pytest.fixture(
    params=[refusing_disk, *([small_disk] if can_mount() else [])], ids=lambda kind: kind.__name__
)
async def small(
    request: pytest.FixtureRequest, tmp_path: Path, fake: Fake
) -> AsyncIterator[tuple[Served, Small]]:
    """A server whose data directory is on a disk that can be filled."""
    with request.param(tmp_path) as disk:
        async with serving(settings_of(tmp_path / "data", engine=NO_CACHE), fake) as served:
            yield served, disk


async def health(served: Served) -> tuple[int, str, str]:
    """The answer's code, status and reason."""
    answer = await served.http.get("/health")
    return answer.status_code, answer.json()["status"], answer.json()["reason"]


async def well(served: Served) -> None:
    """Return once the server says so; what was refused is tried again first."""
    async with asyncio.timeout(PATIENCE_S):
        while await health(served) != (200, "ready", ""):
            pass


async def test_a_full_disk_shows_before_anybody_speaks(small: tuple[Served, Small]) -> None:
    """Degraded with what to do, as a new session hears it; ready again as soon as there is room."""
    served, disk = small
    await well(served)
    with disk.full(0):
        code, status, reason = await health(served)
        assert (code, status) == (200, "degraded")
        assert reason.startswith("the disk does not take audio: ")
        assert reason.endswith("free some disk space")
    await well(served)


async def test_a_full_disk_shows_while_somebody_speaks(small: tuple[Served, Small]) -> None:
    """What was refused is acknowledged once there is room, and health says so too."""
    served, disk = small
    async with served.started(partials=False) as client:
        await client.speak(talk(0.25))
        await client.until(lambda: client.acked == 32_000)
        with disk.full(0):
            await client.speak(talk(0.5))
            await client.until(lambda: ErrorCode.STORAGE_FAILED in client.errors)
            assert (await health(served))[:2] == (200, "degraded")
            assert client.acked == 32_000
        await client.until(lambda: client.acked == 64_000)
        await well(served)
        assert (await client.stop()).coverage[Source.MIC].lost == 0


async def test_a_read_only_disk_shows(tmp_path: Path, fake: Fake) -> None:
    """As file systems become that have errors: what is open stays open. Ready again when it takes writes."""
    async with serving(settings_of(tmp_path, engine=NO_CACHE), fake) as served:
        with RefusingDisk(tmp_path).refusing(errno.EROFS):
            code, status, reason = await health(served)
            assert (code, status) == (200, "degraded")
            assert "remount the file system for writing" in reason
        await well(served)


async def test_a_session_that_the_disk_refuses_shows(tmp_path: Path, fake: Fake) -> None:
    """Also where there is room for little: a limit on the size of files stops the journal alone."""
    async with serving(settings_of(tmp_path), fake) as served, served.started() as client:
        await client.speak(talk(0.25))
        await client.until(lambda: client.acked == 32_000)
        with limited_disk(tmp_path) as disk, disk.full(0):
            await client.speak(talk(*[0.5] * 20))
            await client.until(lambda: ErrorCode.STORAGE_FAILED in client.errors)
            assert (await health(served))[:2] == (200, "degraded")
        await client.until(lambda: client.acked == 32_000 * 21)
        await well(served)
        await client.stop()


async def test_a_directory_that_is_removed_shows(tmp_path: Path, fake: Fake) -> None:
    """It does not come back: the server has to be started again."""
    async with serving(settings_of(tmp_path / "data", engine=NO_CACHE), fake) as served:
        shutil.rmtree(tmp_path / "data")
        assert (await health(served))[1] == "degraded"
        (tmp_path / "data" / "journal").mkdir(parents=True)
        code, status, reason = await health(served)
        assert (code, status) == (200, "degraded")
        assert "do not remove files" in reason


async def test_a_quota_that_is_used_up_shows(tmp_path: Path, fake: Fake) -> None:
    """No audio fits any more until sessions are deleted."""
    async with serving(settings_of(tmp_path, engine=NO_CACHE), fake) as served:
        journal = served.server.keeper.journal
        journal.quota_bytes = journal.size
        assert "the journal's quota" in (await health(served))[2]
        journal.quota_bytes = None
        await well(served)


async def test_a_disk_that_hangs_shows(tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Health does not wait for it."""
    monkeypatch.setattr("echopanel.server.storage.ANSWER_S", 0.05)
    async with serving(settings_of(tmp_path, engine=NO_CACHE), fake) as served:
        go_on = threading.Event()
        hanging = asyncio.create_task(served.server.keeper.audio(go_on.wait))
        assert "did not answer within 0.05 s" in (await health(served))[2]
        go_on.set()
        await hanging
        await well(served)


async def test_a_bug_that_ends_the_writing_shows(
    tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is acknowledged that is not written; the log has the cause, and health says what to do."""
    async with serving(settings_of(tmp_path), fake) as served, served.started() as client:
        monkeypatch.setattr(served.server.keeper, "write", lambda: 1 / 0)
        await client.speak(talk(0.5))
        async with asyncio.timeout(PATIENCE_S):
            while "restart it" not in (await health(served))[2]:
                pass
        assert client.acked == 0
        monkeypatch.undo()


async def test_what_is_worse_comes_first(tmp_path: Path, fake: Fake) -> None:
    """A model that is not there is the news, whatever the disk says."""
    async with serving(settings_of(tmp_path, engine=NO_CACHE), fake, start=False) as served:
        served.server.keeper.journal.quota_bytes = 0
        assert (await health(served))[:2] == (503, "starting")
