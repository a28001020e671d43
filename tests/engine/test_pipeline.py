"""One source from frames to events: nothing lost, nothing twice, in order, whatever the recogniser does."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echopanel.asr.fake import Script
from echopanel.asr.vad import SileroVad
from echopanel.audio import SAMPLE_RATE, AudioFrame, Chunk, Source, to_samples
from echopanel.engine.listener import LEAD
from echopanel.engine.pace import Pace
from echopanel.policy.endpoint import EndpointSettings
from echopanel.transcript import Final, Partial
from tests.engine.rig import (
    UTTERANCE,
    frames,
    pending,
    playing,
    quarters,
    rigged,
    said,
    silence,
    soon,
    speech,
)
from tests.helpers.speech import Speech


def counting(*texts: str) -> Callable[[Chunk], str]:
    """Texts for one call after the other, the last one for ever."""
    calls = itertools.chain(texts, itertools.repeat(texts[-1]))
    return lambda chunk: next(calls)


# --- text ---------------------------------------------------------------------------------------------


async def test_partials_come_before_the_final() -> None:
    """While somebody speaks the text grows; at the endpoint it is final, with words and their times."""
    async with rigged() as rig, playing(rig) as played:
        await played.play(UTTERANCE)
        await soon(lambda: bool(played.texts))
        kinds = [type(event) for event in played.events]
        assert kinds == [Partial] * 5 + [Final]
        segment = played.of(Final)[0].segment
        assert quarters([segment.text]) == list(range(2, 10))
        assert (segment.id, segment.source, segment.language) == ("mic-1", Source.MIC, "en")
        assert segment.words[0].start == 0.5
        assert segment.words[-1].end == pytest.approx(2.5)
        assert segment.start_sample <= to_samples(0.5) < to_samples(2.5) <= segment.end_sample


@pytest.mark.parametrize(
    ("alone", "partials", "guessed"), [(True, True, True), (False, True, False), (True, False, False)]
)
async def test_word_times_are_guessed_where_nothing_depends_on_them(
    alone: bool, partials: bool, guessed: bool
) -> None:
    """And time is short: not those by which bleed is recognised, nor those of a recording."""
    async with rigged() as rig, playing(rig, alone=alone, partials=partials) as played:
        rig.pace = Pace(60.0, speculate=False, timed=False)
        await played.play(UTTERANCE)
        words = played.of(Final)[0].segment.words
        assert quarters(word.text for word in words) == list(range(2, 10))
        exact = all(word.start % 0.25 == word.end % 0.25 == 0.0 for word in words)
        assert exact == (not guessed)
        assert words[0].start >= 0.3
        assert words[-1].end <= 2.7


async def test_what_only_repeats_the_words_before_it_is_decoded_without_them() -> None:
    """A model that is shown the end of the sentence before may read it again: alone it says what was said."""
    texts = counting("one two three four", "one two three four one two three four", "Uh")
    async with rigged(Script(text=texts)) as rig, playing(rig, partials=False) as played:
        await played.play(said(UTTERANCE, speech(0.5), silence(1.0)))
        await played.flush()
        assert [final.segment.text for final in played.of(Final)] == ["one two three four", "Uh"]
        _, behind, alone = (calls[0] for calls in rig.calls)
        assert behind.seconds > 2 > alone.seconds


@pytest.mark.parametrize(
    ("partial_lead_s", "heard", "shown"),
    [
        (4.0, ["one two three four one two three four", "one two three four Ask"], ["Ask"]),
        (4.0, ["one two three four one two three four"], ["one two three four"]),
        (0.0, ["one two three four", "Ask"], ["one two three four", "Ask"]),
    ],
)
async def test_what_repeats_the_words_before_it_is_shown_when_it_is_heard_twice(
    partial_lead_s: float, heard: list[str], shown: list[str]
) -> None:
    """A model that was shown them may read them again; without them somebody has said so once more."""
    script = Script(text=counting("one two three four", *heard))
    async with rigged(script) as rig, playing(rig) as played:
        rig.pace = Pace(60.0, speculate=False)
        await played.play(UTTERANCE)
        rig.pace = Pace(0.3, speculate=False, partial_lead_s=partial_lead_s)
        await played.play(speech(1.0))
        assert len(rig.calls) > 2
        assert list(dict.fromkeys(partial.text for partial in played.of(Partial))) == shown


async def test_what_only_chance_found_behind_the_words_before_is_decoded_without_them() -> None:
    """All sure tries failed: what comes of the last one may be made up. Alone it is told as it is."""
    texts = counting("one two three four", "one two three four and so on", "Uh")
    script = Script(text=texts, retried=lambda text: 2 * text.endswith("so on"))
    async with rigged(script) as rig, playing(rig, partials=False) as played:
        await played.play(said(UTTERANCE, speech(0.5), silence(1.0)))
        await played.flush()
        assert [final.segment.text for final in played.of(Final)] == ["one two three four", "Uh"]
        assert len(rig.calls) == 3


@pytest.mark.parametrize(
    ("alone", "texts"), [("Uh", ["one two three four", "Uh"]), ("", ["one two three four"])]
)
async def test_where_nothing_was_heard_behind_the_words_before_it_is_decoded_without_them(
    alone: str, texts: list[str]
) -> None:
    """A model may stop where the words it was given end. What is nothing alone, too, is nothing."""
    script = Script(text=counting("one two three four", "one two three four", alone))
    async with rigged(script) as rig, playing(rig, partials=False) as played:
        await played.play(said(UTTERANCE, speech(0.5), silence(1.0)))
        await played.flush()
        assert [final.segment.text for final in played.of(Final)] == texts
        assert len(rig.calls) == 3


async def test_without_left_context_nothing_is_asked_for_once() -> None:
    """Noise without words costs no second call."""
    async with rigged(Script(text=counting(""))) as rig, playing(rig, partials=False) as played:
        await played.play(UTTERANCE)
        await played.flush()
        assert played.of(Final) == []
        assert len(rig.calls) == 1


async def test_without_left_context_a_doubtful_text_is_decoded_once() -> None:
    """There is nothing that could be left away."""
    script = Script(text=counting("one two three four"), retried=lambda text: 2)
    async with rigged(script) as rig, playing(rig, partials=False) as played:
        await played.play(UTTERANCE)
        await played.flush()
        assert [final.segment.text for final in played.of(Final)] == ["one two three four"]
        assert len(rig.calls) == 1


async def test_partials_are_asked_for_at_the_pace() -> None:
    """Twice the interval, half the partials; in half an interval none."""
    heard = {}
    for interval in (0.3, 0.6, 8.0):
        async with rigged() as rig, playing(rig) as played:
            rig.pace = Pace(interval, speculate=False)
            await played.play(UTTERANCE)
            *partials, final = rig.calls
            assert final[0].end == played.of(Final)[0].segment.end_sample
            heard[interval] = [round(chunk.end / SAMPLE_RATE, 3) for (chunk,) in partials]
    assert heard == {
        0.3: [0.7, 1.0, 1.3, 1.6, 1.9, 2.2, 2.5, 2.8],
        0.6: [0.8, 1.4, 2.0, 2.6],
        8.0: [],
    }


async def test_a_client_that_wants_none_gets_no_partials() -> None:
    """Nor is anything computed for them."""
    async with rigged() as rig, playing(rig, partials=False) as played:
        await played.play(UTTERANCE)
        await played.flush()
        assert [type(event) for event in played.events] == [Final]
        assert len(rig.calls) == 1


async def test_finals_come_in_order() -> None:
    """Many utterances at once and several workers: the order is that of speech."""
    async with rigged(Script(rtf=0.005), workers=3) as rig, playing(rig) as played:
        played.feed(np.tile(UTTERANCE, 6))
        await played.flush()
        starts = [final.segment.start_sample for final in played.of(Final)]
        assert len(starts) == 6
        assert starts == sorted(starts)


async def test_sources_do_not_mix() -> None:
    """Two pipelines on one recogniser: each has its own text."""
    async with rigged() as rig, playing(rig) as mic, playing(rig, source=Source.SYSTEM) as system:
        mic.feed(said(silence(1.0), speech(1.0, 0.25), silence(1.0)))
        system.feed(said(silence(2.0), speech(1.0, 0.75), silence(1.0)))
        await asyncio.gather(mic.flush(), system.flush())
        assert mic.texts == ["w4l16 w5l16 w6l16 w7l16"]
        assert system.texts == ["w8l48 w9l48 w10l48 w11l48"]


async def test_a_newer_partial_replaces_a_waiting_one() -> None:
    """With the worker busy, one partial waits and covers what was said meanwhile."""
    async with rigged(Script(hang=lambda call: call == 0)) as rig, playing(rig) as played:
        busy = rig.ask(session="other")
        played.feed(said(silence(0.5), speech(2.0)))
        rig.fake.release()
        await busy
        await soon(lambda: bool(played.events))
        assert len(rig.calls) == 2
        assert rig.calls[1][0].end == played.pipeline.end
        assert quarters([played.of(Partial)[0].text]) == list(range(2, 10))


@settings(max_examples=15)
@given(st.lists(st.lists(st.sampled_from("a b c d".split()), max_size=6), min_size=1, max_size=12))
def test_stable_text_only_grows_and_the_final_begins_with_it(hypotheses: list[list[str]]) -> None:
    """Whatever the model hears from one decode to the next."""

    async def run() -> None:
        script = Script(text=counting(*(" ".join(words) for words in hypotheses)))
        async with rigged(script) as rig, playing(rig) as played:
            rig.pace = Pace(0.3, speculate=False)
            await played.play(said(silence(0.3), speech(3.0), silence(0.8)))
            await played.flush()

    asyncio.run(run())


async def test_text_that_was_nothing_is_taken_back() -> None:
    """A partial that the final does not confirm is withdrawn, and the audio counts as silence."""
    async with rigged(Script(text=counting("hm", ""))) as rig, playing(rig) as played:
        rig.pace = Pace(2.0, speculate=False)
        await played.play(said(speech(2.1), silence(1.0)))
        await played.flush()
        assert [(e.text, e.revision) for e in played.of(Partial)] == [("hm", 1), ("", 2)]
        assert played.of(Final) == []
        assert played.coverage.silence == played.pipeline.end


async def test_lag_is_known_once_something_was_shown() -> None:
    """From the arrival of the newest shown audio until it was shown."""
    async with rigged() as rig, playing(rig) as played:
        lags = [played.pipeline.lag_s]
        await played.play(UTTERANCE)
        await played.flush()
        lags.append(played.pipeline.lag_s)
        assert lags[0] is None
        assert lags[1] is not None
        assert lags[1] >= 0


# --- endpoints ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", [0, 1, 100, 511, 512, 513])
async def test_a_flush_makes_the_tail_final(extra: int) -> None:
    """Speech right up to the last sample, in any part of the detector's window, is in the final."""
    async with rigged() as rig, playing(rig) as played:
        tail = speech(1.0 + extra / SAMPLE_RATE)
        played.feed(said(silence(1.0), tail), size=777)
        await played.flush()
        segment = played.of(Final)[0].segment
        assert segment.end_sample == played.pipeline.end
        assert quarters([segment.text]) == [4, 5, 6, 7]
        assert played.coverage.pending == 0


