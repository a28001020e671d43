"""Audio values: sources, frames, chunks, and conversions between samples, seconds, bytes and floats."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from echopanel.errors import AudioError

SAMPLE_RATE = 16_000  # Hz, mono; what Whisper and Silero are trained on
SAMPLE_BYTES = 2  # s16le
FULL_SCALE = 32_768.0

Samples = NDArray[np.float32]


class Source(StrEnum):
    """An audio channel of a meeting."""

    MIC = "mic"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class AudioFrame:
    """What a client sends: a stretch of s16le mono 16 kHz at a place in its source's timeline.

    `start` is a sample index since the session began. `captured_ms` is when the first sample was
    recorded, on the client's monotonic clock. `skipped` says why the timeline jumped ahead before
    this frame: the missing range was never captured (muted, unplugged), so it is not lost.
    """

    source: Source
    start: int
    pcm: bytes
    captured_ms: float = 0.0
    skipped: bool = False

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(self.pcm) // SAMPLE_BYTES

    @property
    def end(self) -> int:
        """Sample index just behind the last sample."""
        return self.start + self.count


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """What one item of a recogniser call holds: float32 samples in [-1, 1], shape (n,), up to 30 s."""

    source: Source
    start: int
    samples: Samples

    @property
    def end(self) -> int:
        """Sample index just behind the last sample."""
        return self.start + len(self.samples)

    @property
    def seconds(self) -> float:
        """Duration."""
        return len(self.samples) / SAMPLE_RATE


def to_seconds(samples: int) -> float:
    """Duration of `samples` samples at 16 kHz."""
    return samples / SAMPLE_RATE


def to_samples(seconds: float) -> int:
    """Nearest number of 16 kHz samples in `seconds`."""
    return round(seconds * SAMPLE_RATE)


def pcm16_to_float(pcm: bytes | memoryview) -> Samples:
    """Turn s16le bytes into float32 in [-1, 1).

    Raises:
        AudioError: half a sample at the end.
    """
    if len(pcm) % SAMPLE_BYTES:
        raise AudioError(f"{len(pcm)} bytes are not whole 16-bit samples")
    return np.frombuffer(pcm, dtype="<i2").astype(np.float32) / np.float32(FULL_SCALE)


def float_to_pcm16(samples: Samples) -> bytes:
    """Turn float samples into s16le bytes; what is beyond full scale is clipped."""
    scaled = np.rint(np.asarray(samples, dtype=np.float32) * np.float32(FULL_SCALE))
    clipped: Samples = np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1)
    return clipped.astype("<i2").tobytes()
