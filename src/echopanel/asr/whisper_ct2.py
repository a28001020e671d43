"""The seam to CTranslate2's Whisper: encode, generate and align on contexts shorter than 30 s."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from numpy.typing import NDArray

from echopanel.asr.features import MAX_FRAMES, Features
from echopanel.asr.provider import ModelSpec
from echopanel.errors import ModelUnavailable, TranscriptionFailed

MAX_TOKENS = 448  # positions of Whisper's text decoder
# What digital silence becomes in features behind speech of usual loudness: eight decades below its peak.
SILENT_FEATURE = -0.8
TEXT_POSITIONS_PER_SECOND = 50  # encoder outputs: one for two feature frames

Encoding = NDArray[np.float32]  # encoder output of one chunk, shape (frames / 2, width)


@dataclass(frozen=True, slots=True)
class Search:
    """How `generate` looks for the text."""

    beam_size: int = 1
    temperature: float = 0.0


@dataclass(frozen=True, slots=True)
class Prompt:
    """Previous text, start sequence and known beginning of the text, of one chunk."""

    previous: tuple[int, ...]
    start: tuple[int, ...]
    prefix: tuple[int, ...] = ()

    @property
    def tokens(self) -> list[int]:
        """All of it in order."""
        return [*self.previous, *self.start, *self.prefix]


@dataclass(frozen=True, slots=True)
class Decode:
    """What `generate` found: text tokens, prefix included, and the no-speech probability.

    `avg_logprob` is the mean over the tokens behind the prefix and the end token, as in openai/whisper.
    """

    tokens: tuple[int, ...]
    avg_logprob: float
    no_speech_prob: float


@dataclass(frozen=True, slots=True)
class Alignment:
    """When each text token is spoken: token i in seconds [edges[i], edges[i + 1]), and its probability."""

    edges: tuple[float, ...]
    probabilities: tuple[float, ...]


class WhisperCt2:
    """Loaded weights with `spec.threads` single-threaded workers; every method may run in any thread."""

    def __init__(self, folder: Path, spec: ModelSpec) -> None:
        """Load a CTranslate2 Whisper directory.

        Raises:
            ModelUnavailable: not such a directory, or the device cannot run it.
        """
        try:
            self._model = ctranslate2.models.Whisper(
                str(folder),
                device=spec.device,
                compute_type=spec.compute_type,
                inter_threads=spec.threads,
                intra_threads=1,
            )
        except (RuntimeError, ValueError) as exc:
            remedy = "check device and compute type, or run `echopanel models verify`"
            raise ModelUnavailable(spec.name, f"cannot load {folder}: {exc}", remedy) from exc
        # 30 s without a sound, encoded once for all chunks that want more silence behind them.
        self.silence = self.encode(np.full((self.mels, MAX_FRAMES), SILENT_FEATURE, np.float32))

    @property
    def multilingual(self) -> bool:
        """Whether the model knows languages besides English."""
        return bool(self._model.is_multilingual)

    @property
    def mels(self) -> int:
        """Number of mel bands it wants."""
        return int(self._model.n_mels)

    def unload(self) -> None:
        """Free the weights."""
        self._model.unload_model()

    def encode(self, features: Features) -> Encoding:
        """Encode one chunk; a batch would not be cheaper on a CPU, and dearer from 9 s on."""
        with _failures_mapped("encode"):
            view = ctranslate2.StorageView.from_array(np.ascontiguousarray(features[None]))
            encoding: Encoding = np.array(self._model.encode(view, to_cpu=True))[0]
            return encoding

    def generate(
        self, encodings: Sequence[Encoding], prompts: Sequence[Prompt], budget: int, search: Search
    ) -> list[Decode]:
        """Decode chunks of equal shape whose previous texts are equally long.

        Args:
            encodings: encoder outputs.
            prompts: one for each chunk.
            budget: most tokens of text, the prefix included.
            search: beam, penalty, temperature.

        Raises:
            TranscriptionFailed: CTranslate2 gave up.
        """
        with _failures_mapped("generate"):
            results = self._model.generate(
                _stacked(encodings),
                [prompt.tokens for prompt in prompts],
                max_length=_max_length(budget, len(prompts[0].previous) + len(prompts[0].start)),
                return_scores=True,
                return_no_speech_prob=True,
                **_search_arguments(search),
            )
            return [_decode(result, prompt) for result, prompt in zip(results, prompts, strict=True)]

    def align(
        self, encoding: Encoding, start: Sequence[int], tokens: Sequence[int], frames: int
    ) -> Alignment:
        """Place text tokens in time by the cross-attention of the model's alignment heads.

        A batch would not be cheaper.

        Args:
            encoding: encoder output.
            start: start sequence, without the token that turns timestamps off.
            tokens: text tokens of the chunk.
            frames: feature frames of it that hold audio.

        Raises:
            TranscriptionFailed: CTranslate2 gave up.
        """
        with _failures_mapped("align"):
            results = self._model.align(_stacked([encoding]), list(start), [list(tokens)], [frames])
            return _alignment(results[0])

    def detect_language(self, encoding: Encoding) -> tuple[str, float]:
        """The likeliest language of a chunk and its probability.

        Raises:
            TranscriptionFailed: CTranslate2 gave up.
        """
        with _failures_mapped("detect_language"):
            token, probability = self._model.detect_language(_stacked([encoding]))[0][0]
            return token[2:-2], float(probability)


@contextmanager
def _failures_mapped(step: str) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError, MemoryError) as exc:
        raise TranscriptionFailed(f"{step}: {exc}") from exc


def _stacked(encodings: Sequence[Encoding]) -> Any:
    return ctranslate2.StorageView.from_array(np.stack(encodings))


def _max_length(budget: int, prompt: int) -> int:
    """CTranslate2 lets min(max_length / 2, max_length - prompt) tokens be generated."""
    return min(MAX_TOKENS, max(2 * budget, budget + prompt))


def _search_arguments(search: Search) -> dict[str, Any]:
    if search.temperature:
        return {"beam_size": 1, "sampling_topk": 0, "sampling_temperature": search.temperature}
    return {"beam_size": search.beam_size}


def _decode(result: Any, prompt: Prompt) -> Decode:
    tokens = tuple(result.sequences_ids[0])
    # The score is the sum over the free tokens divided by the number of all, without the end token.
    free = max(len(tokens) - len(prompt.prefix), 0) + 1
    return Decode(tokens, float(result.scores[0]) * len(tokens) / free, float(result.no_speech_prob))


def _alignment(result: Any) -> Alignment:
    pairs = np.array(result.alignments, dtype=np.int64).reshape(-1, 2)
    if not len(pairs):
        return Alignment((), ())
    first = np.diff(pairs[:, 0], prepend=-1) > 0
    edges = pairs[first, 1] / TEXT_POSITIONS_PER_SECOND
    return Alignment(tuple(edges.tolist()), tuple(result.text_token_probs))
