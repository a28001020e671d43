"""One utterance on its way from the first sample to the final segment."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp

from echopanel.asr.provider import Hypothesis, HypothesisWord
from echopanel.audio import Chunk, Source, to_samples, to_seconds
from echopanel.engine.word_times import fill_times, guessed, spread
from echopanel.policy.agreement import Agreement
from echopanel.policy.clock import SessionClock
from echopanel.transcript import Partial, Segment, Word

# What hypotheses have agreed on over this much audio is stable, but never the last word.
HOLD_S = 1.2
GUARD_WORDS = 1
# Less audio than this says nothing yet.
MIN_PARTIAL_S = 0.4
# A pause brings the next partial forward, to so much of the interval: what partials cost stays bounded by it.
PAUSED_SHARE = 0.5
# An utterance of at least this length is decoded as a whole this often, and in between only behind the words
# that ended this much before the end of what was heard: the last ones are the least certain.
PREVIEW_FROM_S = 3.5
WHOLE_EVERY_S = 3.0
KEEP_S = 0.7


@dataclass(slots=True, eq=False)
class Utterance:
    """What is known of an utterance; samples index the source's timeline.

    `covered` is where the newest recognised or asked-for audio ends. `paused_at` is where the speech stopped
    while the speaker is silent but the endpoint is not decided yet; `speculation` is the decode that was
    started at that pause in the hope that it will serve as the final one. `base` are the words, before
    sample `cut`, of the newest decode of the whole utterance, which reached until sample `decoded`; between
    two of those only what is new is decoded, as a preview. `chunk` is all its audio, once the end is known.
    `deferred`: it was put off before, and is recognised now from the journal; `last_try`: if that fails too
    it is lost. `put_off` is why it is left for later, "" if it is not. `led`: its last decode
    heard the speech before it; `alone`: it is decoded without. `doubted`: it seemed to begin with the words
    before it over again, which is believed the second time. `hasty`: another model than the first heard
    it. `done` is set once it is final or put off.
    """

    id: str
    source: Source
    start: int
    end: int | None = None
    covered: int = 0
    base: tuple[HypothesisWord, ...] = ()
    cut: int = 0
    decoded: int = 0
    paused_at: int | None = None
    revision: int = 0
    shown: bool = False
    deferred: bool = False
    last_try: bool = False
    put_off: str = ""
    led: bool = False
    alone: bool = False
    doubted: bool = False
    hasty: bool = False
    done: asyncio.Event = field(default_factory=asyncio.Event)
    decided_at: float = 0.0
    agreement: Agreement = field(default_factory=lambda: Agreement(GUARD_WORDS, HOLD_S))
    asked: asyncio.Future[Hypothesis] | None = None
    speculation: asyncio.Future[Hypothesis] | None = None
    chunk: Chunk | None = None

    def due(self, end: int, interval_s: float) -> bool:
        """Whether to decode what there is up to `end`; sooner at a pause, which adds nothing to it."""
        if self.speculation is not None or not (self.asked is None or self.asked.done()):
            return False
        if self.paused_at is not None:
            end, interval_s = self.paused_at, interval_s * PAUSED_SHARE
        enough = end - self.start >= to_samples(MIN_PARTIAL_S)
        return enough and end - self.covered >= to_samples(interval_s)

    def previewable(self, end: int) -> bool:
        """Whether a decode up to `end` may be a preview: it is long, and was decoded as a whole lately."""
        recent = end - self.decoded < to_samples(WHOLE_EVERY_S)
        return bool(self.base) and recent and end - self.start >= to_samples(PREVIEW_FROM_S)

    def partial(self, hypothesis: Hypothesis, end: int, clock: SessionClock) -> Partial | None:
        """What to show after a hypothesis of the audio up to `end`; None when the screen would not change.

        One without word times, where others had them, is a preview: shown, but nothing becomes stable by it.
        """
        before = (self.agreement.stable_text, self.agreement.tail_text)
        words = hypothesis.text.split()
        if self.base and not hypothesis.words:
            self.agreement.preview(words)
        else:
            self.agreement.update(words, to_seconds(end - self.start))
            self._rebase(hypothesis.words, end)
        after = (self.agreement.stable_text, self.agreement.tail_text)
        return None if after == before else self._show(*after, clock)

    def withdrawal(self, clock: SessionClock) -> Partial | None:
        """An empty partial that takes shown text back, when nothing was said after all."""
        return self._show("", "", clock) if self.shown else None

    def finish(self, hypothesis: Hypothesis, end: int) -> list[HypothesisWord]:
        """Words of the final decode with the stable words in front exactly as they were shown.

        Where they have no times, those are guessed.
        """
        seconds = to_seconds(end - self.start)
        heard = hypothesis.words or self._guessed(hypothesis, end)
        final = self.agreement.finish([word.text for word in heard])
        times = [None if word.heard is None else heard[word.heard] for word in final]
        return fill_times([word.text for word in final], times, seconds)

    def segment(
        self, words: Sequence[HypothesisWord], end: int, clock: SessionClock, language: str | None
    ) -> Segment:
        """The finished segment of at least one word; their times count from the start of the utterance."""
        placed = tuple(place(word, self.start, self.source, clock) for word in words)
        return Segment(
            id=self.id,
            source=self.source,
            start=placed[0].start,
            end=max(word.end for word in placed),
            text=" ".join(word.text for word in placed),
            start_sample=self.start,
            end_sample=end,
            words=placed,
            language=language,
        )

    def _guessed(self, hypothesis: Hypothesis, end: int) -> tuple[HypothesisWord, ...]:
        texts = hypothesis.text.split()
        if self.chunk is None:
            return spread(texts, 0.0, to_seconds(end - self.start))
        first = self.chunk.start
        samples = self.chunk.samples[self.start - first : end - first]
        return guessed(texts, samples, min(1.0, exp(hypothesis.avg_logprob)))

    def _rebase(self, words: Sequence[HypothesisWord], end: int) -> None:
        settled = to_seconds(end - self.start) - KEEP_S
        self.base = tuple(word for word in words if word.end <= settled)
        self.cut = self.start + to_samples(self.base[-1].end) if self.base else self.start
        self.decoded = end

    def _show(self, stable: str, tail: str, clock: SessionClock) -> Partial:
        self.revision += 1
        self.shown = bool(stable or tail)
        return Partial(
            self.id, self.source, self.revision, round(clock.at(self.source, self.start), 3), stable, tail
        )


def place(word: HypothesisWord, start: int, source: Source, clock: SessionClock) -> Word:
    """Move a word's times from its chunk to the session clock, rounded to milliseconds."""
    first = clock.at(source, start + to_samples(word.start))
    last = clock.at(source, start + to_samples(word.end))
    return Word(round(first, 3), round(max(first, last), 3), word.text, round(word.probability, 3))
