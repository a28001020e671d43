"""What is said in the meetings that are broken: pairs of recordings, with what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.e2e.sounds import Samples, write_wav
from tests.helpers.speech import SAMPLE_RATE, Speech, load_corpus, load_two_cities

SOURCES = ("mic", "system")
# Pauses of the recording in which it can be cut, in seconds, and the number of words before each.
PAUSES = ((0.0, 0), (16.8, 48), (28.6, 85))


@dataclass(frozen=True, slots=True)
class Material:
    """Files, true texts and lengths in samples, by source."""

    files: Mapping[str, Path]
    said: Mapping[str, str]
    sent: Mapping[str, int]

    @property
    def seconds(self) -> float:
        """The longer of the two."""
        return max(self.sent.values()) / SAMPLE_RATE


def two_cities_twice(directory: Path) -> Material:
    """Two parts of the one recording that every machine has, at the same time."""
    speech = load_two_cities()
    samples, words = speech.load(), speech.text.split()
    parts = {
        source: (samples[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)], " ".join(words[first:last]))
        for source, ((start, first), (end, last)) in zip(SOURCES, pairwise(PAUSES), strict=True)
    }
    return _material(directory, parts)


def pairs(directory: Path) -> list[Material]:
    """Several pairs where there is a corpus: clean speech beside read and beside spontaneous speech."""
    known = {speech.name.removesuffix(".flac"): speech for speech in load_corpus()}
    wanted = [("jfk", "ls_1688-142285-0001"), ("ls_1688-142285-0000", "ami_EN2003a_014")]
    found = [pair for pair in wanted if set(pair) <= set(known)]
    return [
        two_cities_twice(directory / "two cities"),
        *(_of_corpus(directory / pair[0], [known[name] for name in pair]) for pair in found),
    ]


def _of_corpus(directory: Path, pair: Sequence[Speech]) -> Material:
    parts = zip(SOURCES, pair, strict=True)
    return _material(directory, {source: (speech.load(), speech.text) for source, speech in parts})


def _material(directory: Path, parts: Mapping[str, tuple[Samples, str]]) -> Material:
    directory.mkdir(parents=True, exist_ok=True)
    return Material(
        {source: write_wav(directory / f"{source}.wav", samples) for source, (samples, _) in parts.items()},
        {source: text for source, (_, text) in parts.items()},
        {source: len(samples) for source, (samples, _) in parts.items()},
    )
