"""A source on a streaming model: every sample is heard once, whatever happens to the process that hears it.

The model is the fake `voxtral`, real processes whose text tells to the sample what they were given.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from echopanel.asr.vad import SileroVad
from echopanel.audio import SAMPLE_RATE, AudioFrame, Source, float_to_pcm16, to_samples
from echopanel.engine import hearing as hearing_module
from echopanel.engine import streaming as streaming_module
from echopanel.engine.events import Trouble
from echopanel.engine.recovery import Past
from echopanel.engine.streams import Streams
from echopanel.policy.backoff import Backoff
from echopanel.policy.endpoint import EndpointSettings
from echopanel.transcript import Final, Gap, Partial
from tests.engine.rig import pending, said, silence
from tests.engine.stream_rig import hearing, loaded, soon, streaming
from tests.helpers.fake_voxtral import spoken
from tests.helpers.speech import Speech
from tests.helpers.voxtral import FakeBinary, babble, fake_binary

UTTERANCE = said(silence(0.5), babble(2.0), silence(0.8))


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trying again without the wait."""
    monkeypatch.setattr(hearing_module, "BACKOFF", Backoff(0.001, 0.001))


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., FakeBinary]:
    """Makes fakes, each in a directory of its own."""
    numbers = itertools.count()
    return lambda **knobs: fake_binary(tmp_path / str(next(numbers)), **knobs)


@asynccontextmanager
async def running(binary: FakeBinary, **settings: Any) -> AsyncIterator[Streams]:
    """Streams on a fake."""
    model = await loaded(binary.spec(**{"interval_s": 0.1, **settings}))
    async with streaming(model) as streams:
        yield streams


def conversation(count: int) -> Iterator[np.ndarray[Any, np.dtype[np.float32]]]:
    """Utterances of unlike lengths with pauses of unlike lengths."""
    for number in range(count):
        yield said(
            silence(0.3 + 0.13 * (number % 4)),
            babble(0.7 + 0.83 * (number % 7), number),
            silence(0.35),
            babble(0.4, 1000 + number),
            silence(0.6),
        )


# --- text ---------------------------------------------------------------------------------------------


async def test_partials_come_before_the_final(make: Callable[..., FakeBinary]) -> None:
    """While somebody speaks the text grows; at the endpoint it is final, with words and their times."""
    async with running(make()) as streams, hearing(streams) as heard:
        await heard.play(UTTERANCE[: to_samples(2.4)])
        await soon(lambda: bool(heard.of(Partial)))
        assert heard.of(Final) == []
        await heard.play(UTTERANCE[to_samples(2.4) :])
        await soon(lambda: bool(heard.of(Final)))
        await heard.pipeline.flush()
        heard.check()
        segment = heard.of(Final)[0].segment
        assert (segment.id, segment.source, segment.language) == ("mic-1", Source.MIC, "en")
        assert segment.start_sample <= to_samples(0.5) < to_samples(2.5) <= segment.end_sample
        assert heard.pipeline.lag_s is not None


async def test_who_reads_no_partials_gets_none(make: Callable[..., FakeBinary]) -> None:
    """The finals are the same."""
    async with running(make()) as streams, hearing(streams, partials=False) as heard:
        await heard.play(UTTERANCE)
        await heard.pipeline.flush()
        assert [type(event) for event in heard.events] == [Final]
        heard.check()


async def test_utterances_are_heard_once_and_in_order(make: Callable[..., FakeBinary]) -> None:
    """Live or all at once, in frames of any size, with pauses that end an utterance and some that do not."""
    binary = make()
    async with running(binary) as streams:
        for size, live in ((1600, True), (777, True), (16_000, False)):
            async with hearing(streams, session=str(size)) as heard:
                for part in conversation(8):
                    await heard.play(part, size) if live else heard.feed(part, size)
                await heard.pipeline.flush()
                heard.check()
                starts = [final.segment.start_sample for final in heard.of(Final)]
                assert starts == sorted(starts)
                assert len(starts) >= 8


async def test_real_speech_with_the_real_detector(
    make: Callable[..., FakeBinary], two_cities: Speech
) -> None:
    """Finals lie where words are spoken, the ledger closes, and what is between is silence."""
    async with running(make()) as streams, hearing(streams, vad=SileroVad()) as heard:
        heard.feed(two_cities.load())
        await heard.pipeline.flush()
        heard.check(whole=False)
        ranges = [(f.segment.start_sample, f.segment.end_sample) for f in heard.of(Final)]
        missed = [
            end
            for _, end in two_cities.word_times
            if not any(a < end * SAMPLE_RATE <= b + 3200 for a, b in ranges)
        ]
        assert missed == []
        assert (heard.coverage.pending, heard.coverage.lost) == (0, 0)


