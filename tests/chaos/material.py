"""What is said in the meetings that are broken: pairs of recordings, with what they say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.sounds import write_wav
from tests.helpers.speech import SAMPLE_RATE, Speech, load_corpus, load_two_cities

# A pause of the recording in which it can be cut in two, in seconds, and the words before it.
PAUSE_S = 16.8
WORDS_BEFORE = 48


@dataclass(frozen=True, slots=True)
class Material:
    """Files, true texts and lengths in samples, by source."""

    name: str
    files: Mapping[str, Path]
    said: Mapping[str, str]
    sent: Mapping[str, int]

    @property
    def seconds(self) -> float:
        """The longer of the two."""
        return max(self.sent.values()) / SAMPLE_RATE


def two_cities_twice(directory: Path) -> Material:
    """The two parts of the one recording that every machine has, at the same time."""
    speech = load_two_cities()
    samples, words = speech.load(), speech.text.split()
    at = round(PAUSE_S * SAMPLE_RATE)
    directory.mkdir(parents=True, exist_ok=True)
    files = {
        "mic": write_wav(directory / "mic.wav", samples[:at]),
        "system": write_wav(directory / "system.wav", samples[at:]),
    }
    said = {"mic": " ".join(words[:WORDS_BEFORE]), "system": " ".join(words[WORDS_BEFORE:])}
    return Material("two cities", files, said, {"mic": at, "system": len(samples) - at})


def pairs(directory: Path) -> list[Material]:
    """Several pairs where there is a corpus: read beside spontaneous speech, and clean beside noisy."""
    known = {speech.name.removesuffix(".flac"): speech for speech in load_corpus()}
    wanted = [
        ("librivox_sense_and_sensibility", "spont_mfa_acoustic_corpus"),
        ("spont_mfa_cold_corpus", "ami_EN2004a_000"),
    ]
    found = [(known[mic], known[system]) for mic, system in wanted if mic in known and system in known]
    return [two_cities_twice(directory / "cities"), *(_pair(directory, mic, system) for mic, system in found)]


def _pair(directory: Path, mic: Speech, system: Speech) -> Material:
    name = f"{mic.name} and {system.name}"
    parts = {"mic": mic, "system": system}
    place = directory / mic.name
    place.mkdir(parents=True, exist_ok=True)
    return Material(
        name,
        {source: write_wav(place / f"{source}.wav", speech.load()) for source, speech in parts.items()},
        {source: speech.text for source, speech in parts.items()},
        {source: len(speech.load()) for source, speech in parts.items()},
    )