async def test_a_flush_waits_for_what_is_still_running() -> None:
    """It does not return before the last final is out."""
    async with rigged(Script(hang=lambda call: call == 0)) as rig, playing(rig) as played:
        played.feed(UTTERANCE)
        flushing = asyncio.create_task(played.pipeline.flush())
        await soon(lambda: len(rig.calls) == 1)
        await asyncio.sleep(0)
        assert not flushing.done()
        rig.fake.release()
        await flushing
        assert len(played.texts) == 1


async def test_a_flush_does_not_wait_for_what_comes_later() -> None:
    """Who goes on speaking does not hold it up."""
    script = Script(hang=lambda call: call == 1)
    async with rigged(script) as rig, playing(rig, partials=False) as played:
        played.feed(speech(1.0))
        flushing = asyncio.create_task(played.flush())
        await asyncio.sleep(0)
        played.feed(UTTERANCE)
        await flushing
        assert len(played.texts) == 1
        rig.fake.release()
        await played.flush()
        assert len(played.texts) == 2


async def test_flushing_again_changes_nothing() -> None:
    """Two flushes, or one at the very beginning, are harmless."""
    async with rigged() as rig, playing(rig) as played:
        await played.flush()
        played.feed(UTTERANCE)
        await played.flush()
        await played.flush()
        assert len(played.events) == 1


