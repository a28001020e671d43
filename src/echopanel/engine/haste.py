"""What another model heard while there was no time for the first, or while that was broken."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from echopanel.audio import to_samples
from echopanel.transcript import Segment

# Segments so close together are heard again in one piece, up to this length: whoever is in a hurry cuts
# utterances at a breath.
JOIN_S = 0.6
LONGEST_S = 14.0


@dataclass(frozen=True, slots=True)
class Passage:
    """Segments in a row, by their ids, and the samples they cover; `text` is what they say."""

    ids: tuple[str, ...]
    start: int
    end: int
    text: str


class Haste:
    """The segments of one source that are to be heard again, in order."""

    def __init__(self) -> None:
        self._segments: deque[Segment] = deque()

    def __repr__(self) -> str:
        return f"<Haste [{len(self)} segments]>"

    def __len__(self) -> int:
        return len(self._segments)

    def note(self, segment: Segment) -> None:
        """Remember a segment; it begins behind all that were noted before."""
        self._segments.append(segment)

    def take(self) -> Passage | None:
        """The oldest segments that are to be heard again in one piece; None if there are none."""
        if not self._segments:
            return None
        taken = [self._segments.popleft()]
        while self._segments and _belong_together(taken[0], taken[-1], self._segments[0]):
            taken.append(self._segments.popleft())
        text = " ".join(segment.text for segment in taken)
        return Passage(
            tuple(segment.id for segment in taken), taken[0].start_sample, taken[-1].end_sample, text
        )


def _belong_together(first: Segment, last: Segment, following: Segment) -> bool:
    apart = following.start_sample - last.end_sample
    length = following.end_sample - first.start_sample
    return apart <= to_samples(JOIN_S) and length <= to_samples(LONGEST_S)
