"""One transcript out of two: the second pass where it heard, the live text elsewhere, nothing twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.audio import Source
from echopanel.policy.merging import Range, at_pauses, merge, offset, on_session_clock, without
from echopanel.transcript import Coverage, Gap, GapStatus, LostRange, Refined, Segment, Transcript, Word

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
RATE = 16_000
END = 40  # seconds that the generated timelines have


def segment(name: str, start: int, end: int, source: Source = Source.MIC, shift: float = 0.0) -> Segment:
    """A word a second, from second `start` to `end` of the source's timeline."""
    words = tuple(Word(at + 0.1 + shift, at + 0.9 + shift, f"{name}{at}") for at in range(start, end))
    text = " ".join(word.text for word in words)
    first, last = words[0].start, words[-1].end
    return Segment(name, source, first, last, text, start * RATE, end * RATE, words)


def refined(*segments: Segment, heard: dict[Source, tuple[Range, ...]]) -> Refined:
    """The result of a second pass."""
    return Refined(NOON, "faster-whisper", "base", segments, heard)


@st.composite
def spans(draw: st.DrawFn) -> list[Range]:
    """Disjoint ranges of whole seconds, in order; some touch."""
    edges = sorted(draw(st.sets(st.integers(0, END), max_size=8)))
    pairs = list(pairwise(edges))
    return [pair for pair in pairs if draw(st.booleans())]


def in_samples(ranges: list[Range]) -> tuple[Range, ...]:
    """Seconds as samples."""
    return tuple((start * RATE, end * RATE) for start, end in ranges)


def words(transcript: Transcript, source: Source) -> list[str]:
    """All words of a source, in order."""
    return [word.text for one in transcript.segments if one.source is source for word in one.words]


@given(
    spoken=st.fixed_dictionaries({one: spans() for one in Source}),
    heard=st.fixed_dictionaries({one: spans() for one in Source}),
)
def test_each_second_has_one_text(
    spoken: dict[Source, list[Range]], heard: dict[Source, list[Range]]
) -> None:
    """What was said in a second stands once: refined if the second pass heard it, else live; in order."""
    live = Transcript(
        segments=tuple(
            segment(f"l{start}x", start, end, source)
            for source, pairs in spoken.items()
            for start, end in pairs
        )
    )
    second = refined(
        *(
            segment(f"r{start}x", start, end, source)
            for source, pairs in heard.items()
            for start, end in pairs
        ),
        heard={source: in_samples(pairs) for source, pairs in heard.items()},
    )
    merged = merge(live, second)
    for source in Source:
        again = {at for start, end in heard[source] for at in range(start, end)}
        expected = {
            at: f"{'r' if at in again else 'l'}{start}x{at}"
            for pairs in (spoken[source], heard[source])
            for start, end in pairs
            for at in range(start, end)
            if pairs is heard[source] or at not in again
        }
        assert words(merged, source) == [expected[at] for at in sorted(expected)]
        ranges = sorted((one.start_sample, one.end_sample) for one in merged.segments if one.source is source)
        assert all(before[1] <= after[0] for before, after in pairwise(ranges))
    assert len({(one.source, one.id) for one in merged.segments}) == len(merged.segments)
    assert [one.start for one in merged.segments] == sorted(one.start for one in merged.segments)
    assert set(merge(live, second, kept=False).segments) == set(second.segments)


@given(
    span=st.tuples(st.integers(0, END), st.integers(0, END)).filter(lambda one: one[0] <= one[1]),
    ranges=st.lists(st.tuples(st.integers(0, END), st.integers(0, END)).filter(lambda one: one[0] < one[1])),
)
def test_what_is_left_of_a_range_is_what_no_other_has(span: Range, ranges: list[Range]) -> None:
    """Sample by sample, whether or not the others overlap or are in order."""
    taken = {at for start, end in ranges for at in range(start, end)}
    left = without(span, ranges)
    assert [at for start, end in left for at in range(start, end)] == [
        at for at in range(*span) if at not in taken
    ]
    assert all(start < end for start, end in left)


