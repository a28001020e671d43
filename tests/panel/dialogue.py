"""Two people in turn, made of recordings: one track for the microphone, one for the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from echopanel.audio import SAMPLE_RATE, Samples
from tests.e2e.sounds import write_wav
from tests.helpers.speech import Speech, load_corpus

PAUSE_S = 0.7
# Enough read speech for five minutes in which nothing is said twice, so that no mistake counts twice. A
# machine without the corpus has one recording, which is said again.
VOICES = (("ls_1688-142285-000", "long_", "chapter_"), ("vctk_p225_", "jfk", "librivox_"))
TURN_S = 8.0  # whoever has spoken for longer lets the other one speak in the next pause
PAUSE_AFTER_WORD_S = 0.9  # from the end of a word to the end of the next
QUIET_S = 0.05
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
    said = in_turn(*turns())
    sides: tuple[list[Turn], list[Turn]] = ([], [])
    until = 1.0
    number = 0
    while True:
        side, turn = said[number % len(said)]
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


def in_turn(mic: list[Turn], others: list[Turn]) -> list[tuple[int, Turn]]:
    """Both sides, spread evenly over the conversation; each turn with the number of its side."""
    places = [
        (number / len(said), side, turn)
        for side, said in enumerate((mic, others))
        for number, turn in enumerate(said)
    ]
    return [(side, turn) for _, side, turn in sorted(places, key=lambda place: place[:2])]


def turns() -> tuple[list[Turn], list[Turn]]:
    """The utterances of each side."""
    corpus = load_corpus()
    if len(corpus) > 1:
        one, two = ([turn for name in voice for turn in turns_of(name, corpus)] for voice in VOICES)
        return one, two
    pieces = [cut(corpus[0], start, end) for start, end in CUTS]
    return pieces[::2], pieces[1::2]


def turns_of(name: str, corpus: Sequence[Speech]) -> Iterator[Turn]:
    """The recordings whose names begin so; long ones in pieces."""
    for speech in corpus:
        if speech.name.startswith(name):
            yield from (cut(speech, start, end) for start, end in pairwise(pauses(speech)))


def pauses(speech: Speech) -> list[float]:
    """The ends of a recording and where it can be cut into turns, in seconds."""
    samples = speech.load()
    found = [0.0]
    for (_, end), (_, following) in pairwise(speech.word_times):
        if following - end > PAUSE_AFTER_WORD_S and end - found[-1] > TURN_S:
            found.append(end + quietest(samples[round(end * SAMPLE_RATE) : round(following * SAMPLE_RATE)]))
    return [*found, len(samples) / SAMPLE_RATE]


def quietest(samples: Samples) -> float:
    """The middle of the quietest moment, in seconds."""
    count = round(QUIET_S * SAMPLE_RATE)
    loudness = np.convolve(samples**2, np.ones(count), "valid")
    return (int(np.argmin(loudness)) + count / 2) / SAMPLE_RATE


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
