"""Two people in turn, made of recordings: one track for the microphone, one for the others."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np

from echopanel.audio import SAMPLE_RATE, Samples
from tests.e2e.sounds import write_wav
from tests.helpers.speech import Speech, load_corpus

PAUSE_S = 0.7
# Short utterances of two voices; a machine without the corpus has one recording, cut at its pauses.
VOICES = ("ls_1688-142285-000", "vctk_p225_")
CUTS = ((0.0, 6.6), (6.6, 13.0), (13.0, 20.5), (20.5, 28.6), (28.6, 36.3), (36.3, 44.0))


@dataclass(frozen=True, slots=True)
class Turn:
    """What one says before the other answers."""

    samples: Samples
    text: str = ""
    words: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Track:
    """One side, as a file: silence while the other one speaks. `words`: each with its end in seconds."""

    path: Path
    text: str
    seconds: float
    words: tuple[tuple[str, float], ...]


def dialogue(directory: Path, seconds: float) -> tuple[Track, Track]:
    """Both sides of a conversation of at most so many seconds; what there is is said again if need be."""
    mic, others = turns()
    sides: tuple[list[Turn], list[Turn]] = ([], [])
    until = 1.0
    said = [turn for pair in zip_longest(mic, others) for turn in enumerate(pair) if turn[1] is not None]
    number = 0
    while True:
        side, turn = said[number % len(said)]
        assert turn is not None
        length = len(turn.samples) / SAMPLE_RATE + PAUSE_S
        if until + length > seconds:
            break
        silence = np.zeros(len(turn.samples), np.float32)
        sides[side].append(turn)
        sides[1 - side].append(Turn(silence))
        until += length
        number += 1
    names = ("mic.wav", "others.wav")
    one, two = (track(directory / name, side) for name, side in zip(names, sides, strict=True))
    return one, two


def turns() -> tuple[list[Turn], list[Turn]]:
    """The utterances of each side."""
    corpus = load_corpus()
    if len(corpus) > 1:
        one, two = ([whole(speech) for speech in corpus if speech.name.startswith(voice)] for voice in VOICES)
        return one, two
    pieces = [cut(corpus[0], start, end) for start, end in CUTS]
    return pieces[::2], pieces[1::2]


def whole(speech: Speech) -> Turn:
    """A recording as a turn."""
    return Turn(speech.load(), speech.text, speech.word_times)


def cut(speech: Speech, start: float, end: float) -> Turn:
    """A piece of a recording, cut in a pause."""
    samples = speech.load()[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]
    words = tuple((word, until - start) for word, until in speech.word_times if start < until <= end)
    return Turn(samples, " ".join(word for word, _ in words), words)


def track(path: Path, said: list[Turn]) -> Track:
    """A side as a file; a second of silence comes first."""
    pause = np.zeros(round(PAUSE_S * SAMPLE_RATE), np.float32)
    pieces = [np.zeros(SAMPLE_RATE, np.float32)]
    words: list[tuple[str, float]] = []
    for turn in said:
        begin = sum(map(len, pieces)) / SAMPLE_RATE
        words += [(word, begin + end) for word, end in turn.words]
        pieces += [turn.samples, pause]
    samples = np.concatenate(pieces)
    text = " ".join(turn.text for turn in said if turn.text)
    return Track(write_wav(path, samples), text, len(samples) / SAMPLE_RATE, tuple(words))
