"""What became of every sample of one source: captured = transcribed + silence + pending + lost, always."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort

from echopanel.transcript import Coverage, LostRange

# A hostile client can make a hole of every other frame; all are counted, the first so many are listed.
LISTED_LOSSES = 1000
# Likewise of the places behind which sound begins anew the newest are remembered.
REMEMBERED_HOLES = 1000


class Ledger:
    """Accounts in samples. What is received is pending until it is called transcribed, silence or lost.

    Only pending ranges are kept; whatever is settled is a number, so hours of audio stay small.
    """

    def __init__(self) -> None:
        self._end = 0
        self._not_captured = 0
        self._received = 0
        self._transcribed = 0
        self._silence = 0
        self._lost = 0
        self._losses: list[LostRange] = []
        self._holes: list[tuple[int, int]] = []  # what was never captured, or lost, in order
        # Disjoint and sorted; neighbours that touch are one range.
        self._pending: list[tuple[int, int]] = []

    def __repr__(self) -> str:
        pending = sum(end - start for start, end in self._pending)
        return (
            f"<Ledger at {self._end} [{pending} pending in {len(self._pending)} ranges, {self._lost} lost]>"
        )

    @property
    def end(self) -> int:
        """Sample index behind everything heard of."""
        return self._end

    @property
    def handled(self) -> int:
        """Sample index before which nothing is pending."""
        return self._pending[0][0] if self._pending else self._end

    def receive(self, start: int, end: int) -> None:
        """Samples arrived; they are pending.

        Raises:
            ValueError: they do not begin where the timeline ends.
        """
        self._extend(start, end)
        self._received += end - start
        if start == end:
            return
        if self._pending and self._pending[-1][1] == start:
            start = self._pending.pop()[0]
        self._pending.append((start, end))

    def skip(self, start: int, end: int) -> None:
        """The source was muted or unplugged: these samples were never captured.

        Raises:
            ValueError: they do not begin where the timeline ends.
        """
        self._extend(start, end)
        self._not_captured += end - start
        self._note_hole(start, end)

    def lose(self, start: int, end: int, reason: str) -> None:
        """Samples that can never become text: pending ones, or captured ones that did not arrive, or both.

        Raises:
            ValueError: a sample was settled already, or there is a hole before the range.
        """
        if end < start or start > self._end:
            raise ValueError(f"[{start}, {end}) leaves a hole behind {self._end}")
        self._settle(start, min(end, self._end))
        self._end = max(self._end, end)
        self._lost += end - start
        if start < end:
            self._note_loss(start, end, reason)
            self._note_hole(start, end)

    def silence(self, start: int, end: int) -> None:
        """Nobody spoke in pending samples.

        Raises:
            ValueError: a sample is not pending.
        """
        self._settle(start, end)
        self._silence += end - start

    def transcribe(self, start: int, end: int) -> None:
        """Pending samples became final text.

        Raises:
            ValueError: a sample is not pending.
        """
        self._settle(start, end)
        self._transcribed += end - start

    def pending_ranges(self) -> list[tuple[int, int]]:
        """Ranges (start, end) that wait for recognition, in order."""
        return list(self._pending)

    def unknown_until(self, sample: int) -> int:
        """Where what comes before `sample` and has no text, yet or ever, ends; 0 where there is none."""
        before = [ranges[: bisect_left(ranges, (sample, 0))] for ranges in (self._pending, self._holes)]
        return min(sample, max((ranges[-1][1] for ranges in before if ranges), default=0))

    def coverage(self) -> Coverage:
        """The account as it stands; always balanced."""
        return Coverage(
            captured=self._end - self._not_captured,
            received=self._received,
            transcribed=self._transcribed,
            silence=self._silence,
            pending=sum(end - start for start, end in self._pending),
            lost=self._lost,
            lost_ranges=tuple(self._losses),
        )

    def _extend(self, start: int, end: int) -> None:
        if start != self._end or end < start:
            raise ValueError(f"[{start}, {end}) does not continue a timeline that ends at {self._end}")
        self._end = end

    def _settle(self, start: int, end: int) -> None:
        """Take a range out of the pending ones."""
        if start == end:
            return
        index = bisect_right(self._pending, start, key=lambda pending: pending[0]) - 1
        first, last = self._pending[index] if index >= 0 else (0, 0)
        if not first <= start < end <= last:
            raise ValueError(f"[{start}, {end}) is not pending")
        rest = [(a, b) for a, b in ((first, start), (end, last)) if a < b]
        self._pending[index : index + 1] = rest

    def _note_hole(self, start: int, end: int) -> None:
        if start < end:
            insort(self._holes, (start, end))
            del self._holes[:-REMEMBERED_HOLES]

    def _note_loss(self, start: int, end: int, reason: str) -> None:
        """List a loss, as one with its neighbours if they have the same reason."""
        losses = self._losses
        first = last = bisect_left(losses, start, key=lambda loss: loss.start)
        if first and (losses[first - 1].end, losses[first - 1].reason) == (start, reason):
            first -= 1
            start = losses[first].start
        if last < len(losses) and (losses[last].start, losses[last].reason) == (end, reason):
            end = losses[last].end
            last += 1
        if first < last or len(losses) < LISTED_LOSSES:
            losses[first:last] = [LostRange(start, end, reason)]
