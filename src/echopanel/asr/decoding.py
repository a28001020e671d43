"""Short-context decoding: what a chunk needs, which chunks go together, and the guarded retries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import TypeVar

import numpy as np

from echopanel.asr.features import FRAMES_PER_SECOND, HOP, MAX_FRAMES, LogMel
from echopanel.asr.guards import Limits, Signals, Verdict, find_loop, judge
from echopanel.asr.provider import DecodeOptions
from echopanel.asr.tokens import Vocabulary
from echopanel.asr.whisper_ct2 import MAX_TOKENS, Decode, Encoding, Prompt, Search, WhisperCt2
from echopanel.audio import Chunk

_GREEDY = Search()
# Fewer chunks than this are decoded with others in a context that is up to so many frames longer.
FEW, MAX_LONGER = 4, 800
# Frames of all contexts of a batch together: the decoder holds 6 KB for each of tiny.en, 12 KB of base.
MOST_FRAMES = 9_600
_MAX_PREVIOUS = MAX_TOKENS // 2 - 1  # tokens of text before the chunk, as in openai/whisper
_MAX_PREFIX = 180  # leaves room for what is new


@dataclass(frozen=True, slots=True)
class Tuning:
    """Settings of the decode path; docs/benchmarks.md has the measurements behind them.

    `margin` is the silence that is encoded behind the speech; to a decoder that would see the end so near,
    it is lengthened to `trailing` at least by silence that was encoded before, to `brief_trailing` for
    partials without word times, which are made where time is short. `step` is what contexts are then rounded
    up to, so that many fit together. All in seconds. `retries` are tried in order, lengthened to the full
    30 s, while the guards object. (Really encoding 30 s costs far more and helps no more.)
    """

    margin: float = 0.5
    trailing: float = 4.0
    brief_trailing: float = 2.0
    step: float = 4.0
    retries: tuple[Search, ...] = (_GREEDY, Search(temperature=0.4))
    max_batch: int = 8
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Passage:
    """One chunk on its way through the model.

    Of its `encoding` `content_frames` feature frames hold audio; the decoder sees `frames`.
    """

    chunk: Chunk
    options: DecodeOptions
    language: str | None
    encoding: Encoding
    content_frames: int
    frames: int


@dataclass(frozen=True, slots=True)
class Transcript:
    """A decode that was judged; `tokens` is what remains of it."""

    passage: Passage
    tokens: tuple[int, ...]
    signals: Signals
    verdict: Verdict
    attempts: int = 1


class Decoder:
    """Turns passages into tokens."""

    def __init__(self, whisper: WhisperCt2, vocabulary: Vocabulary, tuning: Tuning) -> None:
        self._whisper = whisper
        self._vocabulary = vocabulary
        self._tuning = tuning
        self._log_mel = LogMel(whisper.mels)

    def open(self, chunk: Chunk, options: DecodeOptions) -> Passage:
        """Encode a chunk in the shortest context that does it no harm, and find its language.

        Bigger models than Whisper tiny.en are harmed by all that are shorter than the full window.
        """
        tuning = self._tuning
        if options.thorough:
            encoding, content = self._encode(chunk, MAX_FRAMES / FRAMES_PER_SECOND)
            return Passage(chunk, options, self._language(options, encoding), encoding, content, MAX_FRAMES)
        brief = not (options.final or options.preview or options.word_timestamps)
        trailing = tuning.brief_trailing if brief else tuning.trailing
        seconds = tuning.step * -(-(chunk.seconds + trailing) // tuning.step)
        frames = min(round(seconds * FRAMES_PER_SECOND), MAX_FRAMES)
        encoding, content = self._encode(chunk, chunk.seconds + tuning.margin)
        language = self._language(options, lengthened(encoding, self._whisper.silence, frames))
        return Passage(chunk, options, language, encoding, content, frames)

    def decode(self, passages: Sequence[Passage]) -> list[Transcript]:
        """Decode all; what the guards object to is tried again on the full window if it is final.

        Sampling leaves the text to chance, so it is no way to try again where that must not be.
        """
        transcripts = self._attempt(passages, None)
        for search in self._tuning.retries:
            doubtful = [
                index
                for index, transcript in enumerate(transcripts)
                if transcript.verdict is Verdict.RETRY
                and transcript.passage.options.final
                and not (search.temperature and transcript.passage.options.thorough)
            ]
            if not doubtful:
                break
            widened = [replace(transcripts[index].passage, frames=MAX_FRAMES) for index in doubtful]
            for index, again in zip(doubtful, self._attempt(widened, search), strict=True):
                transcripts[index] = _better(transcripts[index], again)
        return transcripts

    def _encode(self, chunk: Chunk, seconds: float) -> tuple[Encoding, int]:
        """A chunk in a context of so many seconds, and how many feature frames of it hold audio."""
        frames = min(2 * round(seconds * FRAMES_PER_SECOND / 2), MAX_FRAMES)
        features = self._log_mel(chunk.samples, frames)
        return self._whisper.encode(features), min(frames, -(-len(chunk.samples) // HOP))

    def _language(self, options: DecodeOptions, encoding: Encoding) -> str | None:
        """The language asked for, as far as this model has it, or else the one that is heard."""
        if not self._whisper.multilingual:
            return None
        wanted = (options.language or "").lower().partition("-")[0]
        return wanted if self._vocabulary.speaks(wanted) else self._whisper.detect_language(encoding)[0]

    def _attempt(self, passages: Sequence[Passage], search: Search | None) -> list[Transcript]:
        """Decode passages in batches that fit together; `search` None: as each one's options say."""
        prompts = [self._prompt(passage) for passage in passages]
        kinds = [
            (prompt.start, len(prompt.previous), search or self._search(passage))
            for passage, prompt in zip(passages, prompts, strict=True)
        ]
        keys = [
            (frames, *kind)
            for frames, kind in zip(shared([one.frames for one in passages], kinds), kinds, strict=True)
        ]
        results: list[Transcript | None] = [None] * len(passages)
        silence = self._whisper.silence
        for (frames, *_, how), members in batches(keys, self._most):
            budget = max(self._budget(passages[index], prompts[index]) for index in members)
            decodes = self._whisper.generate(
                [lengthened(passages[index].encoding, silence, frames) for index in members],
                [prompts[index] for index in members],
                budget,
                how,
            )
            for index, decode in zip(members, decodes, strict=True):
                results[index] = self._judge(passages[index], prompts[index], decode, budget)
        return [result for result in results if result is not None]

    def _most(self, key: tuple[int, *tuple[object, ...]]) -> int:
        return max(1, min(self._tuning.max_batch, MOST_FRAMES // key[0]))

    def _search(self, passage: Passage) -> Search:
        return Search(beam_size=passage.options.beam_size) if passage.options.final else _GREEDY

    def _prompt(self, passage: Passage) -> Prompt:
        options, vocabulary = passage.options, self._vocabulary
        previous = vocabulary.encode(f"{options.hotwords} {options.prompt}")[-_MAX_PREVIOUS:]
        return Prompt(
            (vocabulary.previous, *previous) if previous else (),
            (*vocabulary.task(passage.language), vocabulary.no_timestamps),
            tuple(vocabulary.encode(options.prefix)[:_MAX_PREFIX]),
        )

    def _budget(self, passage: Passage, prompt: Prompt) -> int:
        """Most tokens a passage may have: nobody says more than 8 a second in English."""
        rate = 8.0 if passage.language in (None, "en") else 20.0
        return min(MAX_TOKENS // 2 - 1, len(prompt.prefix) + round(rate * passage.chunk.seconds) + 10)

    def _judge(self, passage: Passage, prompt: Prompt, decode: Decode, budget: int) -> Transcript:
        tokens = tuple(token for token in decode.tokens if token < self._vocabulary.end)
        loop = find_loop(tokens)
        signals = Signals(
            text=" ".join(self._vocabulary.decode(tokens).split()),
            seconds=passage.chunk.seconds,
            avg_logprob=decode.avg_logprob,
            no_speech_prob=decode.no_speech_prob,
            exhausted=len(decode.tokens) >= budget,
            loop=loop,
        )
        verdict = judge(signals, self._tuning.limits)
        kept = tokens[: max(loop.start + loop.period, len(prompt.prefix))] if loop else tokens
        return Transcript(passage, kept if verdict is not Verdict.DROP else (), signals, verdict)


def lengthened(encoding: Encoding, silence: Encoding, frames: int) -> Encoding:
    """An encoding of `frames` feature frames: what lacks is taken from that of silence, at its place."""
    return np.concatenate((encoding, silence[len(encoding) : frames // 2]))


Key = TypeVar("Key", bound=Hashable)


def batches(keys: Sequence[Key], most: Callable[[Key], int]) -> Iterable[tuple[Key, list[int]]]:
    """Indexes of equal keys together, at most `most` of a key at once."""
    groups: dict[Key, list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    for key, members in groups.items():
        step = most(key)
        for first in range(0, len(members), step):
            yield key, members[first : first + step]


def shared(frames: Sequence[int], kinds: Sequence[Hashable]) -> list[int]:
    """The contexts in which chunks that need `frames` are decoded: a few of a kind get a longer one together.

    A decoder step reads all weights, for one chunk or for four; a longer context is cheaper than that.
    """
    chosen: dict[tuple[Hashable, int], int] = {}
    for kind, members in batches(kinds, lambda _: len(kinds)):
        counts = Counter(frames[index] for index in members)
        needed, waiting = sorted(counts), list[int]()
        for own, longer in zip_longest(needed, needed[1:]):
            waiting.append(own)
            few = sum(counts[one] for one in waiting) < FEW
            if not few or longer is None or longer - waiting[0] > MAX_LONGER:
                chosen |= {(kind, one): own for one in waiting}
                waiting = []
    return [chosen[key] for key in zip(kinds, frames, strict=True)]


def _better(before: Transcript, again: Transcript) -> Transcript:
    """The retry if it is beyond doubt, or the less doubtful of the two: no loop, then the likelier."""
    attempts = before.attempts + 1
    if again.verdict is not Verdict.RETRY:
        return replace(again, attempts=attempts)
    best = max(
        (again, before),
        key=lambda one: (one.signals.loop is None, not one.signals.exhausted, one.signals.avg_logprob),
    )
    return replace(best, attempts=attempts)
