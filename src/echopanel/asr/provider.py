"""The contract between EchoPanel and a recogniser.

A provider is a plug-in (entry point group `echopanel.providers`); its `load` gives a `Model`, whose
`transcribe` is blocking on purpose: plug-in authors need no asyncio, and only `engine.worker` knows threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from echopanel.audio import Chunk


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do; the engine asks before it relies on anything.

    `max_batch` is how many chunks one call takes gladly (1: the model loops).
    """

    word_timestamps: bool
    prefix: bool
    max_batch: int
    max_chunk_seconds: float
    languages: tuple[str, ...] | None
    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Which weights to load, and how; also the key under which a loaded model is shared."""

    provider: str
    name: str
    path: Path | None = None
    device: str = "cpu"
    compute_type: str = "int8"
    threads: int = 2


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How to recognise one chunk.

    `prefix` is text that the chunk is known to begin with; the hypothesis repeats it, so its first
    `len(prefix.split())` words are the known ones (the last may gain punctuation). Whisper hears a short
    utterance alone badly: let a chunk begin with the last 4 s or more of the speech before it, cut at the
    start of a word, and name those words as the prefix. `final` asks for the best the model can do with
    guards and retries; otherwise speed counts, most of all in a `preview`, which is replaced soon. `language`
    is an ISO 639 code; None, or one that the model does not have: detect, and name what was found in the
    hypothesis. `beam_size` is how many hypotheses a final is searched with, where a model can: 5 costs twice
    the decoding of 1 and makes about a tenth fewer errors.
    """

    language: str | None = None
    prefix: str = ""
    prompt: str = ""
    hotwords: str = ""
    word_timestamps: bool = False
    final: bool = True
    preview: bool = False
    beam_size: int = 1


@dataclass(frozen=True, slots=True)
class HypothesisWord:
    """One word; `start` and `end` in seconds from the beginning of the chunk."""

    start: float
    end: float
    text: str
    probability: float = 1.0


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What a model heard in one chunk. `text` is normalised to single spaces; "" means no speech.

    `words` is empty unless word timestamps were asked for. `retried` counts decodes beyond the first.
    """

    text: str
    words: tuple[HypothesisWord, ...] = ()
    language: str | None = None
    no_speech_prob: float = 0.0
    avg_logprob: float = 0.0
    compression_ratio: float = 1.0
    retried: int = 0


@runtime_checkable
class Model(Protocol):
    """Loaded weights. `transcribe` may be called from several threads at once."""

    def transcribe(self, chunks: Sequence[Chunk], options: Sequence[DecodeOptions]) -> list[Hypothesis]:
        """Recognise a batch: one hypothesis a chunk, in order.

        Raises:
            TranscriptionFailed: the call failed; it may be tried again.
        """
        ...

    def close(self) -> None:
        """Free the weights. Called once, after the last `transcribe` returned."""
        ...


@runtime_checkable
class Provider(Protocol):
    """A kind of recogniser."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    def size(self, spec: ModelSpec) -> int:
        """Bytes of memory that the weights will take, about; makes room for them before they are loaded.

        Raises:
            ModelUnavailable: with what to do.
        """
        ...

    def load(self, spec: ModelSpec) -> Model:
        """Load weights; may take minutes, so it is called from a worker thread.

        Raises:
            ModelUnavailable: with what to do.
        """
        ...
