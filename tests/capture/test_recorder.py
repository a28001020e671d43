"""When a recorder ends; its device is made up, since chance decides when a real one gives its next block."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import numpy as np
import pytest

from echopanel.audio import Source
from echopanel.capture import recorder
from echopanel.capture.devices import Device
from echopanel.capture.recorder import Recorder
from echopanel.capture.sound import Block
from echopanel.client.meeting import Meeting, connect
from tests.client.scripted import Scripted, listening
from tests.helpers.threads import check_threads

DEVICE = Device("made-up", "Made up", Source.MIC, 48_000)


class Streams:
    """Takes the place of `Stream`, and keeps those that were opened and not closed."""

    def __init__(self) -> None:
        self.open: list[Callable[[Block], None]] = []
        self.opened = asyncio.Event()
        self.loop = asyncio.get_running_loop()

    def __call__(self, device: Device, take: Callable[[Block], None]) -> Streams:
        self.open.append(take)
        self.loop.call_soon_threadsafe(self.opened.set)
        return self

    def close(self) -> None:
        self.open.clear()

    def give(self) -> None:
        self.open[0](Block(np.zeros(1920, dtype=np.float32), time.monotonic()))


@pytest.fixture
async def streams(monkeypatch: pytest.MonkeyPatch) -> Streams:
    """A device that gives blocks when it is told to."""
    made_up = Streams()
    monkeypatch.setattr(recorder, "Stream", made_up)
    return made_up


async def recording(meeting: Meeting, streams: Streams, scripted: Scripted) -> asyncio.Task[None]:
    """A recorder whose first block has arrived at the server."""
    check_threads()
    task = asyncio.create_task(Recorder(DEVICE, lambda _: None).run(meeting))
    await streams.opened.wait()
    streams.give()
    async with scripted.arrived:
        await scripted.arrived.wait_for(lambda: bool(scripted.frames()))
    return task


@pytest.mark.parametrize("steps", range(6))
async def test_an_end_that_comes_together_with_a_block(streams: Streams, steps: int) -> None:
    """However many steps of the event loop lie between them, the recorder ends and the device is closed."""
    scripted = Scripted()
    async with listening(scripted), connect(scripted.url, sources=["mic"]) as meeting:
        task = await recording(meeting, streams, scripted)
        streams.give()
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        async with asyncio.timeout(60):
            await asyncio.wait([task])
    assert task.cancelled()
    assert streams.open == []


async def test_an_end_that_comes_while_the_device_is_opened(streams: Streams) -> None:
    """A device that is open by the time that nobody wants it any more is closed."""
    scripted = Scripted()
    async with listening(scripted), connect(scripted.url, sources=["mic"]) as meeting:
        task = asyncio.create_task(Recorder(DEVICE, lambda _: None).run(meeting))
        await asyncio.sleep(0)
        task.cancel()
        async with asyncio.timeout(60):
            await asyncio.wait([task])
    assert task.cancelled()
    assert streams.open == []