@given(lost=spans(), heard=spans(), texts=spans())
def test_ledgers_still_sum_up(lost: list[Range], heard: list[Range], texts: list[Range]) -> None:
    """Losses that were heard after all become text or silence; the others stay lost, with their reasons."""
    ranges = tuple(LostRange(start, end, f"reason {start}") for start, end in in_samples(lost))
    total = sum(one.end - one.start for one in ranges)
    ledger = Coverage(total + 50, total + 50, 30, 20, 0, total, ranges)
    live = Transcript(
        coverage={Source.MIC: ledger},
        gaps=tuple(Gap(Source.MIC, one.start, one.end, one.reason, GapStatus.LOST) for one in ranges),
    )
    inside = [pair for pair in texts if any(start <= pair[0] and pair[1] <= end for start, end in heard)]
    second = refined(
        *(segment(f"r{start}x", start, end) for start, end in inside), heard={Source.MIC: in_samples(heard)}
    )
    merged = merge(live, second)
    told = merged.coverage[Source.MIC]
    assert told.balanced()
    assert told.lost == sum(one.end - one.start for one in told.lost_ranges)
    assert [(one.start, one.end, one.reason) for one in told.lost_ranges] == [
        (gap.start_sample, gap.end_sample, gap.reason) for gap in merged.gaps
    ]
    seconds = {at for start, end in lost for at in range(start, end)}
    again = {at for start, end in heard for at in range(start, end)}
    text = {at for start, end in inside for at in range(start, end)}
    assert told.lost == RATE * len(seconds - again)
    assert told.transcribed == 30 + RATE * len(seconds & text)


def test_without_a_recording_of_a_source_its_live_text_stays() -> None:
    """The segments themselves, with their ids."""
    live = Transcript(segments=(segment("l", 0, 3), segment("s", 1, 4, Source.SYSTEM)))
    second = refined(segment("r", 0, 3), heard={Source.MIC: ((0, 3 * RATE),)})
    assert [one.id for one in merge(live, second).segments] == ["r", "s"]


def test_text_without_word_times_stands_or_falls_as_a_whole() -> None:
    """By where its middle is."""
    bare = replace(segment("l", 0, 4), words=())
    live = Transcript(segments=(bare,))
    [kept] = merge(live, refined(heard={Source.MIC: ((0, RATE),)})).segments
    assert (kept.text, kept.words, kept.start_sample) == (bare.text, (), RATE)
    assert merge(live, refined(heard={Source.MIC: ((0, 3 * RATE),)})).segments == ()


@pytest.mark.parametrize("shift", [0.0, 1.3, -1.3, 3600.0])
def test_times_are_those_of_the_session(shift: float) -> None:
    """To within the silence at the edges of live segments; exactly where the clocks begin together."""
    live = Transcript(segments=tuple(segment(f"l{at}", at, at + 3, shift=shift) for at in range(10, 60, 5)))
    moved = on_session_clock(segment("r", 20, 24), live)
    assert moved.start == pytest.approx(20.1 + shift, abs=0.0 if not shift else 0.102)
    assert [word.end - word.start for word in moved.words] == pytest.approx([0.8] * 4)
    assert moved.end == max(word.end for word in moved.words)
    assert offset(Source.SYSTEM, 0, live) == 0.0


def test_a_drifting_source_is_placed_by_its_neighbours() -> None:
    """Two hours in, the nearest live segments say where it stands; if they contradict, the middle."""
    live = Transcript(
        segments=tuple(segment(f"l{at}", at, at + 4, shift=at * 1e-3) for at in range(0, 7200, 10))
    )
    moved = on_session_clock(segment("r", 7000, 7003), live)
    assert moved.start == pytest.approx(7000.1 + 7.0, abs=0.2)
    torn = Transcript(segments=(segment("a", 0, 4, shift=2.0), segment("b", 4, 8, shift=-2.0)))
    assert offset(Source.MIC, 0, torn) == pytest.approx(0.0, abs=0.11)


@given(gaps=st.lists(st.integers(0, 20), min_size=1, max_size=12), pause=st.integers(1, 15))
def test_text_is_cut_where_somebody_paused(gaps: list[int], pause: int) -> None:
    """Only there; all words and samples stay, in order, each in one piece."""
    at, said = 0.0, []
    for number, gap in enumerate(gaps):
        at += gap / 10
        said.append(Word(at, at + 0.3, f"word{number}"))
        at += 0.3
    whole = replace(
        segment("r", 0, 1),
        words=tuple(said),
        text=" ".join(word.text for word in said),
        end_sample=round(at * RATE),
    )
    pieces = list(at_pauses(whole, pause / 10 - 0.05))
    assert [word for piece in pieces for word in piece.words] == said
    assert " ".join(piece.text for piece in pieces) == whole.text
    assert len(pieces) == 1 + sum(gap >= pause for gap in gaps[1:])
    edges = [piece.start_sample for piece in pieces] + [pieces[-1].end_sample]
    assert (edges[0], edges[-1]) == (whole.start_sample, whole.end_sample)
    assert edges == sorted(edges)
    assert all(before.end_sample == after.start_sample for before, after in pairwise(pieces))
    assert list(at_pauses(replace(whole, words=()), 0.1)) == [replace(whole, words=())]
