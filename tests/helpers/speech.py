"""Speech for tests, and how far a hypothesis is from what was said."""

from __future__ import annotations

import functools
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import numpy.typing as npt
from whisper_normalizer.english import EnglishTextNormalizer

from tests.helpers import two_cities

SAMPLE_RATE = 16_000
REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Speech:
    """A recording and what is said in it.

    `kind` is read, spontaneous, silence, noise or music; `word_times` holds (word, end in seconds), lower
    case without punctuation, and is empty where nobody knows.
    """

    name: str
    path: Path
    text: str
    kind: str = "read"
    word_times: tuple[tuple[str, float], ...] = ()

    def load(self) -> npt.NDArray[np.float32]:
        """Samples as float32, mono, 16 kHz; read-only, because they are shared."""
        return _decode(self.path)


@functools.cache
def _decode(path: Path) -> npt.NDArray[np.float32]:
    from faster_whisper.audio import decode_audio

    samples: npt.NDArray[np.float32] = decode_audio(str(path), sampling_rate=SAMPLE_RATE)
    samples.flags.writeable = False
    return samples


def load_two_cities() -> Speech:
    """44 s of clean read speech, 119 words, that every machine has."""
    words = (word.strip(",.;").lower() for word in two_cities.TEXT.split())
    times = tuple(zip(words, two_cities.WORD_ENDS, strict=True))
    return Speech("two_cities.wav", two_cities.path(), two_cities.TEXT, word_times=times)


def load_corpus() -> list[Speech]:
    """The development corpus where there is one, or else the one recording that every machine has."""
    directory = corpus_directory()
    if directory is None:
        return [load_two_cities()]
    times = {
        row["file"]: tuple((word, float(end)) for word, end in row["words"])
        for row in _rows(directory / "word_times.jsonl")
    }
    return [
        Speech(row["file"], directory / row["file"], row["text"], row["kind"], times.get(row["file"], ()))
        for row in _rows(directory / "manifest.jsonl")
    ]


def corpus_directory() -> Path | None:
    """`ECHOPANEL_CORPUS`, or the corpus beside the repository, or None."""
    named = os.environ.get("ECHOPANEL_CORPUS")
    directory = Path(named) if named else REPOSITORY.parent / "shared" / "corpus"
    if named and not (directory / "manifest.jsonl").is_file():
        raise FileNotFoundError(f"ECHOPANEL_CORPUS={named} has no manifest.jsonl")
    return directory if (directory / "manifest.jsonl").is_file() else None


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def wer(reference: str, hypothesis: str) -> float:
    """Word error rate after Whisper's English normaliser; 0.0 is perfect, 1.0 can be passed."""
    errors, words = word_errors(reference, hypothesis)
    return errors / max(words, 1)


def word_errors(reference: str, hypothesis: str) -> tuple[int, int]:
    """Substitutions + deletions + insertions, and words in the reference; for sums over many files."""
    normalise = _normaliser()
    expected, heard = normalise(reference), normalise(hypothesis)
    if not expected:  # jiwer has no alignment with an empty reference
        return len(heard.split()), 0
    result = jiwer.process_words(expected, heard)
    return result.substitutions + result.deletions + result.insertions, len(expected.split())


def normalised(text: str) -> str:
    """Text as it is compared: lower case, no punctuation, one spelling."""
    return str(_normaliser()(text))


@functools.cache
def _normaliser() -> EnglishTextNormalizer:
    return EnglishTextNormalizer()
