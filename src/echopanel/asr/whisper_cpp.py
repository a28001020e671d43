"""Provider `whisper-cpp`: Whisper through whisper.cpp, with short contexts, guards and word times."""

from __future__ import annotations

import math
import queue
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from echopanel.asr.alignment import ATTENTION_LAG_S, timed_words
from echopanel.asr.ggml import Header
from echopanel.asr.ggml_files import GgmlFiles
from echopanel.asr.guards import Limits, Signals, Verdict, find_loop, judge
from echopanel.asr.known_words import after_prefix
from echopanel.asr.provider import (
    Capabilities,
    DecodeOptions,
    Hypothesis,
    HypothesisWord,
    Model,
    ModelSpec,
    check_lengths,
)
from echopanel.asr.tokens import group_words
from echopanel.asr.whisper_library import Context, Library, Token, Window, load_library
from echopanel.audio import SAMPLE_RATE, Chunk, Samples
from echopanel.errors import ModelUnavailable, TranscriptionFailed

MAX_SECONDS = 30.0
_STEPS_PER_SECOND = 50  # encoder outputs
_FULL = 0  # whisper.cpp's word for all 30 s
# whisper.cpp refuses less than 0.1 s, and aligning the words of less than 0.16 s ends the process.
_LEAST_SAMPLES = 3 * SAMPLE_RATE // 10
# Contexts share nothing, so each holds the weights; more than this in all is not worth the parallel calls.
_MOST_WEIGHTS = 400_000_000
_WORK_BYTES = (
    170_000_000  # caches and buffers of a context: with tiny.en (78 MB) it took 225 to 261 MB in all
)
_RETRIES = (0.0, 0.4)  # temperatures of further tries, on the full window


@dataclass(frozen=True, slots=True)
class Tuning:
    """Settings of the decode path: `*_trailing` is the least silence behind the speech, in seconds."""

    final_trailing: float = 6.0
    partial_trailing: float = 4.0
    preview_trailing: float = 2.0
    limits: Limits = field(default_factory=Limits)


