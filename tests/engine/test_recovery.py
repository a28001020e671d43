"""Going on after a crash: the disk knows the ledger, and nothing is heard twice or never."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from echopanel.asr.fake import Script
from echopanel.audio import AudioFrame, Samples, Source, float_to_pcm16
from echopanel.engine.events import Event
from echopanel.engine.recovery import Past, Range, clip, merge, rebuild_ledger
from echopanel.policy.endpoint import WINDOW
from echopanel.transcript import Coverage, Final, Gap, GapStatus, Segment, Word
from tests.engine.rig import Played, playing, quarters, rigged


def final(start: int, end: int, number: int = 1) -> Segment:
    """A finished utterance."""
    return Segment(f"mic-{number}", Source.MIC, start / 16_000, end / 16_000, "text", start, end)


def gap(start: int, end: int, status: GapStatus, reason: str = "why") -> Gap:
    """A range without text."""
    return Gap(Source.MIC, start, end, reason, status)


def test_nothing_known_is_an_empty_account() -> None:
    """A session that was opened and never heard anything."""
    ledger, waiting = rebuild_ledger(Past())
    assert (ledger.coverage(), waiting) == (Coverage(), [])
    assert (Past().done, Past().end, Past().count) == (0, 0, 0)


def test_what_is_before_the_last_final_was_dealt_with() -> None:
    """Finals are transcribed, the rest of what was journaled was silence; what lies behind is not touched."""
    past = Past(journaled=((0, 10_000),), finals=(final(1_000, 2_000), final(4_000, 6_000, number=2)))
    ledger, waiting = rebuild_ledger(past)
    assert ledger.coverage() == Coverage(captured=6_000, received=6_000, transcribed=3_000, silence=3_000)
    assert waiting == []
    assert (past.done, past.end, past.count) == (6_000, 10_000, 2)
    assert replace(past, revised=(final(4_000, 6_000, number=7),)).count == 7


def test_what_was_put_off_still_waits() -> None:
    """Until a final came for it."""
    gaps = (gap(1_000, 2_000, GapStatus.PENDING), gap(3_000, 4_000, GapStatus.PENDING))
    finals = (final(5_000, 6_000), final(1_000, 2_000, number=2))
    ledger, waiting = rebuild_ledger(Past(((0, 6_000),), finals, gaps))
    assert waiting == [(3_000, 4_000)]
    assert ledger.coverage().pending == 1_000


def test_what_was_given_up_stays_lost() -> None:
    """It is not tried again after each restart."""
    gaps = (gap(1_000, 2_000, GapStatus.PENDING), gap(1_000, 2_000, GapStatus.LOST))
    ledger, waiting = rebuild_ledger(Past(((0, 6_000),), (final(5_000, 6_000),), gaps))
    assert waiting == []
    assert ledger.coverage().lost == 1_000


def test_what_turned_out_to_be_silence_stays_it() -> None:
    """It is not heard again after each restart."""
    gaps = (gap(1_000, 2_000, GapStatus.PENDING), gap(1_000, 2_000, GapStatus.SILENCE))
    ledger, waiting = rebuild_ledger(Past(((0, 6_000),), (final(5_000, 6_000),), gaps))
    assert waiting == []
    assert (ledger.coverage().silence, ledger.coverage().lost) == (5_000, 0)


def test_holes_are_lost_or_were_never_captured() -> None:
    """As it was announced then."""
    journaled = ((0, 1_000), (2_000, 3_000), (4_000, 6_000))
    gaps = (gap(1_000, 2_000, GapStatus.LOST, "not_received"),)
    ledger, _ = rebuild_ledger(Past(journaled, (final(5_000, 6_000),), gaps))
    coverage = ledger.coverage()
    assert (coverage.captured, coverage.received, coverage.lost) == (5_000, 4_000, 1_000)
    assert [(one.start, one.end, one.reason) for one in coverage.lost_ranges] == [
        (1_000, 2_000, "not_received")
    ]


def test_a_journal_that_lost_its_tail_does_not_deny_finals() -> None:
    """The text is in the store, so its audio was there."""
    ledger, _ = rebuild_ledger(Past(((0, 500),), (final(1_000, 2_000),)))
    assert ledger.coverage().transcribed == 1_000
    assert ledger.coverage().balanced()


def test_the_context_is_the_audio_right_before_what_comes() -> None:
    """What there is without a hole, at most the given samples and a window; from a window's start on."""
    past = Past(((1_000, 4_000), (5_000, 30_000)), (final(19_000, 20_000),))
    assert past.context(100_000) == (5_000, 20_000)
    first, done = past.context(10_000)
    assert (first - 5_000) % WINDOW == 0
    assert done == 20_000
    assert 10_000 <= done - first < 10_000 + WINDOW
    assert Past(((0, 500),), (final(1_000, 2_000),)).context(100) == (2_000, 2_000)


ranges = st.lists(st.tuples(st.integers(0, 100), st.integers(1, 20)), max_size=10)


@given(ranges, st.integers(0, 120))
def test_merging_and_clipping_keep_exactly_the_samples(pairs: list[tuple[int, int]], until: int) -> None:
    """In order, and disjoint."""
    given_ranges = [(start, start + count) for start, count in pairs]
    merged = merge(given_ranges)
    assert merged == sorted(merged)
    assert all(one[1] < other[0] for one, other in itertools.pairwise(merged))
    samples = {sample for start, end in given_ranges for sample in range(start, end)}
    assert {sample for start, end in merged for sample in range(start, end)} == samples
    clipped = clip(merged, until)
    assert {sample for start, end in clipped for sample in range(start, end)} == {
        sample for sample in samples if sample < until
    }


