"""The transcript as a fold of events."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from echopanel.audio import Source
from echopanel.transcript import Final, Gap, GapStatus, Revision, Segment, Transcript, TranscriptEvent, Word

LENGTH = 30  # samples of the little timelines below

spans = st.tuples(st.integers(0, LENGTH), st.integers(0, LENGTH)).map(sorted)


def segment(
    name: str, start: float = 0.0, source: Source = Source.MIC, span: tuple[int, int] = (0, 1)
) -> Segment:
    """A segment that covers the samples of `span`."""
    return Segment(name, source, start, start + 1, name, *span)


@st.composite
def events(draw: st.DrawFn) -> list[TranscriptEvent]:
    """Finals and gaps anywhere on a short timeline, in any order."""
    found: list[TranscriptEvent] = []
    for number in range(draw(st.integers(0, 8))):
        start, end = draw(spans)
        source = draw(st.sampled_from(Source))
        if draw(st.booleans()):
            found.append(Final(segment(str(number), number, source, (start, end))))
        else:
            found.append(Gap(source, start, end, "overload", draw(st.sampled_from(GapStatus))))
    return found


@given(events())
def test_a_pending_range_stays_until_something_settles_it(history: list[TranscriptEvent]) -> None:
    """Sample by sample: what was announced as pending and since then is neither text nor lost nor silence."""
    pending: set[tuple[Source, int]] = set()
    lost: list[Gap] = []
    for event in history:
        one = event.segment if isinstance(event, Final) else event
        assert not isinstance(one, Revision)
        samples = {(one.source, sample) for sample in range(one.start_sample, one.end_sample)}
        pending -= samples
        if isinstance(one, Gap) and one.status is GapStatus.PENDING:
            pending |= samples
        elif isinstance(one, Gap) and one.status is GapStatus.LOST:
            lost.append(one)
    gaps = Transcript.fold(history).gaps
    left = [
        (g.source, s)
        for g in gaps
        if g.status is GapStatus.PENDING
        for s in range(g.start_sample, g.end_sample)
    ]
    assert sorted(left) == sorted(pending)
    assert [gap for gap in gaps if gap.status is not GapStatus.PENDING] == lost


def test_a_revision_takes_the_place_of_what_it_replaces() -> None:
    """One segment becomes two, and two become none, at their places in time."""
    history: list[TranscriptEvent] = [
        Final(segment("a", 0.0)),
        Final(segment("b", 2.0)),
        Final(segment("c", 4.0)),
        Revision(("a",), (segment("a1", 0.0), segment("a2", 1.0)), "better model"),
        Revision(("b", "c"), (), "nothing was said"),
    ]
    assert [one.id for one in Transcript.fold(history).segments] == ["a1", "a2"]


def test_segments_stand_in_the_order_of_speech() -> None:
    """By time first, then by source, whatever order they became final in."""
    history = [
        Final(segment("late", 9.0)),
        Final(segment("theirs", 1.0, Source.SYSTEM)),
        Final(segment("mine", 1.0)),
    ]
    assert [one.id for one in Transcript.fold(history).segments] == ["mine", "theirs", "late"]
    assert Transcript.fold([]) == Transcript()


def test_bleed_can_be_left_out() -> None:
    """The words of somebody else go, and with them segments that hold nothing more."""
    words = (Word(1.0, 2.0, "theirs", bleed=True), Word(3.0, 4.0, "Mine."), Word(4.0, 5.0, "Yes."))
    mixed = replace(segment("a", 1.0), text="theirs Mine. Yes.", words=words)
    own = mixed.without_bleed()
    assert own is not None
    assert (own.text, own.start, own.end, own.words) == ("Mine. Yes.", 3.0, 5.0, words[1:])
    clean = segment("b", 6.0)
    assert clean.without_bleed() is clean
    repeated = replace(segment("c", 8.0), words=words[:1])
    assert repeated.without_bleed() is None
    assert Transcript(segments=(mixed, clean, repeated)).without_bleed().segments == (own, clean)