async def test_speech_goes_on_behind_a_flush() -> None:
    """The word in the middle is cut, but no audio is in two finals or in none."""
    async with rigged() as rig, playing(rig, partials=False) as played:
        played.feed(said(silence(1.0), speech(1.05)))
        await played.flush()
        played.feed(said(speech(1.0), silence(1.0)))
        await played.flush()
        assert quarters(played.texts) == list(range(4, 13))
        first, second = (final.segment for final in played.of(Final))
        assert first.end_sample <= second.start_sample
        assert played.coverage.pending == 0


async def test_endless_speech_is_cut() -> None:
    """No utterance is longer than allowed; the cuts lose and double nothing."""
    async with rigged() as rig, playing(rig, endpoint=EndpointSettings(max_utterance_s=4.0)) as played:
        played.feed(said(silence(0.5), speech(15.0), silence(1.0)))
        await played.flush()
        segments = [final.segment for final in played.of(Final)]
        assert len(segments) >= 4
        assert all(one.end_sample - one.start_sample <= to_samples(4.0) for one in segments)
        assert quarters(played.texts) == list(range(2, 62))
        assert [one.id for one in segments] == [f"mic-{n + 1}" for n in range(len(segments))]


async def test_silence_is_never_recognised() -> None:
    """No call, no event; all of it is accounted for as silence, and none of it is kept."""
    async with rigged() as rig, playing(rig) as played:
        played.feed(silence(60.0))
        kept = played.pipeline._listener._buffer
        assert kept.end - kept.start < SAMPLE_RATE + LEAD
        await played.flush()
        assert (rig.calls, played.events) == ([], [])
        assert played.coverage.silence == played.coverage.captured == to_samples(60.0)