async def test_words_that_were_heard_late_stand_where_they_were_said() -> None:
    """The left context of what comes is in the order of speech, not in that of finals."""
    late = replace(final(40_000, 56_000), words=(Word(2.5, 3.0, "said"), Word(3.0, 3.5, "last")))
    early = replace(final(16_000, 32_000, number=2), words=(Word(1.0, 1.5, "said"), Word(1.5, 2.0, "first")))
    async with rigged() as rig, playing(rig) as played:
        played.pipeline.restore(Past(((0, 56_000),), (late, early)), bytes(2 * 56_000))
        lead = played.pipeline._context.before(56_000, 0, 4.0, deferred=False)
    assert lead is not None
    assert (lead.start, lead.words) == (16_000, ("said", "first", "said", "last"))


# --- a crash at any moment ------------------------------------------------------------------------------


class Meeting:
    """Audio with pauses, holes and skips, and how a session takes it in."""

    def __init__(self, pieces: list[tuple[str, int]]) -> None:
        self.samples: Samples = np.zeros(0, np.float32)
        self.frames: list[AudioFrame] = []
        self.journaled: list[Range] = []
        position, jump = 0, ""
        for kind, count in pieces:
            if kind in ("hole", "skip"):
                position, jump = position + count, kind
                continue
            level = 0.5 if kind == "speech" else 0.0
            pcm = float_to_pcm16(np.full(count, level, np.float32))
            self.frames.append(AudioFrame(Source.MIC, position, pcm, skipped=jump == "skip"))
            self.journaled.append((position, position + count))
            position, jump = position + count, ""
        self.journaled = merge(self.journaled)

    async def read(self, start: int, end: int) -> bytes:
        """As the journal would."""
        pcm = bytearray(2 * (end - start))
        for frame in self.frames:
            first, last = max(start, frame.start), min(end, frame.end)
            if first < last:
                pcm[2 * (first - start) : 2 * (last - start)] = frame.pcm[
                    2 * (first - frame.start) : 2 * (last - frame.start)
                ]
        return bytes(pcm)

    def past(self, events: Sequence[Event]) -> Past:
        """What the disk has after these events."""
        return Past(
            tuple(self.journaled),
            tuple(event.segment for event in events if isinstance(event, Final)),
            tuple(event for event in events if isinstance(event, Gap)),
        )

    async def live(self, played: Played) -> None:
        """As it happened."""
        played.feed(self.frames)
        await played.flush()

    async def again(self, played: Played, past: Past) -> None:
        """As a later process takes it up."""
        played.pipeline.restore(past, await self.read(*past.context(64_000)))
        for start, end, skipped in past.unheard(16_000):
            pcm = await self.read(start, end)
            played.feed([AudioFrame(Source.MIC, start, pcm, skipped=skipped)])
        await played.flush()
        await played.pipeline.repair(self.read, give_up=True)


pieces = st.lists(
    st.tuples(
        st.sampled_from(["speech", "silence", "speech", "silence", "hole", "skip"]),
        st.integers(4_000, 40_000),
    ),
    min_size=2,
    max_size=12,
)


# What was put off is heard later without the speech that was before a hole, as it would have been live.
LOST = "speech 32215 skip 9791 speech 9791 hole 37925 speech 20443 silence 16000 hole 13373 speech 34903"
MUTED = "speech 10249 silence 50397 speech 8690 skip 21120 speech 36475 skip 19790 speech 46577"


def pieces_of(text: str) -> list[tuple[str, int]]:
    """What happened, from kinds and numbers of samples."""
    words = text.split()
    return [(kind, int(count)) for kind, count in zip(words[::2], words[1::2], strict=True)]


@example(pieces_of(LOST + " silence 10463 skip 9791 speech 36002"), 14, {0, 4, 5})
@example(pieces_of(MUTED), 8, {2, 3, 4})
@settings(max_examples=25)
@given(pieces, st.integers(0, 30), st.sets(st.integers(0, 12), max_size=3))
def test_a_crash_at_any_event_costs_nothing(
    pieces: list[tuple[str, int]], kept: int, failing: set[int]
) -> None:
    """The account and the words are those of a process that lived on, wherever it was cut off."""

    async def run() -> None:
        meeting = Meeting(pieces)
        async with rigged() as rig, playing(rig, partials=False) as whole:
            await meeting.live(whole)
        async with rigged(Script(fail=failing.__contains__)) as rig, playing(rig, partials=False) as first:
            await meeting.live(first)
        before = [event for event in first.events if isinstance(event, Final | Gap)][:kept]
        async with rigged() as rig, playing(rig, partials=False) as second:
            await meeting.again(second, meeting.past(before))
        finals = [event for event in (*before, *second.events) if isinstance(event, Final)]
        heard = sorted(quarters(one.segment.text for one in finals))
        assert heard == sorted(quarters(whole.texts))
        assert len({one.segment.id for one in finals}) == len(finals)
        one, other = second.coverage, whole.coverage
        assert one.balanced()
        assert (one.pending, one.received) == (0, other.received)
        losses = {(gap.start_sample, gap.end_sample) for gap in before if isinstance(gap, Gap)}
        if all(gap in losses for gap in ((g.start_sample, g.end_sample) for g in whole.of(Gap))):
            assert (one.lost, one.captured) == (other.lost, other.captured)
        told = [
            gap for gap in (*before, *second.of(Gap)) if isinstance(gap, Gap) and gap.status is GapStatus.LOST
        ]
        assert len({(gap.start_sample, gap.end_sample) for gap in told}) == len(told)

    asyncio.run(run())
