"""What was put off is recognised later, and what was heard in haste is heard again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from echopanel.asr.fake import Script
from echopanel.asr.provider import DecodeOptions, Hypothesis
from echopanel.audio import Chunk, float_to_pcm16, to_samples
from echopanel.engine.pace import Pace
from echopanel.policy.endpoint import Hurry
from echopanel.transcript import Final, Gap, Revision, Transcript
from tests.engine.rig import (
    UTTERANCE,
    pending,
    playing,
    quarters,
    rigged,
    said,
    silence,
    soon,
    speech,
)


async def read_speech(start: int, end: int) -> bytes:
    """The journal of a source that always spoke."""
    return float_to_pcm16(np.full(end - start, 0.5, np.float32))


async def test_what_was_put_off_is_recognised_later() -> None:
    """A repair reads the audio again and closes the ledger; its segments have new ids."""
    async with rigged(Script(fail=lambda call: call < 2)) as rig, playing(rig, partials=False) as played:
        played.feed(UTTERANCE)
        await played.flush()
        await played.pipeline.repair(read_speech, give_up=False)
        segment = played.of(Final)[0].segment
        assert (segment.start_sample, segment.end_sample) == pending(played.events)[0][:2]
        assert segment.id == "mic-2"
        assert (played.coverage.pending, played.pipeline.shed) == (0, [])


async def test_what_was_put_off_and_is_nothing_is_taken_back() -> None:
    """The gap that was told is closed as silence, and only then: what was never put off is no news."""
    script = Script(fail=lambda call: call < 2, text=lambda _: "")
    async with rigged(script) as rig, playing(rig, partials=False) as played:
        played.feed(UTTERANCE)
        await played.flush()
        played.feed(UTTERANCE)
        await played.flush()
        await played.pipeline.repair(read_speech, give_up=False)
        (start, end, *_), silent = pending(played.events)
        assert silent == (start, end, "no_speech", "silence")
        assert Transcript.fold(played.of(Gap)).gaps == ()
        assert (played.coverage.pending, played.coverage.transcribed) == (0, 0)


async def test_what_is_put_off_is_not_cut_short() -> None:
    """Utterances that are heard late end at a breath; those that nobody waits for are heard in one piece."""
    breathing = said(speech(6.0), silence(0.4), speech(2.0), silence(1.5))
    for live, count in ((True, 2), (False, 1)):
        async with rigged() as rig, playing(rig) as played:
            rig.pace = Pace(60.0, speculate=False, live=live, hurry=Hurry.GREAT)
            played.feed(breathing)
            await played.flush()
            assert len(played.texts) + len(played.pipeline.shed) == count


async def test_a_repair_hears_the_speech_before_as_a_live_final_does() -> None:
    """Its words come from a repair, or were never put off; nobody says them twice."""
    word = said(speech(0.5), silence(0.75))
    audio = np.tile(word, 4)

    async def read(start: int, end: int) -> bytes:
        return float_to_pcm16(audio[start:end])

    async with (
        rigged(Script(fail=lambda call: 1 <= call < 7)) as rig,
        playing(rig, partials=False) as played,
    ):
        for _ in range(4):
            played.feed(word)
            await played.flush()
        assert len(played.pipeline.shed) == 3
        await played.pipeline.repair(read, give_up=False)
        starts = [call[0].start for call in rig.calls[-3:]]
        shed = [start for start, *_ in pending(played.events)]
        assert all(heard < start - to_samples(0.5) for heard, start in zip(starts, shed, strict=True))
        assert [quarters([text]) for text in played.texts] == [[0, 1], [5, 6], [10, 11], [15, 16]]
        assert played.coverage.pending == 0


async def test_a_repair_that_is_interrupted_forgets_nothing() -> None:
    """A disk that cannot be read, or a connection that goes away, leaves the range to the next repair."""
    async with rigged(Script(fail=lambda call: call < 4)) as rig, playing(rig, partials=False) as played:
        played.feed(np.tile(UTTERANCE, 2))
        await played.flush()
        shed = list(played.pipeline.shed)

        async def unreadable(start: int, end: int) -> bytes:
            raise OSError("no disk")

        with pytest.raises(OSError, match="no disk"):
            await played.pipeline.repair(unreadable, give_up=False)
        assert played.pipeline.shed == shed
        await played.pipeline.repair(read_speech, give_up=False)
        assert (len(played.texts), played.coverage.pending) == (2, 0)


async def test_what_was_heard_in_haste_is_heard_again_in_one_piece() -> None:
    """Utterances that belong together become one segment, by a revision; it is not counted twice."""
    voice = ["hasty"]
    audio = said(np.tile(said(speech(1.0), silence(0.55)), 2), silence(1.0))

    async def read(start: int, end: int) -> bytes:
        return float_to_pcm16(audio[start:end])

    async with rigged(Script(text=lambda chunk: f"{voice[0]} text")) as rig, playing(rig) as played:
        rig.pace = Pace(interval_s=8.0, speculate=False, beam_size=1, lead_s=0.0, best=False)
        played.feed(audio)
        await played.flush()
        before, counted = played.texts, played.coverage
        assert before == ["hasty text", "hasty text"]
        voice[0] = "calm"
        assert played.pipeline.hasty == 2
        await played.pipeline.improve(read)
        assert played.pipeline.hasty == 0
        await played.pipeline.improve(read)
        (revision,) = played.of(Revision)
        (segment,) = revision.segments
        first, last = (final.segment for final in played.of(Final))
        assert (revision.replaces, revision.reason) == ((first.id, last.id), "heard_again")
        assert (segment.start_sample, segment.end_sample) == (first.start_sample, last.end_sample)
        assert segment.text.startswith("calm text")
        assert (played.texts, played.coverage) == (before, counted)


@pytest.mark.parametrize(
    ("best", "later", "fails"), [(True, "calm", False), (False, "hasty", False), (False, "calm", True)]
)
async def test_text_that_gets_no_better_stays(best: bool, later: str, fails: bool) -> None:
    """It was heard with time, or says the same again, or cannot be heard again."""
    voice = ["hasty"]
    script = Script(text=lambda chunk: f"{voice[0]} text", fail=lambda call: fails and call > 0)
    async with rigged(script) as rig, playing(rig, partials=False) as played:
        rig.pace = Pace(interval_s=8.0, speculate=False, best=best)
        played.feed(UTTERANCE)
        await played.flush()
        voice[0] = later
        assert played.pipeline.hasty == (not best)
        await played.pipeline.improve(read_speech)
        assert (played.texts, played.of(Revision)) == (["hasty text"], [])
        assert (played.coverage.pending, played.coverage.lost) == (0, 0)


async def test_two_repairs_at_once_are_one() -> None:
    """Who asks while a repair is under way waits for it, and nothing is recognised twice."""
    async with rigged(Script(fail=lambda call: call < 4)) as rig, playing(rig, partials=False) as played:
        played.feed(np.tile(UTTERANCE, 2))
        await played.flush()
        slow = asyncio.create_task(played.pipeline.repair(read_speech, give_up=False))
        await asyncio.sleep(0)
        await played.pipeline.repair(read_speech, give_up=False)
        assert len(played.texts) == 2
        assert played.coverage.pending == 0
        await slow


async def test_what_fails_again_and_again_is_lost_in_the_end() -> None:
    """When it has to be, and told."""
    async with rigged(Script(fail=lambda call: True)) as rig, playing(rig, partials=False) as played:
        played.feed(UTTERANCE)
        await played.flush()
        for _ in range(3):
            await played.pipeline.repair(read_speech, give_up=False)
            assert played.coverage.lost == 0
        await played.pipeline.repair(read_speech, give_up=True)
        (start, end, *_), lost = pending(played.events)
        assert lost == (start, end, "recogniser_failed", "lost")
        assert (played.coverage.pending, played.coverage.lost) == (0, end - start)


async def test_live_speech_goes_on_during_a_repair() -> None:
    """Both become final."""
    async with rigged(Script(fail=lambda call: call < 2)) as rig, playing(rig, partials=False) as played:
        played.feed(UTTERANCE)
        await played.flush()
        repairing = asyncio.create_task(played.pipeline.repair(read_speech, give_up=False))
        played.feed(UTTERANCE)
        await asyncio.gather(repairing, played.flush())
        assert len(played.texts) == 2
        assert played.coverage.pending == 0


async def test_live_speech_does_not_wait_for_a_repair() -> None:
    """Its final comes first, and its client may go on sending, however long the repair takes."""
    script = Script(fail=lambda call: call < 2, hang=lambda call: call == 2)
    async with rigged(script, workers=2) as rig, playing(rig, partials=False) as played:
        played.feed(UTTERANCE)
        await played.flush()
        repairing = asyncio.create_task(played.pipeline.repair(read_speech, give_up=False))
        await soon(lambda: len(rig.calls) == 3)
        played.feed(UTTERANCE)
        await played.flush()
        [live] = played.of(Final)
        assert live.segment.start_sample > pending(played.events)[0][0]
        assert played.pipeline.handled == played.pipeline.end
        assert played.coverage.pending > 0
        rig.fake.release()
        await repairing
        assert (len(played.texts), played.coverage.pending) == (2, 0)


async def test_repairs_are_no_load_and_have_the_best_search() -> None:
    """However many there are, live audio need not make room; however short its time is, they have enough."""
    searches: list[int] = []
    async with rigged(Script(fail=lambda call: call < 2)) as rig, playing(rig, partials=False) as played:
        rig.pace = Pace(interval_s=8.0, speculate=False, beam_size=1, lead_s=0.0)
        transcribe = rig.model.transcribe

        def noting(chunks: Sequence[Chunk], options: Sequence[DecodeOptions]) -> list[Hypothesis]:
            searches.extend(one.beam_size for one in options)
            return transcribe(chunks, options)

        rig.model.transcribe = noting  # type: ignore[method-assign]
        played.feed(UTTERANCE)
        await played.flush()
        meter = rig.recogniser._meter
        before = list(meter._demand), list(meter._calls)
        await played.pipeline.repair(read_speech, give_up=False)
        assert (list(meter._demand), list(meter._calls)) == before
        assert searches == [1, 1, 5]