async def test_sources_do_not_mix(make: Callable[..., FakeBinary]) -> None:
    """Two sources, two processes."""
    binary = make()
    async with (
        running(binary) as streams,
        hearing(streams) as mic,
        hearing(streams, source=Source.SYSTEM) as system,
    ):
        for number in range(3):
            mic.feed(said(babble(1.5, number), silence(0.7)))
            system.feed(said(babble(1.5, 50 + number), silence(0.7)))
        await asyncio.gather(mic.pipeline.flush(), system.pipeline.flush())
        mic.check()
        system.check()
        assert streams._open.total() == 2


async def test_endless_speech_is_split(make: Callable[..., FakeBinary]) -> None:
    """No final is longer than allowed, and the splits lose and double nothing."""
    endpoint = EndpointSettings(max_utterance_s=4.0)
    async with running(make()) as streams, hearing(streams, endpoint=endpoint) as heard:
        await heard.play(said(silence(0.5), babble(21.3), silence(1.0)))
        await heard.pipeline.flush()
        heard.check()
        segments = [final.segment for final in heard.of(Final)]
        assert len(segments) >= 5
        assert all(one.end_sample - one.start_sample <= to_samples(4.1) for one in segments)
        kept = heard.pipeline._listener._buffer
        assert kept.end - kept.start < to_samples(10)


