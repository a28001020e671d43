"""The fake's text follows from the audio alone, and it misbehaves on demand."""

from __future__ import annotations

import itertools
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.asr.fake import WORD_SECONDS, Fake, Script, spoken_words
from echopanel.asr.provider import DecodeOptions, ModelSpec
from echopanel.audio import SAMPLE_RATE, Chunk, Source
from echopanel.errors import ModelUnavailable, TranscriptionFailed

SPEC = ModelSpec("fake", "any")
WORD = round(WORD_SECONDS * SAMPLE_RATE)
OPTIONS = DecodeOptions(word_timestamps=True)


def tone(first: int, last: int) -> Chunk:
    """A stretch of a timeline whose loudness rises from quarter second to quarter second."""
    index = np.arange(first, last)
    return Chunk(Source.MIC, first, ((index // WORD % 40 + 1) / 64).astype(np.float32))


@given(cuts=st.lists(st.integers(1, 39), unique=True, max_size=8))
def test_pieces_say_together_what_the_whole_says(cuts: list[int]) -> None:
    """Audio cut at word boundaries gives each word once, at its place."""
    edges = [0, *(cut * WORD for cut in sorted(cuts)), 40 * WORD]
    pieces = [tone(first, last) for first, last in itertools.pairwise(edges)]
    said = [word.text for piece in pieces for word in spoken_words(piece)]
    assert said == [word.text for word in spoken_words(tone(0, 40 * WORD))]
    assert said == [f"w{quarter}l{quarter + 1}" for quarter in range(40)]


def test_lost_and_doubled_audio_shows() -> None:
    """Words carry their place on the timeline, so a missing or repeated piece is seen in the text."""
    words = [word.text for word in spoken_words(tone(2 * WORD, 5 * WORD))]
    assert words == ["w2l3", "w3l4", "w4l5"]


@pytest.mark.parametrize(("held", "said"), [(WORD // 2 - 1, 0), (WORD // 2, 1)])
def test_half_a_word_is_a_word(held: int, said: int) -> None:
    """A quarter second counts from half of it on, at either edge of a chunk."""
    assert len(spoken_words(tone(0, held))) == said
    assert len(spoken_words(tone(WORD - held, WORD))) == said


def test_a_script_gives_the_text() -> None:
    """Scripted words are spread over the chunk."""
    model = Fake(Script(text=lambda chunk: "to be or")).load(SPEC)
    (heard,) = model.transcribe([tone(0, 3 * WORD)], [OPTIONS])
    assert heard.text == "to be or"
    assert [word.end for word in heard.words] == pytest.approx([0.25, 0.5, 0.75])


def test_failures_come_where_the_script_says() -> None:
    """Only the second call raises, and every call is on record."""
    fake = Fake(Script(fail=lambda call: call == 1))
    model = fake.load(SPEC)
    model.transcribe([tone(0, WORD)], [OPTIONS])
    with pytest.raises(TranscriptionFailed, match="call 1"):
        model.transcribe([tone(0, WORD)], [OPTIONS])
    model.transcribe([tone(0, WORD), tone(0, WORD)], [OPTIONS, OPTIONS])
    assert [len(call) for call in fake.models[0].calls] == [1, 1, 2]
    assert repr(fake.models[0]) == "<FakeModel [3 calls]>"


def test_a_hanging_call_waits_for_its_release() -> None:
    """It blocks its thread until told to go on."""
    fake = Fake(Script(hang=lambda call: call == 0))
    model = fake.load(SPEC)
    thread = threading.Thread(target=model.transcribe, args=([tone(0, WORD)], [OPTIONS]))
    thread.start()
    model.transcribe([tone(0, WORD)], [OPTIONS])
    assert thread.is_alive()
    fake.release()
    thread.join(10)
    assert not thread.is_alive()


def test_a_call_takes_as_long_as_the_script_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time per call plus time per second of audio."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    model = Fake(Script(seconds_per_call=0.5, rtf=0.1)).load(SPEC)
    model.transcribe([tone(0, SAMPLE_RATE), tone(0, SAMPLE_RATE)], [OPTIONS, OPTIONS])
    assert slept == [pytest.approx(0.7)]


def test_a_model_can_be_unavailable() -> None:
    """Loading fails with the script's reason."""
    with pytest.raises(ModelUnavailable, match="no such weights"):
        Fake(Script(unavailable="no such weights")).load(SPEC)
