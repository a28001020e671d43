"""Ctrl-C while a server does not answer."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from echopanel.audio import AudioFrame
from echopanel.wire import messages as m
from tests.client.scripted import Scripted, listening

NOTICE = b"stopping: the rest of the text is coming; Ctrl-C again ends at once\n"
pytestmark = pytest.mark.e2e


@asynccontextmanager
async def streaming(clip: Path, url: str, speed: str) -> AsyncIterator[Process]:
    """`echopanel stream`, killed if it has not ended by itself."""
    command = [sys.executable, "-m", "echopanel", "stream", str(clip), "--url", url, "--speed", speed]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    try:
        async with asyncio.timeout(60):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize(("speed", "sent"), [("1", AudioFrame), ("0", m.Stop)])
async def test_the_second_ends_at_once(clip: Path, speed: str, sent: type[m.Message]) -> None:
    """The first asks for the rest of the text, while sending or behind it; the second waits for nothing."""
    scripted = Scripted(answer_stops=False)
    async with listening(scripted), streaming(clip, scripted.url, speed) as process:
        assert process.stderr is not None
        await scripted.has_received(sent)
        process.send_signal(signal.SIGINT)
        assert await process.stderr.readline() == NOTICE
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130


async def test_while_connecting_the_first_ends_it(clip: Path) -> None:
    """There is nothing to finish yet."""
    scripted = Scripted(silent=True)
    async with listening(scripted), streaming(clip, scripted.url, "1") as process:
        await scripted.has_received(m.Start)
        process.send_signal(signal.SIGINT)
        assert await process.communicate() == (b"", b"")
        assert process.returncode == 130
