"""What was heard in haste is heard again in pieces that belong together."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from echopanel.audio import Source, to_samples, to_seconds
from echopanel.engine.haste import JOIN_S, LONGEST_S, Haste, Passage
from echopanel.transcript import Segment


def segment(number: int, start: float, end: float) -> Segment:
    """A segment from second `start` to second `end`."""
    return Segment(
        f"mic-{number}", Source.MIC, start, end, f"text {number}", to_samples(start), to_samples(end)
    )


def passages(haste: Haste) -> list[Passage]:
    """All that is to be heard again."""
    found = []
    while (passage := haste.take()) is not None:
        found.append(passage)
    return found


def test_neighbours_are_one_passage() -> None:
    """A pause parts them, and so does length."""
    haste = Haste()
    for number, (start, end) in enumerate([(0, 5), (5.5, 9), (12, 13), (13, 26.5), (26.5, 28)], 1):
        haste.note(segment(number, start, end))
    assert repr(haste) == "<Haste [5 segments]>"
    assert [(one.ids, one.text) for one in passages(haste)] == [
        (("mic-1", "mic-2"), "text 1 text 2"),
        (("mic-3",), "text 3"),
        (("mic-4",), "text 4"),
        (("mic-5",), "text 5"),
    ]
    assert len(haste) == 0


@given(st.lists(st.tuples(st.floats(0.0, 2.0), st.floats(0.1, 20.0)), max_size=30))
def test_every_segment_is_heard_again_once(gaps_and_lengths: list[tuple[float, float]]) -> None:
    """In order; passages are no longer than may be, and no silence in them is longer than a breath."""
    haste, at, segments = Haste(), 0.0, []
    for number, (gap, length) in enumerate(gaps_and_lengths):
        segments.append(segment(number, at + gap, at + gap + length))
        at += gap + length
        haste.note(segments[-1])
    found = passages(haste)
    assert [name for one in found for name in one.ids] == [one.id for one in segments]
    for one in found:
        longest = max(LONGEST_S, to_seconds(one.end - one.start) if len(one.ids) == 1 else 0.0)
        assert to_seconds(one.end - one.start) <= longest
        inside = [s for s in segments if s.id in one.ids]
        assert all(b.start_sample - a.end_sample <= to_samples(JOIN_S) for a, b in pairwise(inside))
