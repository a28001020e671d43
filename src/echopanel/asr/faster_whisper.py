"""Provider `faster-whisper`: Whisper on CTranslate2 with short contexts, batches and guards."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from echopanel.asr.alignment import Aligner
from echopanel.asr.catalog import MEGABYTE, Catalog
from echopanel.asr.decoding import Decoder, Transcript, Tuning
from echopanel.asr.features import FRAMES_PER_SECOND, MAX_FRAMES
from echopanel.asr.provider import (
    Capabilities,
    DecodeOptions,
    Hypothesis,
    HypothesisWord,
    Model,
    ModelSpec,
    check_lengths,
)
from echopanel.asr.tokens import Vocabulary
from echopanel.asr.whisper_ct2 import WhisperCt2
from echopanel.audio import Chunk
from echopanel.equipment import Offer
from echopanel.errors import ModelUnavailable, TranscriptionFailed

NAME = "faster-whisper"
MAX_SECONDS = MAX_FRAMES / FRAMES_PER_SECOND


class FasterWhisper:
    """Loads CTranslate2 Whisper models found by the catalogue."""

    def __init__(self, catalog: Catalog | None = None, tuning: Tuning | None = None) -> None:
        self._catalog = catalog or Catalog()
        self._tuning = tuning or Tuning()

    @property
    def capabilities(self) -> Capabilities:
        """Batches, on what CTranslate2 runs on."""
        return Capabilities(
            max_batch=self._tuning.max_batch,
            max_chunk_seconds=MAX_SECONDS,
            devices=("cpu", "cuda"),
        )

    def size(self, spec: ModelSpec) -> int:
        """The size of the file; weights that are turned into 8 bit take half of it.

        Raises:
            ModelUnavailable: there is no such model.
        """
        return self._catalog.size(spec.name, spec.path)

    def stock(self) -> list[Offer]:
        """The models of the catalogue."""
        return [
            Offer(NAME, one.name, one.megabytes * MEGABYTE, "" if one.folder else one.origin)
            for one in self._catalog.listings()
        ]

    def load(self, spec: ModelSpec) -> Model:
        """Find, verify and load a model.

        Raises:
            ModelUnavailable: with what to do.
        """
        folder = self._catalog.resolve(spec.name, spec.path)
        # A third of the time goes into the tokenizer, which another thread can read meanwhile.
        with ThreadPoolExecutor(1, "tokenizer") as pool:
            reading = pool.submit(Vocabulary, folder)
            whisper = WhisperCt2(folder, spec)
            try:
                vocabulary = reading.result()
            except ValueError as exc:
                remedy = "use a directory made by ct2-transformers-converter with its tokenizer.json"
                raise ModelUnavailable(spec.name, f"{folder}: {exc}", remedy) from exc
        return FasterWhisperModel(whisper, vocabulary, self._tuning, spec)


class FasterWhisperModel:
    """One set of weights; any thread may call `transcribe`, `spec.threads` calls run at once."""

    def __init__(self, whisper: WhisperCt2, vocabulary: Vocabulary, tuning: Tuning, spec: ModelSpec) -> None:
        self._whisper = whisper
        self._vocabulary = vocabulary
        self._decoder = Decoder(whisper, vocabulary, tuning)
        self._aligner = Aligner(whisper, vocabulary)
        self._spec = spec
        self._closed = False

    def __repr__(self) -> str:
        spec = self._spec
        return f"<FasterWhisperModel {spec.name} [{spec.device} {spec.compute_type}, {spec.threads} threads]>"

    def transcribe(self, chunks: Sequence[Chunk], options: Sequence[DecodeOptions]) -> list[Hypothesis]:
        """Recognise a batch; digital silence gives empty text.

        Raises:
            TranscriptionFailed: the engine gave up, the model is closed or a chunk is too long.
        """
        if self._closed:
            raise TranscriptionFailed("the model is closed")
        check_lengths(chunks, MAX_SECONDS)
        hypotheses = [Hypothesis("", language=wanted.language, no_speech_prob=1.0) for wanted in options]
        audible = [index for index, chunk in enumerate(chunks) if chunk.samples.any()]
        passages = [self._decoder.open(chunks[index], options[index]) for index in audible]
        transcripts = self._decoder.decode(passages)
        for index, transcript in zip(audible, transcripts, strict=True):
            hypotheses[index] = self._hypothesis(transcript, self._aligner.words(transcript))
        return hypotheses

    def close(self) -> None:
        """Free the weights; further calls are refused."""
        self._closed = True
        self._whisper.unload()

    def _hypothesis(self, transcript: Transcript, words: tuple[HypothesisWord, ...]) -> Hypothesis:
        signals = transcript.signals
        text = " ".join(self._vocabulary.decode(transcript.tokens).split())
        return Hypothesis(
            text=text,
            words=words,
            language=transcript.passage.language or "en",
            no_speech_prob=signals.no_speech_prob,
            avg_logprob=signals.avg_logprob,
            compression_ratio=signals.compression_ratio,
            retried=transcript.attempts - 1,
        )
