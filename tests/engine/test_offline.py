"""Recordings through the same pipeline as live audio, as fast as the machine can."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from echopanel.asr.fake import Fake, Script
from echopanel.asr.provider import DecodeOptions, ModelSpec
from echopanel.audio import SAMPLE_RATE, Samples, Source, float_to_pcm16, to_samples
from echopanel.engine.offline import read_frames, transcribe
from echopanel.engine.settings import EngineSettings
from echopanel.errors import AudioError, TranscriptionFailed
from tests.engine.rig import SPEC, engine_of, install, quarters, said, silence, speech
from tests.helpers.speech import Speech, wer

MEETING = np.tile(said(silence(0.5), speech(2.0), silence(1.0)), 4)
GERMAN = DecodeOptions(language="de")


def blocks(samples: Samples, size: int) -> Iterator[Samples]:
    """A recording as a decoder gives it."""
    return (samples[at : at + size] for at in range(0, len(samples), size))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """What the engines of a test load."""
    fake = Fake()
    install(monkeypatch, fake)
    return fake


@pytest.mark.parametrize("size", [1, 7_999, 8_000, 100_000])
async def test_blocks_of_any_size_become_the_same_frames_of_audio(size: int) -> None:
    """No sample is lost, doubled or moved."""
    audio = np.arange(20_000, dtype=np.float32) / np.float32(40_000)
    frames = [frame async for frame in read_frames(blocks(audio, max(size, 400)))]
    assert b"".join(frame.pcm for frame in frames) == float_to_pcm16(audio)
    assert [frame.start for frame in frames[1:]] == [frame.end for frame in frames[:-1]]


async def test_a_recording_becomes_a_transcript(fake: Fake) -> None:
    """All utterances in order, with the ledger, the model and the language."""
    told: list[float] = []
    async with engine_of(fake, EngineSettings(SPEC, max_inference=2)) as engine:
        await engine.start()
        transcript = await transcribe(engine, blocks(MEETING, 12_345), GERMAN, told.append)
    assert len(transcript.segments) == 4
    assert quarters(one.text for one in transcript.segments) == [
        14 * turn + quarter for turn in range(4) for quarter in range(2, 10)
    ]
    assert (transcript.provider, transcript.model, transcript.language) == ("fake", "scripted", "de")
    coverage = transcript.coverage[Source.MIC]
    assert coverage.balanced()
    assert (coverage.captured, coverage.pending, coverage.lost) == (len(MEETING), 0, 0)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(len(MEETING) / SAMPLE_RATE)


async def test_a_long_recording_is_not_held_in_memory(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading waits for recognition, so nothing is ever put off, however long the recording."""
    monkeypatch.setattr("echopanel.engine.offline.MAX_CLOSING", 2)
    async with engine_of(fake, EngineSettings(SPEC, max_inference=1, queue_bound_mic=4)) as engine:
        await engine.start()
        transcript = await transcribe(engine, blocks(np.tile(MEETING, 10), 50_000), GERMAN)
    assert (len(transcript.segments), transcript.gaps) == (40, ())


async def test_silence_is_an_empty_transcript(fake: Fake) -> None:
    """So is no audio at all."""
    async with engine_of(fake, EngineSettings(SPEC, warmup_level=1)) as engine:
        await engine.start()
        for audio in (silence(10.0), silence(0.0)):
            transcript = await transcribe(engine, blocks(audio, 8_000), GERMAN)
            assert transcript.segments == ()
            assert transcript.coverage[Source.MIC].silence == len(audio)
        assert fake.models[0].calls == []


async def test_a_recogniser_that_fails_twice_ends_it(fake: Fake) -> None:
    """A transcript with a hole would pass for a whole one; one failure alone is made good."""
    async with engine_of(fake, EngineSettings(SPEC, warmup_level=1)) as engine:
        await engine.start()
        fake.models[0]._script = Script(fail=lambda call: call == 0)
        assert len((await transcribe(engine, blocks(MEETING, 8_000), GERMAN)).segments) == 4
        fake.models[0]._script = Script(fail=lambda call: True)
        with pytest.raises(TranscriptionFailed, match="fails by script"):
            await transcribe(engine, blocks(MEETING, 8_000), GERMAN)


async def test_a_recording_that_breaks_off_is_an_error(fake: Fake) -> None:
    """What the decoder raises comes through, and the engine can go on."""

    def broken() -> Iterator[Samples]:
        yield MEETING[:8_000]
        raise AudioError("the file ends in the middle")

    async with engine_of(fake, EngineSettings(SPEC)) as engine:
        await engine.start()
        with pytest.raises(AudioError, match="in the middle"):
            await transcribe(engine, broken(), GERMAN)
        assert len((await transcribe(engine, blocks(MEETING, 8_000), GERMAN)).segments) == 4


async def test_the_real_model_reads_the_book(two_cities: Speech) -> None:
    """The first sentences with tiny.en and Silero: every word, at its time."""
    samples = two_cities.load()[: to_samples(10.45)]
    spoken = [(word, end) for word, end in two_cities.word_times if end < 10.45]
    async with engine_of(Fake(), EngineSettings(ModelSpec("faster-whisper", "tiny.en"))) as engine:
        await engine.start()
        transcript = await transcribe(engine, blocks(samples, 8_000), DecodeOptions(language="en"))
    words = [word for segment in transcript.segments for word in segment.words]
    assert wer(" ".join(word for word, _ in spoken), " ".join(word.text for word in words)) <= 0.05
    late = sorted(abs(word.end - end) for word, (_, end) in zip(words, spoken, strict=False))
    assert late[len(late) // 2] <= 0.3