@pytest.mark.parametrize("kind", ["white", "pink", "hum"])
async def test_noise_is_never_recognised(kind: str) -> None:
    """The real detector hears no speech in noise and hum, so the recogniser is not asked."""
    chance = np.random.default_rng(7)
    white = chance.standard_normal(to_samples(20.0))
    match kind:
        case "white":
            noise = 0.1 * white
        case "pink":
            spectrum = np.fft.rfft(white)
            pink = np.fft.irfft(spectrum / np.sqrt(np.arange(len(spectrum)) + 1), len(white))
            noise = 0.1 * pink / pink.std()
        case _:
            t = np.arange(len(white)) / SAMPLE_RATE
            noise = np.sum([0.2 / n * np.sin(2 * np.pi * 50 * n * t) for n in (1, 2, 3)], axis=0)
    async with rigged() as rig, playing(rig, vad=SileroVad()) as played:
        played.feed(noise.astype(np.float32))
        await played.flush()
        assert (rig.calls, played.events) == ([], [])


async def test_real_speech_with_the_real_detector(two_cities: Speech) -> None:
    """Finals lie where words are spoken, the ledger closes, and what is between is silence."""
    async with rigged() as rig, playing(rig, vad=SileroVad(), partials=False) as played:
        played.feed(two_cities.load())
        await played.flush()
        segments = [final.segment for final in played.of(Final)]
        heard = [end for _, end in two_cities.word_times]
        ranges = [(one.start_sample / SAMPLE_RATE, one.end_sample / SAMPLE_RATE) for one in segments]
        assert [end for end in heard if not any(a < end <= b + 0.2 for a, b in ranges)] == []
        coverage = played.coverage
        assert coverage.transcribed == sum(one.end_sample - one.start_sample for one in segments)
        assert (coverage.pending, coverage.lost) == (0, 0)
        assert coverage.silence > to_samples(2.0)


