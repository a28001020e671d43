"""Sample indices of all sources laid on one session clock.

Two sound devices count samples at slightly different rates, and capture times jitter. Delays only ever make
a capture time late, so the earliest of a block of frames tells best where the source stands; the median over
some blocks forgives a stall or a bad stamp (the lower median: between two times that are an hour apart there
is nothing true). What is found is worked off over the next block, and only in the future: the time of a
sample that was observed never changes, and times grow with samples.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from math import inf, isfinite
from statistics import median_low

from echopanel.audio import Source, to_samples, to_seconds

BLOCK = to_samples(4.0)
BLOCKS = 5
# Frames further apart than this have a hole between them, over which a source's clock may be set anew.
HOLE = to_samples(1.0)
# No more than this share of the time is corrected at once; words would be visibly stretched.
MAX_SLEW = 0.05
# A difference beyond this is no drift: samples got lost unnoticed, or the client's clock was restarted.
STEP_S = 1.0


class SessionClock:
    """Seconds since the first frame of any source was captured.

    `origin_ms` is the capture time that counts as zero, if it is known already (a session that is reopened).
    """

    def __init__(self, origin_ms: float | None = None) -> None:
        self._origin_ms = origin_ms
        self._lines: dict[Source, _Line] = {}

    def __repr__(self) -> str:
        return f"<SessionClock [{', '.join(f'{source} {line!r}' for source, line in self._lines.items())}]>"

    @property
    def origin_ms(self) -> float | None:
        """The capture time that counts as zero; None before the first."""
        return self._origin_ms

    def observe(self, source: Source, sample: int, captured_ms: float | None) -> None:
        """A frame that begins at `sample` was captured at `captured_ms` on the client's clock (0: unknown).

        Frames come in order; one from further back is ignored.
        """
        line = self._lines.setdefault(source, _Line())
        if not captured_ms or not isfinite(captured_ms):
            line.pass_over(sample)
            return
        if self._origin_ms is None:
            self._origin_ms = captured_ms - 1000 * to_seconds(sample)
        line.observe(sample, (captured_ms - self._origin_ms) / 1000)

    def offsets(self) -> dict[Source, float]:
        """How far each source is ahead of its nominal time at its newest sample, in seconds."""
        return {source: round(line.offset, 3) for source, line in self._lines.items()}

    def place(self, source: Source, sample: int, seconds: float) -> None:
        """Say where a source stood before anything was observed (a session that is reopened).

        Raises:
            ValueError: something was observed; the past is not changed.
        """
        self._lines.setdefault(source, _Line()).place(sample, seconds)

    def at(self, source: Source, sample: int) -> float:
        """When a sample was captured, in seconds; without any capture times simply its index in seconds."""
        line = self._lines.get(source)
        return to_seconds(sample) if line is None else line.at(sample)


class _Line:
    """Time over samples of one source: straight between knots, at the nominal rate beyond them."""

    def __init__(self) -> None:
        self._samples: list[int] = []
        self._times: list[float] = []
        self._newest = -HOLE - 1
        self._block_end = 0
        self._earliest = inf  # time minus nominal time, least of the block
        self._offsets: deque[float] = deque(maxlen=BLOCKS)
        self._shift = 0.0  # of a client's clock that was restarted

    def __repr__(self) -> str:
        return f"{self.offset:+.3f}s"

    @property
    def offset(self) -> float:
        """Seconds on the session clock minus nominal seconds, at the newest sample."""
        return self.at(self._newest) - to_seconds(self._newest)

    def pass_over(self, sample: int) -> None:
        """A frame whose capture time is unknown."""
        if not self._samples:
            self._set(sample, to_seconds(sample))
        self._newest = max(self._newest, sample)

    def place(self, sample: int, seconds: float) -> None:
        """A sample whose place on the session clock is known."""
        if self._samples:
            raise ValueError("a source is placed before its first frame, or not at all")
        self._set(sample, seconds)
        self._newest = sample

    def observe(self, sample: int, seconds: float) -> None:
        """A frame that was captured at `seconds` on the session clock."""
        if sample < self._newest:
            return
        if sample - self._newest > HOLE:
            self._set(sample, seconds + self._shift)
        elif sample >= self._block_end:
            self._end_block(sample)
        self._newest = sample
        self._earliest = min(self._earliest, seconds + self._shift - to_seconds(sample))

    def at(self, sample: int) -> float:
        """Seconds on the session clock."""
        index = bisect_right(self._samples, sample)
        if index == 0:
            return max(0.0, self._times[0] - to_seconds(self._samples[0] - sample))
        first, start = self._samples[index - 1], self._times[index - 1]
        if index == len(self._samples):
            return start + to_seconds(sample - first)
        share = (sample - first) / (self._samples[index] - first)
        return start + share * (self._times[index] - start)

    def _set(self, sample: int, seconds: float) -> None:
        """Believe the first frame behind a hole: there is nothing else to go by."""
        if self._samples:
            self._keep_until(self._newest)
        earliest = self._times[-1] if self._times else 0.0
        self._add(sample, max(seconds, earliest))
        self._offsets.clear()
        self._begin_block(sample)

    def _correct(self, sample: int) -> None:
        here = self.at(sample)
        behind = median_low(self._offsets) - (here - to_seconds(sample))
        self._keep_until(sample)
        if behind > STEP_S:
            self._add(sample + 1, here + behind)
        elif behind < -STEP_S:
            self._restart(behind)
        else:
            least, most = (1 - MAX_SLEW) * to_seconds(BLOCK), (1 + MAX_SLEW) * to_seconds(BLOCK)
            self._add(sample + BLOCK, here + min(max(to_seconds(BLOCK) + behind, least), most))

    def _restart(self, behind: float) -> None:
        """Time does not run backwards: take the client's clock as set back and go on from here."""
        self._shift -= behind
        self._offsets.clear()

    def _end_block(self, sample: int) -> None:
        if self._earliest < inf:
            self._offsets.append(self._earliest)
            self._correct(sample)
        self._begin_block(sample)

    def _begin_block(self, sample: int) -> None:
        self._block_end = sample + BLOCK
        self._earliest = inf

    def _keep_until(self, sample: int) -> None:
        """Make `sample` the last knot, with the time it has now."""
        seconds = self.at(sample)
        while self._samples and self._samples[-1] >= sample:
            self._samples.pop()
            self._times.pop()
        self._add(sample, seconds)

    def _add(self, sample: int, seconds: float) -> None:
        self._samples.append(sample)
        self._times.append(seconds)
