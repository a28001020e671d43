"""Taking a source up again from what is on disk: its journal, its finals and its gaps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from echopanel.policy.endpoint import WINDOW
from echopanel.policy.ledger import Ledger
from echopanel.transcript import Gap, GapStatus, Segment

Range = tuple[int, int]
# So much audio before the last final is heard again, because the detector remembers: of 87 ends of utterances
# the next one begins or ends elsewhere behind 47 without it, 37 after 4 s and 15 after 16 s, by 32 ms mostly.
CONTEXT_S = 16.0


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of one source; ranges are (start, end) in samples, in order.

    `damaged`: it was journaled, but cannot be read any more. `revised` are segments that were heard again, in
    the place of finals.
    """

    journaled: tuple[Range, ...] = ()
    finals: tuple[Segment, ...] = ()
    gaps: tuple[Gap, ...] = ()
    damaged: tuple[Range, ...] = ()
    revised: tuple[Segment, ...] = ()

    @property
    def done(self) -> int:
        """Sample behind the last final. Finals come in order, so what is before it was dealt with."""
        return max((segment.end_sample for segment in self.finals), default=0)

    @property
    def end(self) -> int:
        """Sample behind everything that is here."""
        return max(self.done, self.journaled[-1][1] if self.journaled else 0)

    @property
    def count(self) -> int:
        """The highest number that a segment of this source has."""
        known = (*self.finals, *self.revised)
        return max((int(segment.id.rpartition("-")[2]) for segment in known), default=0)

    @property
    def losses(self) -> tuple[Range, ...]:
        """Ranges that were announced as lost."""
        return tuple((gap.start_sample, gap.end_sample) for gap in self.gaps if gap.status is GapStatus.LOST)

    def context(self, most: int) -> Range:
        """The journaled audio that ends at `done`: at most `most` samples, or one detector window more.

        It begins at a whole number of windows behind the hole before it, as the detector once heard it.
        """
        for start, end in self.journaled:
            if start < self.done <= end:
                skipped = max(0, self.done - most - start) // WINDOW * WINDOW
                return start + skipped, self.done
        return self.done, self.done

    def unheard(self, step: int) -> Iterator[tuple[int, int, bool]]:
        """What is to be heard again, as (start, end) of at most `step` samples each.

        The third value says of a hole before them that it was never captured; else it was announced as lost.
        """
        lost_until = {end for _, end in self.losses}
        for start, end in self.journaled:
            for first in range(max(start, self.done), end, step):
                yield first, min(end, first + step), first not in lost_until


def first_waiting(ledger: Ledger, put_off: Iterable[Range]) -> int:
    """The sample before which nothing waits; what was put off does not count."""
    ranges = sorted(put_off)
    for start, end in ledger.pending_ranges():
        position = start
        for first, last in ranges:
            if first <= position:
                position = max(position, last)
        if position < end:
            return position
    return ledger.end


def rebuild_ledger(past: Past) -> tuple[Ledger, list[Range]]:
    """The account of everything before `past.done`, and the ranges in it that still wait for recognition."""
    ledger = Ledger()
    heard = merge([*past.journaled, *((one.start_sample, one.end_sample) for one in past.finals)])
    for start, end in clip(heard, past.done):
        if start > ledger.end:
            settle_hole(ledger, past, start)
        ledger.receive(start, end)
    for segment in past.finals:
        ledger.transcribe(segment.start_sample, segment.end_sample)
    return ledger, settle_rest(ledger, past)


def settle_hole(ledger: Ledger, past: Past, until: int) -> None:
    """A range that never came: lost if that was announced, else never captured."""
    reason = next(
        (gap.reason for gap in past.gaps if gap.start_sample < until and gap.end_sample > ledger.end), ""
    )
    if reason:
        ledger.lose(ledger.end, until, reason)
    else:
        ledger.skip(ledger.end, until)


def settle_rest(ledger: Ledger, past: Past) -> list[Range]:
    """What is neither final nor announced was silence, what was given up is lost; returns what is pending."""
    last_word = {(gap.start_sample, gap.end_sample): gap for gap in past.gaps}
    waiting: list[Range] = []
    for start, end in ledger.pending_ranges():
        position = start
        for announced in sorted(last_word):  # not merged: each is one chunk
            first, last = max(position, announced[0]), min(announced[1], end)
            if first >= last:
                continue
            ledger.silence(position, first)
            match last_word[announced].status:
                case GapStatus.PENDING:
                    waiting.append((first, last))
                case GapStatus.LOST:
                    ledger.lose(first, last, last_word[announced].reason)
                case GapStatus.SILENCE:
                    ledger.silence(first, last)
            position = last
        ledger.silence(position, end)
    return waiting


def merge(ranges: Iterable[Range]) -> list[Range]:
    """Disjoint ranges in order, with those that touch or overlap made one."""
    merged: list[Range] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def clip(ranges: Sequence[Range], until: int) -> list[Range]:
    """The part of the ranges before `until`."""
    return [(start, min(end, until)) for start, end in ranges if start < until]