# --- holes --------------------------------------------------------------------------------------------


async def test_a_hole_is_lost_and_told() -> None:
    """Samples that never came: an event, a line in the ledger, and the utterance ends before them."""
    async with rigged() as rig, playing(rig, partials=False) as played:
        played.feed(said(silence(1.0), speech(1.0)))
        hole = (played.pipeline.end, to_samples(3.0))
        played.feed(said(speech(1.0), silence(1.0)), start=hole[1])
        await played.flush()
        assert pending(played.events) == [(*hole, "not_received", "lost")]
        assert quarters(played.texts) == [4, 5, 6, 7, 12, 13, 14, 15]
        coverage = played.coverage
        assert coverage.lost == hole[1] - hole[0]
        assert [(one.start, one.end, one.reason) for one in coverage.lost_ranges] == [(*hole, "not_received")]
        assert coverage.captured == to_samples(5.0)


async def test_a_skip_was_never_captured() -> None:
    """A muted source jumps ahead: no event, nothing lost, and what follows has its own utterance."""
    async with rigged() as rig, playing(rig, partials=False) as played:
        played.feed(said(silence(1.0), speech(1.0)))
        behind = frames(said(speech(1.0), silence(1.0)), start=to_samples(30.0))
        muted = AudioFrame(Source.MIC, behind[0].start, behind[0].pcm, skipped=True)
        played.feed([muted, *behind[1:]])
        await played.flush()
        assert pending(played.events) == []
        assert quarters(played.texts) == [4, 5, 6, 7, 120, 121, 122, 123]
        assert played.coverage.captured == to_samples(4.0)
        assert played.coverage.lost == 0


async def test_what_was_captured_but_never_sent_is_lost() -> None:
    """At the end of a session the client says how far it recorded."""
    async with rigged() as rig, playing(rig) as played:
        played.feed(speech(1.0))
        played.pipeline.lose_until(to_samples(1.5), "not_received")
        played.pipeline.lose_until(to_samples(1.2), "not_received")
        await played.flush()
        assert pending(played.events) == [(16_000, 24_000, "not_received", "lost")]
        assert (played.coverage.transcribed, played.coverage.lost) == (16_000, 8_000)


steps = st.lists(
    st.tuples(
        st.sampled_from(["speech", "speech", "silence", "hole", "skip", "flush"]), st.integers(1, 40_000)
    ),
    max_size=12,
)


@settings(max_examples=25)
@given(steps, st.integers(1, 3), st.sampled_from([320, 777, 1600, 5000]))
def test_every_sample_is_accounted_for(steps: list[tuple[str, int]], workers: int, size: int) -> None:
    """Any speech, silence, holes, skips, flushes: the ledger sums up at each step and closes at the end."""

    async def run() -> None:
        async with rigged(workers=workers) as rig, playing(rig) as played:
            lost = skipped = 0
            position, jump = 0, ""
            for step, count in steps:
                match step:
                    case "flush":
                        await played.flush()
                    case "hole" | "skip":
                        jump, position = step, position + count
                        lost += count if step == "hole" else 0
                        skipped += count if step == "skip" else 0
                    case _:
                        level = 0.5 if step == "speech" else 0.0
                        audio = frames(np.full(count, level, np.float32), start=position, size=size)
                        if jump:
                            first = audio[0]
                            audio[0] = AudioFrame(
                                first.source, first.start, first.pcm, skipped=jump == "skip"
                            )
                        jump, position = "", position + count
                        played.feed(audio)
            await played.flush()
            coverage = played.coverage
            assert coverage.pending == 0
            assert coverage.captured == coverage.received + coverage.lost
            ranges = [(f.segment.start_sample, f.segment.end_sample) for f in played.of(Final)]
            assert coverage.transcribed == sum(end - start for start, end in ranges)

    asyncio.run(run())
