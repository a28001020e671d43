"""What is new of what arrives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from echopanel.audio import AudioFrame
from echopanel.wire.timeline import Accepted, Hole, Timeline
from tests.wire.examples import frame

stretches = st.lists(
    st.tuples(st.integers(min_value=0, max_value=300), st.integers(min_value=1, max_value=80), st.booleans()),
    max_size=30,
)


def indices(taken: AudioFrame | None) -> list[int]:
    """The sample indices that the samples of `frame()` spell."""
    if taken is None:
        return []
    return [int.from_bytes(taken.pcm[i : i + 2], "little") for i in range(0, len(taken.pcm), 2)]


@given(stretches)
def test_each_sample_is_taken_at_most_once_and_in_order(arrivals: list[tuple[int, int, bool]]) -> None:
    """However a recording is cut, repeated and mixed up, what is taken ascends; holes fill the rest."""
    timeline = Timeline()
    seen: list[int] = []
    for start, count, skipped in arrivals:
        accepted = timeline.accept(frame(start, count, skipped=skipped))
        if accepted.hole:
            seen += range(accepted.hole.start, accepted.hole.end)
        taken = indices(accepted.frame)
        if accepted.frame:
            assert taken[0] == accepted.frame.start
            assert accepted.frame.captured_ms == accepted.frame.start / 16
        seen += taken
    assert seen == list(range(timeline.next))


@given(st.lists(st.integers(min_value=1, max_value=60), min_size=1, max_size=12), st.data())
def test_replays_after_any_cuts_complete_the_recording(counts: list[int], data: st.DataObject) -> None:
    """A client that goes on from any acknowledged sample, in other frames, delivers every sample once."""
    total = sum(counts)
    timeline = Timeline()
    taken: list[int] = []
    while timeline.next < total:
        at = data.draw(st.integers(min_value=0, max_value=timeline.next))
        for count in data.draw(st.permutations(counts)):
            accepted = timeline.accept(frame(at, min(count, total - at))) if at < total else Accepted(None)
            assert accepted.hole is None
            taken += indices(accepted.frame)
            at += count
    assert taken == list(range(total))


def test_the_same_frame_twice_gives_nothing_new() -> None:
    """Repeats cost nothing."""
    timeline = Timeline()
    assert timeline.accept(frame(0, 10)) == Accepted(frame(0, 10))
    assert timeline.accept(frame(0, 10)) == Accepted(None)


def test_an_overlap_is_cut_off_to_the_sample() -> None:
    """The rest keeps its place in the timeline and on the clock."""
    timeline = Timeline(next_sample=7)
    assert timeline.accept(frame(0, 10)) == Accepted(frame(7, 3))


def test_a_hole_says_whether_it_was_skipped() -> None:
    """Muted is not lost."""
    timeline = Timeline()
    assert timeline.accept(frame(5, 5, skipped=True)).hole == Hole(0, 5, skipped=True)
    assert timeline.accept(frame(12, 5)).hole == Hole(10, 12, skipped=False)


def test_what_never_came_is_a_hole_at_the_end() -> None:
    """`stop` says where a source ended; audio that did not arrive by then is missing."""
    timeline = Timeline(next_sample=10)
    assert timeline.finish(8) is None
    assert timeline.next == 10
    assert timeline.finish(15) == Hole(10, 15, skipped=False)
    assert repr(timeline) == "<Timeline next 15>"
