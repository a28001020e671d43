"""Text that comes bit by bit, and about when it was said."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

from echopanel.asr.known_words import after_prefix
from echopanel.asr.provider import DecodeOptions, Hypothesis, HypothesisWord, Increment
from echopanel.audio import Chunk


def at_once(heard: Hypothesis, chunk: Chunk, options: DecodeOptions) -> Hypothesis:
    """What a stream heard in a chunk: words at even distances, behind those that were known before."""
    increments = Heard()
    increments.add(Increment(heard.text, chunk.seconds))
    words = after_prefix(increments.words(chunk.seconds), options.prefix.split())
    text = " ".join(word.text for word in words)
    return replace(heard, text=text, words=words if options.word_timestamps else ())


class Heard:
    """The text of one utterance so far. Its words have no times of their own, only latest ones."""

    def __init__(self) -> None:
        self._words: list[tuple[str, float]] = []  # and the second before which it was said
        self._open = False  # the last word may go on

    def __repr__(self) -> str:
        return f"<Heard {len(self._words)} words>"

    @property
    def text(self) -> str:
        """All of it, with single spaces."""
        return " ".join(word for word, _ in self._words)

    def add(self, increment: Increment) -> None:
        """Take the next bit."""
        text = increment.text
        if not text:
            return
        parts = text.split()
        until = max(increment.until, self._words[-1][1] if self._words else 0.0)
        if parts and self._open and not text[0].isspace():
            self._words[-1] = (self._words[-1][0] + parts.pop(0), until)
        self._words += [(part, until) for part in parts]
        self._open = not text[-1].isspace()

    def words(self, seconds: float) -> tuple[HypothesisWord, ...]:
        """Words over an utterance of `seconds`; those that came together share the time behind the others."""
        timed: list[HypothesisWord] = []
        start = 0.0
        for until, group in groupby(self._words, key=lambda word: word[1]):
            texts = [text for text, _ in group]
            end = min(max(start, until), seconds)
            step = (end - start) / len(texts)
            timed += [
                HypothesisWord(start + i * step, start + (i + 1) * step, text) for i, text in enumerate(texts)
            ]
            start = end
        return tuple(timed)
