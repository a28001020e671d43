"""The recent audio of one source, in memory, by sample index."""

from __future__ import annotations

from echopanel.audio import SAMPLE_BYTES, Samples, pcm16_to_float


class AudioBuffer:
    """s16le samples from `start` to `end`; old ones are let go with `drop_before`."""

    def __init__(self, start: int = 0) -> None:
        self.start = start
        self._pcm = bytearray()

    def __repr__(self) -> str:
        return f"<AudioBuffer [{self.start}, {self.end})>"

    @property
    def end(self) -> int:
        """Sample index behind the newest sample."""
        return self.start + len(self._pcm) // SAMPLE_BYTES

    def append(self, pcm: bytes) -> None:
        """Add samples at the end."""
        self._pcm += pcm

    def read(self, start: int, end: int) -> Samples:
        """Samples [start, end) as float32, shape (end - start,).

        Raises:
            IndexError: part of the range is not held.
        """
        if not self.start <= start <= end <= self.end:
            raise IndexError(f"[{start}, {end}) is not within {self!r}")
        first, last = (start - self.start) * SAMPLE_BYTES, (end - self.start) * SAMPLE_BYTES
        # A copy: the bytearray cannot grow while a view of it exists.
        return pcm16_to_float(bytes(self._pcm[first:last]))

    def drop_before(self, sample: int) -> None:
        """Let go of samples before `sample`."""
        count = min(sample, self.end) - self.start
        if count > 0:
            del self._pcm[: count * SAMPLE_BYTES]
            self.start += count

    def restart(self, sample: int) -> None:
        """Go on at `sample` with nothing held (behind a hole)."""
        self._pcm.clear()
        self.start = sample