class WhisperCpp:
    """Whisper models in whisper.cpp's own format, on the CPU or the GPU that the installed build knows."""

    def __init__(self, files: GgmlFiles | None = None, tuning: Tuning | None = None) -> None:
        """Import the library.

        Raises:
            ImportError: it is not installed.
        """
        try:
            self._library = load_library()
        except ImportError as exc:
            raise ImportError(
                "pywhispercpp is not installed; `pip install 'echopanel[whisper-cpp]'`"
            ) from exc
        self._files = files or GgmlFiles()
        self._tuning = tuning or Tuning()

    @property
    def backends(self) -> tuple[str, ...]:
        """Accelerators of the installed build, such as `MTL` or `COREML`; () where it has the CPU alone."""
        return self._library.backends()

    @property
    def capabilities(self) -> Capabilities:
        """One chunk a call; on the devices of the installed build."""
        return Capabilities(
            max_batch=1,
            max_chunk_seconds=MAX_SECONDS,
            devices=(*self._gpus(), "cpu"),
        )

    def size(self, spec: ModelSpec) -> int:
        """Weights and buffers of all contexts.

        Raises:
            ModelUnavailable: there is no such model.
        """
        weights = self._files.size(spec.name, spec.path)
        return _contexts(weights, spec) * (weights + _WORK_BYTES)

    def load(self, spec: ModelSpec) -> Model:
        """Find or convert, verify and load a model.

        Raises:
            ModelUnavailable: with what to do.
        """
        gpus = self._gpus()
        if spec.device not in ("auto", "cpu", *gpus):
            remedy = f"take one of {', '.join(self.capabilities.devices)}, or a build of pywhispercpp for it"
            raise ModelUnavailable(spec.name, f"this build cannot run on {spec.device}", remedy)
        gpu = bool(gpus) and spec.device != "cpu"
        path, header = self._files.resolve(spec.name, spec.path)
        count = 1 if gpu else _contexts(path.stat().st_size, spec)
        threads = max(1, spec.threads // count)
        with ExitStack() as failing:
            contexts: list[Context] = []
            while len(contexts) < count:
                context = Context(self._library, spec.name, path, header, gpu=gpu, threads=threads)
                failing.callback(context.free)
                contexts.append(context)
            failing.pop_all()
        return WhisperCppModel(self._library, contexts, header, self._tuning, spec)

    def _gpus(self) -> tuple[str, ...]:
        """`gpu` where the build has one; CoreML and OpenVINO only help, whichever device it is."""
        return ("gpu",) if set(self.backends) - {"COREML", "OPENVINO"} else ()


def _contexts(weights: int, spec: ModelSpec) -> int:
    """One context for each thread as far as memory goes: two threads on one decode are hardly faster."""
    return max(1, min(spec.threads, _MOST_WEIGHTS // weights))


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A decode that was judged; `tokens` is what remains of it."""

    tokens: tuple[Token, ...]
    language: str
    signals: Signals
    verdict: Verdict


class WhisperCppModel:
    """A pool of contexts with the same weights; a call takes a free one or waits for it."""

    def __init__(
        self,
        library: Library,
        contexts: Sequence[Context],
        header: Header,
        tuning: Tuning,
        spec: ModelSpec,
    ) -> None:
        self._library = library
        self._free: queue.SimpleQueue[Context] = queue.SimpleQueue()
        for context in contexts:
            self._free.put(context)
        self._count = len(contexts)
        self._header = header
        self._tuning = tuning
        self._spec = spec
        self._closed = False

    def __repr__(self) -> str:
        return f"<WhisperCppModel {self._spec.name} [{self._spec.device}, {self._count} contexts]>"

    def transcribe(self, chunks: Sequence[Chunk], options: Sequence[DecodeOptions]) -> list[Hypothesis]:
        """Recognise chunks one after the other; digital silence gives empty text.

        Raises:
            TranscriptionFailed: whisper.cpp gave up, the model is closed or a chunk is too long.
        """
        if self._closed:
            raise TranscriptionFailed("the model is closed")
        check_lengths(chunks, MAX_SECONDS)
        return [self._transcribe(chunk, wanted) for chunk, wanted in zip(chunks, options, strict=True)]

    def close(self) -> None:
        """Free the weights; further calls are refused."""
        self._closed = True
        for _ in range(self._count):
            self._free.get().free()

    @contextmanager
    def _context(self) -> Iterator[Context]:
        context = self._free.get()
        try:
            yield context
        finally:
            self._free.put(context)

    def _transcribe(self, chunk: Chunk, options: DecodeOptions) -> Hypothesis:
        if not chunk.samples.any():
            return Hypothesis("", language=options.language, no_speech_prob=1.0)
        window = self._window(chunk, options)
        with self._context() as context:
            attempts = [self._attempt(context, window)]
            for temperature in _RETRIES if options.final else ():
                if attempts[-1].verdict is not Verdict.RETRY or (temperature and options.thorough):
                    break
                wide = replace(window, audio_ctx=_FULL, beam_size=1, temperature=temperature)
                attempts.append(self._attempt(context, wide))
        return _hypothesis(attempts, chunk, options)

    def _window(self, chunk: Chunk, options: DecodeOptions) -> Window:
        tuning = self._tuning
        trailing = tuning.final_trailing if options.final else tuning.partial_trailing
        if options.preview:
            trailing = tuning.preview_trailing
        steps = _STEPS_PER_SECOND * math.ceil(chunk.seconds + trailing)
        language = self._language(options)
        rate = 8.0 if language == "en" else 20.0  # tokens a second: nobody says more
        prompt = f"{options.hotwords} {options.prompt}".split()
        return Window(
            samples=_padded(chunk.samples),
            audio_ctx=steps if steps < self._header.audio_ctx and not options.thorough else _FULL,
            language=language,
            prompt=f" {' '.join(prompt)}" if prompt else "",
            budget=min(self._header.text_ctx // 2 - 8, round(rate * chunk.seconds) + 10),
            beam_size=options.beam_size if options.final else 1,
        )

    def _language(self, options: DecodeOptions) -> str | None:
        """The language asked for, as far as this model has it, or None to let it listen."""
        if not self._header.multilingual:
            return "en"
        wanted = (options.language or "").lower().partition("-")[0]
        return wanted if self._library.speaks(wanted) else None

    def _attempt(self, context: Context, window: Window) -> _Attempt:
        heard = context.hear(window)
        loop = find_loop([token.id for token in heard.tokens])
        spelled = b"".join(token.spelling for token in heard.tokens)
        signals = Signals(
            text=" ".join(spelled.decode(errors="replace").split()),
            seconds=len(window.samples) / SAMPLE_RATE,
            avg_logprob=heard.avg_logprob,
            # The binding does not tell it; whisper.cpp itself drops what is unsure and probably no speech.
            no_speech_prob=0.0 if heard.tokens else 1.0,
            exhausted=len(heard.tokens) >= window.budget,
            loop=loop,
        )
        kept = heard.tokens[: loop.start + loop.period] if loop else heard.tokens
        return _Attempt(kept, heard.language, signals, judge(signals, self._tuning.limits))


def _padded(samples: Samples) -> Samples:
    """In one piece, which the binding takes for granted, and of a length that whisper.cpp can bear."""
    missing = max(0, _LEAST_SAMPLES - len(samples))
    return np.ascontiguousarray(np.pad(samples, (0, missing)) if missing else samples)


def _hypothesis(attempts: Sequence[_Attempt], chunk: Chunk, options: DecodeOptions) -> Hypothesis:
    chosen = attempts[-1] if attempts[-1].verdict is Verdict.KEEP else max(reversed(attempts), key=_worth)
    words = after_prefix(_words(chosen, chunk.seconds), options.prefix.split())
    return Hypothesis(
        text=" ".join(word.text for word in words),
        words=words if options.word_timestamps else (),
        language=chosen.language,
        no_speech_prob=chosen.signals.no_speech_prob,
        avg_logprob=chosen.signals.avg_logprob,
        compression_ratio=chosen.signals.compression_ratio,
        retried=len(attempts) - 1,
    )


def _worth(attempt: _Attempt) -> tuple[bool, bool, float]:
    """Of doubtful attempts the least doubtful: no loop, a text with an end, then the likelier."""
    signals = attempt.signals
    return signals.loop is None, not signals.exhausted, signals.avg_logprob


def _words(attempt: _Attempt, seconds: float) -> tuple[HypothesisWord, ...]:
    tokens = attempt.tokens
    groups = group_words([token.spelling for token in tokens], attempt.language)
    # Attention enters a token where it leaves the one before.
    edges = [0.0, *(token.end - ATTENTION_LAG_S for token in tokens)]
    return timed_words(groups, edges, [token.probability for token in tokens], seconds)
