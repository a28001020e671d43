"""A computer that sleeps while captions are made: all processes of a real browser stand still for a while."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from echopanel.audio import SAMPLE_RATE
from tests.client.scripted import listening
from tests.panel.conftest import Clip, chromium
from tests.panel.stage import Stage
from tests.panel.test_page import MIC, visiting
from tests.panel.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

ASLEEP_S = 3.0
BUSY_MS = 600


def parents() -> dict[int, int]:
    """Every process and its parent."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended meanwhile
            continue
    return found


def descendants(ancestor: int) -> list[int]:
    """Processes that a process started, directly or not."""
    tree = parents()
    found = [ancestor]
    for one in found:
        found += [child for child, parent in tree.items() if parent == one]
    return found[1:]


@contextmanager
def asleep(processes: list[int]) -> Iterator[None]:
    """They stand still."""
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


@pytest.mark.skipif(sys.platform != "linux", reason="finds the browser's processes in /proc")
async def test_time_asleep_is_told_and_is_no_gap(heard: Clip) -> None:
    """The page says for how long nothing was recorded; the timeline skips it, and captions go on."""
    stage = Stage()
    before = set(descendants(os.getpid()))
    async with (
        listening(stage),
        chromium(heard.path, "--use-fake-ui-for-media-stream") as browser,
        visiting(browser, stage) as visit,
    ):
        await visit.open()
        await visit.start()
        await until(lambda: len(stage.frames()) > 20)
        programs = [one for one in descendants(os.getpid()) if one not in before and is_browser(one)]
        await keep_busy(visit.page)  # sound recorded before is still on its way when everything stands still
        with asleep(programs):
            await asyncio.sleep(ASLEEP_S)
        await expect(visit.page.locator("#note")).to_contain_text("Nothing was recorded for")
        await expect(visit.status).to_have_text("Live")
        count = len(stage.frames())
        await until(lambda: len(stage.frames()) > count + 20)
    [(source, hole)] = stage.session.holes
    assert (source, hole.skipped) == (MIC, True)
    assert ASLEEP_S / 2 < (hole.end - hole.start) / SAMPLE_RATE < 4 * ASLEEP_S


async def keep_busy(page: Page) -> None:
    """Let the page's own thread do nothing else for a while; returns in the middle of it."""
    work = f"const end = Date.now() + {BUSY_MS}; while (Date.now() < end);"
    await page.evaluate(f"setTimeout(() => {{ {work} }})")
    await asyncio.sleep(BUSY_MS / 2000)


def is_browser(process: int) -> bool:
    """Whether it is one of Chromium's, not of the driver's."""
    try:
        return b"--use-file-for-fake-audio-capture" in Path(f"/proc/{process}/cmdline").read_bytes() or (
            b"--type=" in Path(f"/proc/{process}/cmdline").read_bytes()
        )
    except OSError:
        return False
