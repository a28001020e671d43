"""Recordings sent as if they happened now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from echopanel.audio import SAMPLE_RATE, Samples, to_seconds
from echopanel.client.meeting import Meeting
from echopanel.errors import ConfigError

FRAME_SAMPLES = SAMPLE_RATE // 10
BEGIN_MS = 1000.0  # any time but 0, which means unknown


class Pacer:
    """An absolute schedule, so that errors do not add up.

    Sample n comes (n - `first`) / 16000 / `speed` seconds from now. Several sources of a meeting share one
    pacer. `speed` 0 means as fast as the server takes it.

    Raises:
        ConfigError: a negative speed.
    """

    def __init__(
        self, speed: float = 1.0, first: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if not 0 <= speed < float("inf"):
            raise ConfigError("speed", speed, "must be 0 (as fast as possible) or more; 1 is real time")
        self._speed = speed
        self._first = first
        self._clock = clock
        self._zero = clock()

    def __repr__(self) -> str:
        return f"<Pacer {self._speed:g}x since {self._zero:.1f}>"

    def captured_ms(self, sample: int) -> float:
        """When a sample counts as recorded, in ms: at the pace of the audio, in every process alike."""
        return BEGIN_MS + to_seconds(sample) * 1000

    def wait_s(self, sample: int) -> float:
        """Seconds until everything before `sample` has been recorded."""
        if self._speed == 0:
            return 0.0
        return max(0.0, self._zero + to_seconds(sample - self._first) / self._speed - self._clock())


async def play(meeting: Meeting, source: str, blocks: Iterable[Samples], pacer: Pacer) -> int:
    """Send a recording, 100 ms at a time, each when its last sample is recorded.

    A meeting that was taken up from a spool goes on where it was.

    Args:
        meeting: where to.
        source: as what.
        blocks: float32 samples at 16 kHz; reading them may block, which happens in a thread.
        pacer: when.

    Returns:
        The sample index behind the last one.
    """
    sent = meeting.position(source)
    reader = behind(blocks, sent)
    while (block := await asyncio.to_thread(next, reader, None)) is not None:
        for frame in _frames(block):
            await asyncio.sleep(pacer.wait_s(sent + len(frame)))
            await meeting.send(source, frame, captured_ms=pacer.captured_ms(sent))
            sent += len(frame)
    return sent


def behind(blocks: Iterable[Samples], first: int) -> Iterator[Samples]:
    """The samples of `blocks` from index `first` on."""
    for block in blocks:
        if first < len(block):
            yield block[first:]
        first = max(0, first - len(block))


def _frames(block: Samples) -> Iterator[Samples]:
    return (np.asarray(block[at : at + FRAME_SAMPLES]) for at in range(0, len(block), FRAME_SAMPLES))
