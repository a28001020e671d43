"""The contract between EchoPanel and a recogniser.

A provider is a plug-in (entry point group `echopanel.providers`); its `load` gives a `Model`, whose
`transcribe` is blocking on purpose: plug-in authors need no asyncio, and only the engine knows threads.
A model that hears audio as it comes (`capabilities.streaming`) is a `StreamingModel` besides.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from echopanel.audio import Chunk, Samples
from echopanel.errors import TranscriptionFailed


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do, as far as others are treated differently.

    `max_batch` is how many chunks one call takes gladly (1: the model loops, and gets one). `streaming`: its
    models are `StreamingModel`s, and live audio goes to them as it comes.
    """

    max_batch: int
    max_chunk_seconds: float
    devices: tuple[str, ...]
    streaming: bool = False


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Which weights to load, and how; also the key under which a loaded model is shared.

    `options` is what only this provider understands: a frozen value of a class of its own.
    """

    provider: str
    name: str
    path: Path | None = None
    device: str = "cpu"
    compute_type: str = "int8"
    threads: int = 2
    options: Hashable = None


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
    the decoding of 1 and makes about a tenth fewer errors. `thorough`: there is all the time it takes, on
    as much context as the model can use, and the same audio must give the same text every time.
    """

    language: str | None = None
    prefix: str = ""
    prompt: str = ""
    hotwords: str = ""
    word_timestamps: bool = False
    final: bool = True
    preview: bool = False
    beam_size: int = 1
    thorough: bool = False


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
    `doubt` is why words may be missing, "" if none should.
    """

    text: str
    words: tuple[HypothesisWord, ...] = ()
    language: str | None = None
    no_speech_prob: float = 0.0
    avg_logprob: float = 0.0
    compression_ratio: float = 1.0
    retried: int = 0
    doubt: str = ""


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


@dataclass(frozen=True, slots=True)
class Increment:
    """Text that a stream has added, spaces included; it was said before second `until` of the utterance."""

    text: str
    until: float


class Stream(Protocol):
    """The way of one source's audio through a model, one utterance after the other.

    One thread at a time calls `feed`, `finish` and `rest`; `close` may come from any thread at any time.
    After an error a stream is good for nothing but `close`: its owner gives the utterance to a new one.
    """

    def feed(self, samples: Samples) -> None:
        """Take the next samples of the utterance; waits while the model is not through with earlier ones.

        Raises:
            ModelUnavailable: what it needs is not there, with what to do.
            TranscriptionFailed: the stream has broken, does not move any more, or was closed.
        """
        ...

    def finish(self) -> Hypothesis:
        """End the utterance and wait until all its text is there; what is fed next begins another.

        Raises:
            TranscriptionFailed: likewise.
        """
        ...

    def rest(self) -> None:
        """Called when an utterance is over and no other waits: time for what must not disturb speech.

        Raises:
            TranscriptionFailed: likewise.
        """
        ...

    def close(self) -> None:
        """Free what the stream holds; a call that is under way raises soon. Closing again does nothing."""
        ...


@runtime_checkable
class StreamingModel(Model, Protocol):
    """A model that hears speech as it comes. `open_stream` may be called from several threads at once."""

    @property
    def routes(self) -> tuple[str, ...]:
        """The ways to the recogniser, such as servers; one that keeps failing is left alone for a while."""
        ...

    @property
    def capacity(self) -> int | None:
        """How many streams there can be at once; None: nobody knows."""
        ...

    def open_stream(self, options: DecodeOptions, on_text: Callable[[Increment], None], route: str) -> Stream:
        """Begin with a source; may take as long as loading does.

        Args:
            options: as for `transcribe`; `prefix`, `final` and `beam_size` mean nothing here.
            on_text: told of text as it comes, from any thread, but never behind the end of `finish`.
            route: one of `routes`.

        Raises:
            Busy: there is no room now.
            ModelUnavailable: it cannot work, with what to do.
            TranscriptionFailed: it did not work this time.
        """
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


def check_lengths(chunks: Sequence[Chunk], most_s: float) -> None:
    """Make sure that no chunk is too long.

    Raises:
        TranscriptionFailed: one is.
    """
    if (longest := max((chunk.seconds for chunk in chunks), default=0.0)) > most_s:
        raise TranscriptionFailed(f"a chunk of {longest:.1f} s; cut it to at most {most_s:.0f} s")
