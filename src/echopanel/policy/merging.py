"""The live transcript of a session and that of a second pass over its recordings, as one.

The second pass has the last word wherever it heard the audio; what the live one has elsewhere is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from heapq import nsmallest
from itertools import groupby

from echopanel.audio import Source, to_samples, to_seconds
from echopanel.transcript import Coverage, LostRange, Refined, Segment, Transcript, Word

Range = tuple[int, int]

# Segments that tell where a source stands on the session clock: those nearest in time.
NEAR = 8
# Times are rounded to milliseconds.
ROUNDING_S = 0.001


def merge(live: Transcript, refined: Refined, *, kept: bool = True) -> Transcript:
    """The refined text, and, if `kept`, what the live one has of audio that the second pass did not hear.

    The ledgers count what was lost live and heard later as what it turned out to be.
    """
    own = [one for segment in live.segments for one in remains(segment, live, refined)] if kept else []
    gaps = [
        replace(gap, start_sample=start, end_sample=end)
        for gap in live.gaps
        for start, end in without((gap.start_sample, gap.end_sample), refined.heard.get(gap.source, ()))
    ]
    return replace(
        live,
        provider=refined.provider,
        model=refined.model,
        segments=tuple(sorted((*refined.segments, *own), key=_spoken)),
        gaps=tuple(gaps),
        coverage={source: account(source, ledger, refined) for source, ledger in live.coverage.items()},
    )


def remains(segment: Segment, live: Transcript, refined: Refined) -> Iterator[Segment]:
    """The parts of a live segment that lie outside of what the second pass heard, with the words in them."""
    span = segment.start_sample, segment.end_sample
    holes = without(span, refined.heard.get(segment.source, ()))
    if holes == [span]:
        yield segment
        return
    shift = offset(segment.source, segment.start_sample, live)
    said = segment.words or (Word(segment.start, segment.end, segment.text),)
    placed = [
        (hole, word) for word in said for hole in holes if hole[0] <= _sample(word, span, shift) < hole[1]
    ]
    for number, (hole, run) in enumerate(groupby(placed, key=lambda place: place[0]), 1):
        part = _part(segment, [word for _, word in run], *hole)
        yield replace(part, id=f"{segment.id}.{number}", words=part.words if segment.words else ())


def account(source: Source, ledger: Coverage, refined: Refined) -> Coverage:
    """The ledger, with listed losses that the second pass heard after all counted as text or silence."""
    heard = refined.heard.get(source, ())
    texts = [(one.start_sample, one.end_sample) for one in refined.segments if one.source is source]
    lost: list[LostRange] = []
    recovered = silent = 0
    for loss in ledger.lost_ranges:
        rest = without((loss.start, loss.end), heard)
        lost += [LostRange(start, end, loss.reason) for start, end in rest]
        found = without((loss.start, loss.end), rest)
        recovered += _length(found)
        silent += sum(_length(without(span, texts)) for span in found)
    return replace(
        ledger,
        transcribed=ledger.transcribed + recovered - silent,
        silence=ledger.silence + silent,
        lost=ledger.lost - recovered,
        lost_ranges=tuple(lost),
    )


def on_session_clock(segment: Segment, live: Transcript) -> Segment:
    """A segment whose times are sample indices in seconds, moved to the clock of the live transcript."""
    shift = offset(segment.source, segment.start_sample, live)
    words = tuple(
        replace(word, start=_later(word.start, shift), end=_later(word.end, shift)) for word in segment.words
    )
    return replace(segment, start=_later(segment.start, shift), end=_later(segment.end, shift), words=words)


def at_pauses(segment: Segment, pause_s: float) -> Iterator[Segment]:
    """A segment whose times are sample indices in seconds, cut where nobody spoke for `pause_s` seconds."""
    first, begin = 0, segment.start_sample
    for number, word in enumerate(segment.words[1:], 1):
        last = segment.words[number - 1].end
        if word.start - last >= pause_s:
            middle = min(max(to_samples((last + word.start) / 2), begin), segment.end_sample)
            yield _part(segment, segment.words[first:number], begin, middle)
            first, begin = number, middle
    yield _part(segment, segment.words[first:], begin, segment.end_sample) if first else segment


def offset(source: Source, sample: int, live: Transcript) -> float:
    """Seconds from a sample's index to its place on the session clock, as the live segments near it tell.

    The words of a segment were said between its first and its last sample, so each gives two bounds. The
    least shift within them is taken; it is wrong by no more than the silence at the edges of segments.
    """
    own = [one for one in live.segments if one.source is source]
    near = nsmallest(NEAR, own, key=lambda one: (abs(one.start_sample - sample), one.start_sample))
    if not near:
        return 0.0
    least = max(one.end - to_seconds(one.end_sample) for one in near) - ROUNDING_S
    most = min(one.start - to_seconds(one.start_sample) for one in near) + ROUNDING_S
    return (least + most) / 2 if least > most else min(max(0.0, least), most)


def without(span: Range, ranges: Iterable[Range]) -> list[Range]:
    """The pieces of a range of samples that none of the others has, in order."""
    position, end = span
    pieces: list[Range] = []
    for first, last in sorted(ranges):
        if first >= end:
            break
        if first > position:
            pieces.append((position, first))
        position = max(position, last)
    if position < end:
        pieces.append((position, end))
    return pieces


def _part(segment: Segment, words: Sequence[Word], start: int, end: int) -> Segment:
    """Some words of a segment, in a part of its samples."""
    return replace(
        segment,
        start=words[0].start,
        end=max(word.end for word in words),
        text=" ".join(word.text for word in words),
        start_sample=start,
        end_sample=end,
        words=tuple(words),
    )


def _sample(word: Word, span: Range, shift: float) -> int:
    """Where the middle of a word lies, inside the range of its segment."""
    return min(max(to_samples((word.start + word.end) / 2 - shift), span[0]), span[1] - 1)


def _later(seconds: float, shift: float) -> float:
    return round(max(0.0, seconds + shift), 3)


def _length(ranges: Sequence[Range]) -> int:
    return sum(end - start for start, end in ranges)


def _spoken(segment: Segment) -> tuple[float, Source, str]:
    return segment.start, segment.source, segment.id
