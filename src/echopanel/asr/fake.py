"""A scripted recogniser for tests: its text is read out of the samples, so lost or doubled audio shows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from echopanel.asr.provider import (
    Capabilities,
    DecodeOptions,
    Hypothesis,
    HypothesisWord,
    Model,
    ModelSpec,
    check_lengths,
)
from echopanel.audio import SAMPLE_RATE, Chunk, Samples
from echopanel.errors import ModelUnavailable, TranscriptionFailed

WORD_SECONDS = 0.25  # of audio a word
_WORD = round(WORD_SECONDS * SAMPLE_RATE)
_SILENCE = 1e-3  # peak amplitude below which a stretch says nothing
_LEVELS = 64  # words the fake can tell apart
_MAX_SECONDS = 30.0


def _never(_call: int) -> bool:
    return False


def _once(_: str) -> int:
    return 0


@dataclass(frozen=True, slots=True)
class Script:
    """How the fake behaves.

    `fail` maps the number of a call (from 0) to whether it raises, `hang` likewise to whether it waits for
    `Fake.release`; a call takes `seconds_per_call` plus `rtf` times its audio. `retried` maps a text to how
    often it was tried again. `unavailable` is why no model can be loaded.
    """

    seconds_per_call: float = 0.0
    rtf: float = 0.0
    fail: Callable[[int], bool] = _never
    hang: Callable[[int], bool] = _never
    text: Callable[[Chunk], str] | None = None
    retried: Callable[[str], int] = _once
    unavailable: str = ""


class Fake:
    """Provider `fake`."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()
        self.models: list[FakeModel] = []
        self._released = threading.Event()

    @property
    def capabilities(self) -> Capabilities:
        """Large batches."""
        return Capabilities(
            max_batch=16,
            max_chunk_seconds=_MAX_SECONDS,
            devices=("cpu",),
        )

    def size(self, spec: ModelSpec) -> int:
        """Nothing to speak of."""
        return 0

    def load(self, spec: ModelSpec) -> Model:
        """A model at once.

        Raises:
            ModelUnavailable: the script says so.
        """
        if self.script.unavailable:
            raise ModelUnavailable(spec.name, self.script.unavailable, "this is a test")
        model = FakeModel(self.script, self._released)
        self.models.append(model)
        return model

    def release(self) -> None:
        """Let hanging calls go on, now and from now on."""
        self._released.set()


class FakeModel:
    """Says one word for each quarter second that is not silent: its position and its loudness."""

    def __init__(self, script: Script, released: threading.Event) -> None:
        self._script = script
        self._released = released
        self._lock = threading.Lock()
        self.calls: list[tuple[Chunk, ...]] = []
        self.closed = False

    def __repr__(self) -> str:
        return f"<FakeModel [{len(self.calls)} calls]>"

    def transcribe(self, chunks: Sequence[Chunk], options: Sequence[DecodeOptions]) -> list[Hypothesis]:
        """Read the words out of the chunks.

        Raises:
            TranscriptionFailed: closed, a chunk is too long, or the script says so.
        """
        with self._lock:
            number = len(self.calls)
            self.calls.append(tuple(chunks))
        if self.closed:
            raise TranscriptionFailed("the model is closed")
        check_lengths(chunks, _MAX_SECONDS)
        if self._script.hang(number):
            self._released.wait()
        pause = self._script.seconds_per_call + self._script.rtf * sum(chunk.seconds for chunk in chunks)
        if pause:
            time.sleep(pause)
        if self._script.fail(number):
            raise TranscriptionFailed(f"call {number} fails by script")
        return [self._hear(chunk, wanted) for chunk, wanted in zip(chunks, options, strict=True)]

    def close(self) -> None:
        """Refuse further calls."""
        self.closed = True

    def _hear(self, chunk: Chunk, options: DecodeOptions) -> Hypothesis:
        words = _scripted(self._script.text(chunk), chunk) if self._script.text else spoken_words(chunk)
        said = options.prefix.split()
        words = tuple(replace(word, text=said[i]) if i < len(said) else word for i, word in enumerate(words))
        text = " ".join([*(word.text for word in words), *said[len(words) :]])
        return Hypothesis(
            text=text,
            words=words if options.word_timestamps else (),
            language=options.language or "en",
            no_speech_prob=0.0 if words else 1.0,
            retried=self._script.retried(text),
        )


def spoken_words(chunk: Chunk) -> tuple[HypothesisWord, ...]:
    """What the fake hears: a word `w<quarter>l<level>` for each quarter second of the source's timeline.

    The words depend on the timeline only, not on where a chunk begins, so the same audio always gives the
    same words; a quarter second that the chunk holds less than half of is left out.
    """
    words = []
    for quarter in range(chunk.start // _WORD, -(-chunk.end // _WORD)):
        first = max(chunk.start, quarter * _WORD)
        last = min(chunk.end, (quarter + 1) * _WORD)
        level = _level(chunk.samples[first - chunk.start : last - chunk.start])
        if level and 2 * (last - first) >= _WORD:
            begin, end = ((edge - chunk.start) / SAMPLE_RATE for edge in (first, last))
            words.append(HypothesisWord(begin, end, f"w{quarter}l{level}"))
    return tuple(words)


def _level(samples: Samples) -> int:
    """Peak amplitude in 1..64; 0 is silence."""
    peak = float(np.abs(samples).max(initial=0.0))
    return 0 if peak < _SILENCE else max(1, min(_LEVELS, round(peak * _LEVELS)))


def _scripted(text: str, chunk: Chunk) -> tuple[HypothesisWord, ...]:
    """The words of `text`, spread evenly over the chunk."""
    spoken = text.split()
    step = chunk.seconds / max(len(spoken), 1)
    return tuple(HypothesisWord(i * step, (i + 1) * step, word) for i, word in enumerate(spoken))
