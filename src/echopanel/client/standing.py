"""The text that holds, and how it came to be, so that what a server forgot can be taken back."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from echopanel.transcript import Revision, Segment

# So many finals can be taken back; a power cut costs a server those of seconds.
FORGETTABLE = 1000
LOST_BY_SERVER = "the server lost it in a power cut; what can be heard again comes again"


class Standing:
    """The newest final segments of a session, with the event that brought each and those it replaced."""

    def __init__(self) -> None:
        self._segments: dict[str, Segment] = {}
        self._changes: deque[tuple[int, tuple[Segment, ...], tuple[str, ...]]] = deque(maxlen=FORGETTABLE)

    def __repr__(self) -> str:
        return f"<Standing [{len(self._segments)} segments]>"

    def take(self, event: int, replaces: Sequence[str], segments: Sequence[Segment]) -> None:
        """Event number `event` brought segments, in the place of others."""
        gone = tuple(self._segments.pop(name) for name in replaces if name in self._segments)
        self._segments |= {segment.id: segment for segment in segments}
        self._changes.append((event, gone, tuple(segment.id for segment in segments)))
        while len(self._segments) > FORGETTABLE:
            del self._segments[next(iter(self._segments))]

    def forget(self, last_event: int) -> Revision | None:
        """Undo all that came behind `last_event`, and say how; None if nothing did."""
        gone: list[str] = []
        back: dict[str, Segment] = {}
        while self._changes and self._changes[-1][0] > last_event:
            _, before, after = self._changes.pop()
            gone += [name for name in reversed(after) if back.pop(name, None) is None]
            back |= {segment.id: segment for segment in before}
            for name in after:
                self._segments.pop(name, None)
            self._segments |= {segment.id: segment for segment in before}
        if not gone:
            return None
        return Revision(tuple(reversed(gone)), tuple(back.values()), LOST_BY_SERVER)