async def test_speech_without_end_starts_the_detector_afresh(
    make: Callable[..., FakeBinary], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the endpointer would cut what has been heard already."""
    monkeypatch.setattr(streaming_module, "LONGEST_S", 6.0)
    endpoint = EndpointSettings(max_utterance_s=3.0)
    async with running(make()) as streams, hearing(streams, endpoint=endpoint) as heard:
        heard.feed(said(babble(20.0), silence(1.0)))
        await heard.pipeline.flush()
        heard.check()


async def test_a_flush_makes_the_tail_final(make: Callable[..., FakeBinary]) -> None:
    """Speech up to the last sample; and it goes on behind the flush."""
    async with running(make()) as streams, hearing(streams) as heard:
        for number in range(3):
            heard.feed(babble(1.0 + 0.0101 * number, number))
            await heard.pipeline.flush()
            assert heard.coverage.pending == 0
        heard.check()


async def test_holes_are_told_and_split_utterances(make: Callable[..., FakeBinary]) -> None:
    """What never came is lost, what was never captured is not."""
    async with running(make()) as streams, hearing(streams) as heard:
        heard.feed(babble(1.0))
        pcm = float_to_pcm16(babble(1.0, 1))
        heard.pipeline.feed(AudioFrame(Source.MIC, 20_000, pcm))
        heard.pipeline.feed(AudioFrame(Source.MIC, 50_000, pcm, skipped=True))
        heard.pipeline.lose_until(70_000, "not_received")
        await heard.pipeline.flush()
        texts = [final.segment.text.split() for final in heard.of(Final)]
        assert texts == [spoken(float_to_pcm16(babble(1.0))), spoken(pcm), spoken(pcm)]
        assert [(gap[0], gap[1]) for gap in pending(heard.events)] == [(16_000, 20_000), (66_000, 70_000)]
        assert (heard.coverage.lost, heard.coverage.pending) == (8000, 0)


async def test_a_source_is_taken_up_again(make: Callable[..., FakeBinary]) -> None:
    """After a crash of the server: behind the last final, from the journal."""
    async with running(make()) as streams:
        async with hearing(streams) as before:
            before.feed(np.concatenate(list(conversation(3))))
            await before.pipeline.flush()
            first = before.of(Final)[0].segment
        audio = before.audio[0]
        async with hearing(streams) as after:
            past = Past(journaled=((0, len(audio)),), finals=(first,))
            first_sample, done = past.context(SAMPLE_RATE)
            after.pipeline.restore(past, float_to_pcm16(audio[first_sample:done]))
            for start, end, skipped in past.unheard(SAMPLE_RATE):
                pcm = float_to_pcm16(audio[start:end])
                after.pipeline.feed(AudioFrame(Source.MIC, start, pcm, skipped=skipped))
            await after.pipeline.flush()
            told = [final.segment for final in before.of(Final)]
            assert [final.segment.text for final in after.of(Final)] == [one.text for one in told[1:]]
            assert after.of(Final)[0].segment.id == "mic-2"
            assert after.coverage.pending == 0


@pytest.mark.slow
async def test_ten_minutes_in_one_process(make: Callable[..., FakeBinary]) -> None:
    """No restart, nothing lost or doubled, and nothing grows."""
    binary = make()
    async with running(binary, interval_s=0.5) as streams, hearing(streams) as heard:
        minutes: list[int] = []
        for _ in range(10):
            parts = list(itertools.islice(itertools.cycle(conversation(14)), 14))
            minute = np.concatenate(parts)
            minute = np.concatenate([minute, silence(60.0)])[: to_samples(60.0)]
            before = len(heard.events)
            for at in range(0, len(minute), 8000):
                heard.feed(minute[at : at + 8000])
                while heard.pipeline.closing > 2:
                    await heard.pipeline.progressed.wait(1.0)
            await heard.pipeline.flush()
            minutes.append(len([e for e in heard.events[before:] if isinstance(e, Final)]))
        heard.check()
        assert heard.coverage.captured == to_samples(600.0)
        assert len(set(minutes)) == 1
        assert heard.of(Trouble) == []
        # The second one stands by.
        assert len(binary.started) == 2
        assert streams._metrics.stream_failures._value.get() == 0
        kept = heard.pipeline._listener._buffer
        assert kept.end - kept.start < to_samples(10)


# --- processes in trouble -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("knobs", "reason"),
    [
        ({"crash_s": 8}, "code -6"),
        ({"torn_s": 8}, "code 3"),
        ({"hang_s": 8}, r"no audio for 1 s"),
        ({"eos_s": 8}, "reset in the middle of speech"),
    ],
)
@pytest.mark.parametrize("live", [True, False])
async def test_a_failure_costs_a_second_hearing(
    make: Callable[..., FakeBinary], knobs: dict[str, float], reason: str, live: bool
) -> None:
    """A crash, a crash within a word, a hang, a reset: told, and heard again from the utterance's start."""
    binary = make(once=True, **knobs)
    patience = {"hang_s": 1.0} if "hang_s" in knobs else {}
    async with running(binary, **patience) as streams, hearing(streams) as heard:
        for part in conversation(4):
            await heard.play(part) if live else heard.feed(part)
        await heard.pipeline.flush()
        heard.check()
        (trouble,) = heard.of(Trouble)
        assert reason.replace("\\", "") in trouble.message
        assert not trouble.given_up
        assert heard.of(Gap) == []


async def test_garbage_is_no_failure(make: Callable[..., FakeBinary]) -> None:
    """What is no text on stderr is nothing."""
    async with running(make(garbage=True)) as streams, hearing(streams) as heard:
        for part in conversation(3):
            await heard.play(part)
        await heard.pipeline.flush()
        heard.check()
        assert heard.of(Trouble) == []


async def test_a_slow_process_is_behind_but_loses_nothing(make: Callable[..., FakeBinary]) -> None:
    """Slower than the audio comes: it is waited for, and it shows that text is late."""
    async with running(make(step_ms=10)) as streams, hearing(streams) as heard:
        for part in conversation(3):
            heard.feed(part)
        assert heard.pipeline.closing > 0
        await asyncio.sleep(0.05)
        assert streams.behind_s > 0
        await heard.pipeline.flush()
        assert streams.behind_s == 0
        heard.check()
        assert heard.of(Trouble) == []


async def test_what_is_too_late_is_put_off(
    make: Callable[..., FakeBinary], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Live text goes on with what was said last; the rest comes later, and it is told."""
    monkeypatch.setattr(streaming_module, "MAX_BEHIND_S", 0.1)
    async with running(make(step_ms=5)) as streams, hearing(streams) as heard:
        for part in conversation(5):
            heard.feed(part)
        await heard.pipeline.flush()
        put_off = pending(heard.events)
        assert {(reason, status) for *_, reason, status in put_off} == {("backlog_full", "pending")}
        assert heard.coverage.pending == sum(end - start for start, end, *_ in put_off) > 0
        assert heard.pipeline.handled == heard.pipeline.end
        await heard.pipeline.repair(heard.read, give_up=False)
        heard.check()


async def test_what_fails_again_and_again_is_put_off_then_heard_later(
    make: Callable[..., FakeBinary], tmp_path: Path
) -> None:
    """With an event and an error; a repair finds the recogniser well again."""
    well = tmp_path / "well"
    async with running(make(crash_s=3, until=str(well))) as streams, hearing(streams) as heard:
        heard.feed(said(babble(6.0), silence(1.0)))
        await heard.pipeline.flush()
        assert [trouble.given_up for trouble in heard.of(Trouble)] == [False, False, True]
        assert [gap[2:] for gap in pending(heard.events)] == [("recogniser_failed", "pending")]
        await heard.pipeline.repair(heard.read, give_up=False)
        assert len(heard.pipeline.shed) == 1
        well.touch()
        await heard.pipeline.repair(heard.read, give_up=False)
        heard.check()


async def test_a_recogniser_that_keeps_failing_is_left_alone(make: Callable[..., FakeBinary]) -> None:
    """After five failures in a row nothing is started for a while; when the session ends that is lost."""
    binary = make(crash_s=3)
    async with running(binary) as streams, hearing(streams) as heard:
        heard.feed(np.concatenate([said(babble(6.0, seed), silence(1.0)) for seed in range(4)]))
        await heard.pipeline.flush()
        assert "tried again in" in streams.failing
        started = len(binary.started)
        await heard.pipeline.repair(heard.read, give_up=False)
        assert len(binary.started) <= started + 1  # one may just have been started to stand by
        assert len(heard.pipeline.shed) == 4
        await heard.pipeline.repair(heard.read, give_up=True)
        assert heard.pipeline.shed == []
        assert heard.coverage.pending == 0
        assert heard.coverage.lost == sum(
            end - start for start, end, *_, s in pending(heard.events) if s == "lost"
        )


async def test_a_reset_that_the_audio_causes_is_told(make: Callable[..., FakeBinary]) -> None:
    """Heard again with the same result, the text is taken as it is, with a word of warning."""
    async with running(make(eos_s=3)) as streams, hearing(streams) as heard:
        heard.feed(said(babble(6.0), silence(1.0)))
        await heard.pipeline.flush()
        assert "words may be missing" in heard.of(Trouble)[-1].message
        assert 0 < len(heard.of(Final)[0].segment.text.split()) < 25
        assert heard.coverage.pending == 0


async def test_a_process_killed_between_utterances(make: Callable[..., FakeBinary]) -> None:
    """Is noticed with the next one, which is heard all the same."""
    binary = make()
    async with running(binary) as streams, hearing(streams) as heard:
        await heard.play(UTTERANCE)
        await heard.pipeline.flush()
        os.kill(binary.started[0]["pid"], signal.SIGKILL)
        await heard.play(UTTERANCE)
        await heard.pipeline.flush()
        heard.check()
        assert len(heard.of(Trouble)) == 1


# --- room -----------------------------------------------------------------------------------------------


async def test_a_source_without_a_process_is_heard_later(make: Callable[..., FakeBinary]) -> None:
    """No room is no failure: the range is pending until another source has gone."""
    async with running(make(), max_processes=1) as streams:
        async with hearing(streams, session="first") as first:
            await first.play(UTTERANCE)
            await first.pipeline.flush()
            assert not streams.room
            async with hearing(streams, session="second") as second:
                await second.play(UTTERANCE)
                await second.pipeline.flush()
                assert [gap[2:] for gap in pending(second.events)] == [("recogniser_busy", "pending")]
                first.pipeline._hearing.close()
                await streams.close()
                await second.pipeline.repair(second.read, give_up=True)
                second.check()
        assert streams.failing == ""


async def test_a_silent_source_gives_its_process_back(
    make: Callable[..., FakeBinary], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And gets another when it speaks again."""
    monkeypatch.setattr(streaming_module, "IDLE_S", 0.05)
    async with running(make()) as streams, hearing(streams) as heard:
        await heard.play(UTTERANCE)
        await heard.pipeline.flush()
        await soon(lambda: streams._open.total() == 0)
        await heard.play(UTTERANCE)
        await heard.pipeline.flush()
        heard.check()


async def test_ending_a_session_ends_its_process(make: Callable[..., FakeBinary]) -> None:
    """Also in the middle of speech; only the one that stands by is left."""
    binary = make()
    async with running(binary) as streams:
        async with hearing(streams) as heard:
            await heard.play(babble(3.0))
            await soon(lambda: bool(heard.of(Partial)))
        await streams.close()
        with pytest.raises(ProcessLookupError):
            os.killpg(binary.started[0]["pid"], 0)
        assert streams.room


async def test_a_model_that_is_gone_is_told(make: Callable[..., FakeBinary]) -> None:
    """Whoever wants a stream then hears why there is none."""
    binary = make()
    async with running(binary) as streams:
        binary.program.unlink()
        async with hearing(streams) as heard:
            heard.feed(said(*[UTTERANCE] * 2))
            await heard.pipeline.flush()
            heard.pipeline._hearing.close()
            await streams.close()
            heard.feed(UTTERANCE)
            await heard.pipeline.flush()
            assert "there is no program" in heard.of(Trouble)[-1].message
            assert heard.of(Trouble)[-1].given_up
            assert len(heard.pipeline.shed) == 1
