"""Audio of one source that the server has not acknowledged: what to send next, and what to send again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from itertools import islice

from echopanel.audio import SAMPLE_BYTES, SAMPLE_RATE, AudioFrame


@dataclass(frozen=True, slots=True)
class ReplayLimits:
    """How much to keep per source; beyond it the oldest is dropped.

    The default covers all attempts to reconnect. `max_frames` and `ttl_s` allow the small classic setting.
    `again_s` seconds of acknowledged audio are kept besides, for a server that lost them in a power cut.
    """

    seconds: float = 600.0
    max_frames: int | None = None
    ttl_s: float | None = None
    again_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Kept:
    """A frame and when it was kept."""

    frame: AudioFrame
    at: float


class Replay:
    """Frames in ascending order, from the acknowledged sample on, with a cursor for sending."""

    def __init__(self, limits: ReplayLimits) -> None:
        self.samples = 0
        self.dropped = 0
        self.cursor = 0
        self.end = 0
        self._limits = limits
        self._kept: deque[Kept] = deque()
        self._settled: deque[Kept] = deque()  # acknowledged not long ago
        self._again = 0  # samples of those
        self._next = 0  # index of the frame in which or before which the cursor is
        self._behind = 0  # kept samples before the cursor

    def __repr__(self) -> str:
        return (
            f"<Replay [{self.samples} kept, {self.unsent} to send, {self.dropped} dropped] at {self.cursor}>"
        )

    @property
    def unsent(self) -> int:
        """Samples from the cursor on."""
        return self.samples - self._behind

    @property
    def position(self) -> int:
        """Everything kept that lies before this sample has been sent."""
        following = self.peek()
        return max(self.cursor, following.start if following else self.end)

    def has_room(self, samples: int) -> bool:
        """Whether so many more samples fit without dropping any for want of seconds."""
        return self.samples + samples <= self._limits.seconds * SAMPLE_RATE

    def append(self, frame: AudioFrame, now: float) -> None:
        """Keep a frame that begins where the newest ends, or later; drop the oldest beyond the limits."""
        assert frame.start >= self.end, "frames come in order"
        self._kept.append(Kept(frame, now))
        self.samples += frame.count
        self.end = frame.end
        while self._is_over(now):
            self.dropped += self._forget_oldest().frame.count

    def acknowledge(self, sample: int) -> None:
        """The server keeps everything before `sample`."""
        while self._kept and self._kept[0].frame.end <= sample:
            self._settled.append(self._forget_oldest())
            self._again += self._settled[-1].frame.count
            while self._again > self._limits.again_s * SAMPLE_RATE:
                self._again -= self._settled.popleft().frame.count
        if sample > self.cursor:
            self.rewind(sample)

    def settle(self) -> None:
        """What was acknowledged will not be wanted again."""
        self._settled.clear()
        self._again = 0

    def rewind(self, sample: int) -> None:
        """Send from `sample` on, also what was sent before, and even what was acknowledged."""
        while self._settled and self._settled[-1].frame.end > sample:
            self._kept.appendleft(self._settled.pop())
            count = self._kept[0].frame.count
            self._again -= count
            self.samples += count
        self.cursor = sample
        self._next = self._behind = 0
        for kept in self._kept:
            if kept.frame.end > sample:
                self._behind += max(0, sample - kept.frame.start)
                break
            self._next += 1
            self._behind += kept.frame.count

    def peek(self) -> AudioFrame | None:
        """The frame in which the cursor is, or the one behind it."""
        return self._kept[self._next].frame if self._next < len(self._kept) else None

    def take(self, limit: int) -> AudioFrame | None:
        """At most `limit` samples from the cursor on, one piece without holes; the cursor moves behind it."""
        first = self.peek()
        if first is None or limit <= 0:
            return None
        begin = max(self.cursor, first.start)
        parts = [first.pcm[(begin - first.start) * SAMPLE_BYTES :]]
        end = first.end
        for kept in islice(self._kept, self._next + 1, None):
            if end - begin >= limit or kept.frame.start != end or kept.frame.skipped:
                break
            parts.append(kept.frame.pcm)
            end = kept.frame.end
        pcm = b"".join(parts)[: limit * SAMPLE_BYTES]
        captured_ms = first.captured_ms + (begin - first.start) * 1000 / SAMPLE_RATE
        skipped = first.skipped and begin == first.start
        piece = replace(first, start=begin, pcm=pcm, captured_ms=captured_ms, skipped=skipped)
        self._advance(piece)
        return piece

    def _advance(self, piece: AudioFrame) -> None:
        self.cursor = piece.end
        self._behind += piece.count
        while (frame := self.peek()) is not None and frame.end <= self.cursor:
            self._next += 1

    def _forget_oldest(self) -> Kept:
        oldest = self._kept.popleft()
        self.samples -= oldest.frame.count
        self._behind = max(0, self._behind - oldest.frame.count)
        self._next = max(0, self._next - 1)
        return oldest

    def _is_over(self, now: float) -> bool:
        limits = self._limits
        too_many = limits.max_frames is not None and len(self._kept) > limits.max_frames
        too_old = limits.ttl_s is not None and bool(self._kept) and now - self._kept[0].at > limits.ttl_s
        return self.samples > limits.seconds * SAMPLE_RATE or too_many or too_old
