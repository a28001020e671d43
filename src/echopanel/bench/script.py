"""What each source plays: recordings back to back, on a fixed schedule. Pure.

All sources talk until the same moment. Source k of N begins `stagger * k / N` seconds after the first, so
that they do not move in step; the measured window begins when the last one may begin, and ends a little
before all end, so that the load is the same around its last words.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import gcd

from echopanel.audio import SAMPLE_BYTES, to_samples
from echopanel.bench.corpus import Recording

STAGGER_S = 4.0
RUN_OUT_S = 3.0
GAP_S = 0.4
GOLDEN = 0.618  # strides near the golden section spread the first recordings of few and of many sources alike


@dataclass(frozen=True, slots=True)
class Timing:
    """When the sources talk and which part of it is measured, in seconds since the first source began."""

    seconds: float
    stagger: float = STAGGER_S
    run_out: float = RUN_OUT_S

    @property
    def window(self) -> tuple[float, float]:
        """The measured part."""
        return self.stagger, self.stagger + self.seconds

    @property
    def end(self) -> float:
        """When all sources fall silent."""
        return self.stagger + self.seconds + self.run_out

    def begin(self, source: int, sources: int) -> float:
        """When source number `source` begins."""
        return self.stagger * source / max(sources, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """One playing of a recording from sample index `start` of a source on."""

    recording: Recording
    start: int

    @property
    def end(self) -> int:
        """Sample index behind its last sample."""
        return self.start + self.recording.count


@dataclass(frozen=True, slots=True, eq=False)
class Script:
    """Everything that one source sends: `count` samples, silence between the takes."""

    takes: tuple[Take, ...]
    count: int
    _starts: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_starts", tuple(take.start for take in self.takes))

    def read(self, start: int, count: int) -> bytes:
        """Samples [start, start + count) as s16le; fewer at the end."""
        pieces: list[bytes] = []
        at, end = start, min(start + count, self.count)
        while at < end:
            piece = self._piece(at, end)
            pieces.append(piece)
            at += len(piece) // SAMPLE_BYTES
        return b"".join(pieces)

    def _piece(self, at: int, end: int) -> bytes:
        number = bisect_right(self._starts, at)
        following = self._starts[number] if number < len(self._starts) else end
        take = self.takes[number - 1] if number else None
        if take is not None and at < take.end:
            first = (at - take.start) * SAMPLE_BYTES
            return take.recording.pcm[first : first + (min(end, take.end) - at) * SAMPLE_BYTES]
        return bytes((min(end, following) - at) * SAMPLE_BYTES)


def silence(seconds: float) -> Script:
    """A connected source in which nobody says anything: digital silence."""
    return Script((), to_samples(seconds))


def compose(recordings: Sequence[Recording], source: int, seconds: float, gap: float = GAP_S) -> Script:
    """The script of source number `source`: all recordings in turn, from a first one of its own."""
    first = source * stride(len(recordings)) % len(recordings)
    takes: list[Take] = []
    at, count = 0, to_samples(seconds)
    while at < count:
        takes.append(Take(recordings[(first + len(takes)) % len(recordings)], at))
        at = takes[-1].end + max(to_samples(gap), 1)
    return Script(tuple(takes), count)


def stride(count: int) -> int:
    """A step through `count` things that visits all of them and lands far from where it was."""
    wanted = max(1, round(count * GOLDEN))
    return next(step for step in range(wanted, wanted + count + 1) if gcd(step, count) == 1)
