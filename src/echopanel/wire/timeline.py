"""What of an arriving frame is new: overlaps are cut off to the sample, missing ranges are reported."""

from __future__ import annotations

from dataclasses import dataclass, replace

from echopanel.audio import SAMPLE_BYTES, SAMPLE_RATE, AudioFrame


@dataclass(frozen=True, slots=True)
class Hole:
    """Samples [start, end) that will not come. `skipped`: they were never captured, so they are not lost."""

    start: int
    end: int
    skipped: bool


@dataclass(frozen=True, slots=True)
class Accepted:
    """The new part of a frame, if any, and the hole before it, if any."""

    frame: AudioFrame | None
    hole: Hole | None = None


class Timeline:
    """One source's samples as they come in, over any connections; `next` is the first not yet seen."""

    def __init__(self, next_sample: int = 0) -> None:
        self.next = next_sample

    def __repr__(self) -> str:
        return f"<Timeline next {self.next}>"

    def accept(self, frame: AudioFrame) -> Accepted:
        """Take what is new of `frame`. Taking the same frame again gives nothing."""
        if frame.end <= self.next:
            return Accepted(None)
        hole = self._hole(frame.start, frame.skipped)
        fresh = _behind(frame, self.next) if frame.start < self.next else frame
        self.next = frame.end
        return Accepted(fresh, hole)

    def finish(self, captured: int) -> Hole | None:
        """Close the timeline at `captured`, where the client says that the source ended."""
        hole = self._hole(captured, skipped=False)
        self.next = max(self.next, captured)
        return hole

    def _hole(self, start: int, skipped: bool) -> Hole | None:
        return Hole(self.next, start, skipped) if start > self.next else None


def _behind(frame: AudioFrame, sample: int) -> AudioFrame:
    """The part of `frame` from `sample` on."""
    cut = sample - frame.start
    captured_ms = frame.captured_ms + cut * 1000 / SAMPLE_RATE
    return replace(
        frame, start=sample, pcm=frame.pcm[cut * SAMPLE_BYTES :], captured_ms=captured_ms, skipped=False
    )
