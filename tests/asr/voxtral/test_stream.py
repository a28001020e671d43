"""Utterances on a process: each has its own text, whole; the model's resets fall into silences."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import numpy as np
import pytest

from echopanel.asr.provider import DecodeOptions, Increment, ModelSpec
from echopanel.asr.voxtral import Voxtral
from echopanel.asr.voxtral.model import ROUTE, VoxtralModel
from echopanel.asr.voxtral.monitor import CACHE_FULL, FULL_RESET
from echopanel.asr.voxtral.stream import VoxtralStream
from echopanel.audio import SAMPLE_RATE, Chunk, Samples, Source, float_to_pcm16
from echopanel.errors import TranscriptionFailed
from tests.helpers.fake_voxtral import spoken
from tests.helpers.speech import Speech, wer
from tests.helpers.voxtral import FakeBinary, babble

TIMED = DecodeOptions(word_timestamps=True)


def opened(model: VoxtralModel, told: list[Increment] | None = None) -> VoxtralStream:
    """A stream whose text is collected."""
    stream = model.open_stream(TIMED, (told if told is not None else []).append, ROUTE)
    assert isinstance(stream, VoxtralStream)
    return stream


def loaded(binary: FakeBinary, **settings: object) -> VoxtralModel:
    """A model on a fake that misbehaves."""
    model = Voxtral().load(binary.spec(**settings))
    assert isinstance(model, VoxtralModel)
    return model


def say(stream: VoxtralStream, samples: Samples, size: int = 1600) -> None:
    """Feed it as live audio comes."""
    for at in range(0, len(samples), size):
        stream.feed(samples[at : at + size])


def words_of(samples: Samples) -> list[str]:
    """What the fake says of it."""
    return spoken(float_to_pcm16(samples))


def is_genuine(model: VoxtralModel) -> bool:
    """Whether text has to be judged as such."""
    return "fake" not in repr(model._pool._start)


def test_real_speech_becomes_text(model: VoxtralModel, two_cities: Speech) -> None:
    """Bit by bit, and all of it by the end; words in order, inside the utterance."""
    told: list[Increment] = []
    stream = opened(model, told)
    samples = two_cities.load()[: 20 * SAMPLE_RATE]
    say(stream, samples)
    assert told, "text comes before the end"
    heard = stream.finish()
    assert "".join(one.text for one in told).split() == heard.text.split()
    assert [one.until for one in told] == sorted(one.until for one in told)
    times = [time for word in heard.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= 20.0
    assert heard.doubt == ""
    if is_genuine(model):
        said = " ".join(word for word, end in two_cities.word_times if end < 20)
        assert wer(said, heard.text) < 0.3
    else:
        assert heard.text.split() == words_of(samples)


def test_utterances_do_not_mix(model: VoxtralModel, two_cities: Speech) -> None:
    """The text of each comes with its own end, and silence has none."""
    stream = opened(model)
    say(stream, two_cities.load()[: 5 * SAMPLE_RATE])
    first = stream.finish()
    say(stream, np.zeros(2 * SAMPLE_RATE, np.float32))
    nothing = stream.finish()
    say(stream, two_cities.load()[: 5 * SAMPLE_RATE])
    again = stream.finish()
    assert stream.finish().text == ""
    assert (nothing.text, nothing.words) == ("", ())
    assert len(first.text.split()) > 5
    if not is_genuine(model):
        assert first.text == again.text


def test_a_stream_goes_on_for_minutes(model: VoxtralModel, two_cities: Speech) -> None:
    """The model is brought to a clean state in silences, before it would reset itself in speech."""
    stream = opened(model)
    samples = two_cities.load()[: 20 * SAMPLE_RATE]
    texts = []
    for _ in range(10):
        say(stream, samples, 8000)
        texts.append(stream.finish())
        stream.rest()
    monitor = stream._process.monitor
    assert monitor.counts[FULL_RESET] >= 2
    assert monitor.counts[CACHE_FULL] == 0
    assert [heard.doubt for heard in texts] == [""] * 10
    assert min(len(heard.text.split()) for heard in texts) > 20
    if not is_genuine(model):
        assert {heard.text for heard in texts} == {texts[0].text}


def test_ten_minutes_are_heard_whole_by_one_process(
    faulty: Callable[..., FakeBinary], two_cities: Speech
) -> None:
    """Each utterance says something else, so audio that is lost, doubled or out of order shows."""
    model = loaded(faulty())
    stream = opened(model)
    process, audio = stream._process, two_cities.load()
    for number in range(30):
        samples = np.roll(audio, 999 * number)[: 20 * SAMPLE_RATE]
        say(stream, samples, 8000)
        assert stream.finish().text.split() == words_of(samples)
        stream.rest()
    assert stream._process is process
    assert process.monitor.counts[CACHE_FULL] == 0
    model.close()


def test_without_rest_it_takes_its_time_before_it_is_too_late(
    model: VoxtralModel, two_cities: Speech
) -> None:
    """Whoever always has more to say is interrupted between utterances."""
    stream = opened(model)
    for _ in range(9):
        say(stream, two_cities.load()[: 20 * SAMPLE_RATE], 8000)
        assert stream.finish().doubt == ""
    assert stream._process.monitor.counts[CACHE_FULL] == 0
    assert stream._process.monitor.counts[FULL_RESET] >= 1


def test_a_crash_fails_the_utterance(model: VoxtralModel) -> None:
    """And the next stream is on another process."""
    stream = opened(model)
    say(stream, babble(1.0))
    os.kill(stream._process.pid, signal.SIGKILL)
    with pytest.raises(TranscriptionFailed, match="code -9"):
        stream.finish()
    stream.close()
    other = opened(model)
    say(other, babble(1.0))
    other.finish()


# --- only the fake can be asked for more ----------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.05, 0.256, 1.0, 3.3, 17.77])
@pytest.mark.parametrize("interval_s", [0.1, 0.5, 1.0, 2.0])
def test_every_sample_is_heard_once(
    faulty: Callable[..., FakeBinary], seconds: float, interval_s: float
) -> None:
    """Whatever the interval and the length: nothing is left behind at the end, nothing comes twice."""
    model = loaded(faulty(), interval_s=interval_s)
    try:
        stream = opened(model)
        for seed in range(3):
            samples = babble(seconds, seed)
            say(stream, samples, 777)
            assert stream.finish().text.split() == words_of(samples)
    finally:
        model.close()


@pytest.mark.parametrize("at_s", [3.0, 5.0])
def test_a_reset_in_speech_is_a_doubt(faulty: Callable[..., FakeBinary], at_s: float) -> None:
    """Words are missing, and the hypothesis says so; afterwards the model is made to start afresh."""
    model = loaded(faulty(eos_s=at_s))
    try:
        stream = opened(model)
        samples = babble(8.0)
        say(stream, samples)
        heard = stream.finish()
        assert len(heard.text.split()) < len(words_of(samples))
        assert "reset in the middle of speech" in heard.doubt
        say(stream, samples)
        heard = stream.finish()
        assert (heard.text.split(), heard.doubt) == (words_of(samples), "")
    finally:
        model.close()


def test_a_reset_behind_speech_is_none(faulty: Callable[..., FakeBinary]) -> None:
    """All words were there already; what would be swallowed next is silence."""
    # Priming is 0.9 s; the utterance ends at 4.9 s, its last word is out at 6.1 s, the silence ends at 7.2 s.
    model = loaded(faulty(eos_s=6.9))
    try:
        stream = opened(model)
        for seed in range(3):
            samples = babble(4.0, seed)
            say(stream, samples)
            heard = stream.finish()
            assert (heard.text.split(), heard.doubt) == (words_of(samples), "")
    finally:
        model.close()


def test_an_utterance_without_words_is_followed_by_a_fresh_start(
    faulty: Callable[..., FakeBinary],
) -> None:
    """Silence adds up; the model must not reset itself just when somebody begins to speak."""
    model = loaded(faulty())
    try:
        stream = opened(model)
        for seed in range(12):
            say(stream, np.zeros(4000 + 3000 * seed, np.float32))
            assert stream.finish().text == ""
            samples = babble(1.0, seed)
            say(stream, samples)
            heard = stream.finish()
            assert (heard.text.split(), heard.doubt) == (words_of(samples), "")
    finally:
        model.close()


def test_slow_steps_only_take_longer(faulty: Callable[..., FakeBinary]) -> None:
    """A process that works on is not taken for one that hangs."""
    model = loaded(faulty(step_ms=15), hang_s=1.0, interval_s=0.1)
    try:
        stream = opened(model)
        samples = babble(4.0)
        say(stream, samples)
        assert stream.finish().text.split() == words_of(samples)
    finally:
        model.close()


def test_chunks_need_no_stream(faulty: Callable[..., FakeBinary]) -> None:
    """They are heard on the process that stands by, which is as good as new afterwards."""
    binary = faulty()
    model = loaded(binary)
    try:
        for seed in range(3):
            samples = babble(2.0, seed)
            (heard,) = model.transcribe([Chunk(Source.MIC, 0, samples)], [DecodeOptions()])
            assert heard.text.split() == words_of(samples)
        assert len(binary.started) == 1
    finally:
        model.close()


def test_a_directory_in_the_spec_comes_first(faulty: Callable[..., FakeBinary]) -> None:
    """`model.name` may be the directory of the weights."""
    binary = faulty()
    settings = binary.settings(model=None)
    model = Voxtral().load(ModelSpec("voxtral", "any", binary.model, threads=1, options=settings))
    model.close()
    assert binary.started[0]["argv"][1] == str(binary.model)
