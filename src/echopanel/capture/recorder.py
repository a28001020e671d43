"""One device recorded into a meeting for as long as it is asked to, also when it is unplugged meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from echopanel.audio import to_samples, to_seconds
from echopanel.capture.devices import Device, DeviceState, DeviceStatus
from echopanel.capture.meter import Meter
from echopanel.capture.resample import Resampler
from echopanel.capture.sound import BLOCK_MS, Block, Stream, devices
from echopanel.client.meeting import Meeting
from echopanel.errors import DeviceError

QUIET_S = 1.0  # without any block for so long, the device may be gone
STALE_S = 3.0  # one that is there but gives nothing for so long is opened anew
LOOK_AGAIN_S = 0.5
WAITING = int(10_000 / BLOCK_MS)  # blocks that may wait for the event loop: 10 s


class Recorder:
    """Records `device`; what was not captured meanwhile is left out of the source's timeline.

    `tell` learns of the first block, of the device's disappearing and of its return.
    """

    def __init__(self, device: Device, tell: Callable[[DeviceStatus], None]) -> None:
        self.device = device
        self.meter = Meter(time.monotonic())
        self._tell = tell
        self._state: DeviceState | None = None
        self._blocks: asyncio.Queue[Block] = asyncio.Queue(WAITING)
        self._end_s: float | None = None  # when the newest sample was captured
        self._cut = False  # what comes next does not follow what came before

    def __repr__(self) -> str:
        return f"<Recorder {self.device.key} [{self._state}]>"

    async def run(self, meeting: Meeting) -> None:
        """Record until cancelled. The meeting should drop what is too old rather than wait.

        Raises:
            DeviceError: the device cannot be recorded in the first place.
        """
        while True:
            try:
                await self._record(meeting)
            except DeviceError:
                if self._state is None:
                    raise
                await asyncio.sleep(LOOK_AGAIN_S)

    async def _record(self, meeting: Meeting) -> None:
        """Record until nothing comes any more."""
        loop = asyncio.get_running_loop()

        def take(block: Block) -> None:
            loop.call_soon_threadsafe(self._arrived, block)

        async with _recording(self.device, take):
            self._cut = True
            resampler = Resampler(self.device.rate)
            while (block := await self._next()) is not None:
                await self._send(meeting, block, resampler)
        while not self._blocks.empty():
            self._blocks.get_nowait()

    def _arrived(self, block: Block) -> None:
        if self._blocks.full():
            self._cut = True
        else:
            self._blocks.put_nowait(block)

    async def _next(self) -> Block | None:
        """The next block; None when the device is gone, or has to be opened anew."""
        waited = 0.0
        while waited < STALE_S:
            try:
                # `asyncio.wait_for` of Python 3.11 loses a cancellation that comes together with a block.
                async with asyncio.timeout(QUIET_S):
                    return await self._blocks.get()
            except TimeoutError:
                waited += QUIET_S
            if not await self._is_there():
                self._become(DeviceState.GONE)
                return None
        return None

    async def _is_there(self) -> bool:
        try:
            return self.device.key in {one.key for one in await asyncio.to_thread(devices)}
        except DeviceError:
            return False

    async def _send(self, meeting: Meeting, block: Block, resampler: Resampler) -> None:
        self._become(DeviceState.RECORDING)
        self.meter.take(block.samples, block.at)
        samples = resampler.push(block.samples)
        start_s = block.at - len(block.samples) / self.device.rate
        if self._cut and self._end_s is not None:
            meeting.skip(self.device.source, max(0, to_samples(start_s - self._end_s)))
        self._cut = False
        self._end_s = start_s + to_seconds(len(samples))
        if len(samples):
            await meeting.send(self.device.source, samples, captured_ms=start_s * 1000)

    def _become(self, state: DeviceState) -> None:
        if state is not self._state:
            self._state = state
            self._tell(DeviceStatus(self.device.source, self.device.name, state))


@asynccontextmanager
async def _recording(device: Device, take: Callable[[Block], None]) -> AsyncIterator[None]:
    """Record a device meanwhile; the sound system may take its time over both ends, so threads do them."""
    opening = asyncio.create_task(asyncio.to_thread(Stream, device, take))
    try:
        await asyncio.shield(opening)
        yield
    finally:
        # What was cancelled while it was opened has to be closed as well.
        await asyncio.wait([opening])
        if opening.exception() is None:
            await asyncio.to_thread(opening.result().close)
