"""Finding a known beginning in freely recognised text, for models that cannot be made to begin with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from unicodedata import category

from echopanel.asr.provider import HypothesisWord


def after_prefix(words: Sequence[HypothesisWord], prefix: Sequence[str]) -> tuple[HypothesisWord, ...]:
    """The words heard, where those that say the prefix are spelled like it.

    If they are not as many as those of the prefix, these share their time evenly.
    """
    count = known_first(prefix, [word.text for word in words])
    known, new = words[:count], words[count:]
    if count != len(prefix):
        end = known[-1].end if known else 0.0
        start = known[0].start if known else 0.0
        step = (end - start) / max(1, len(prefix))
        known = [
            HypothesisWord(start + index * step, min(end, start + (index + 1) * step), text)
            for index, text in enumerate(prefix)
        ]
    return (*(replace(word, text=text) for word, text in zip(known, prefix, strict=True)), *new)


def known_first(prefix: Sequence[str], heard: Sequence[str]) -> int:
    """How many of the words `heard` say what `prefix` says; the words behind them are new.

    The beginning of the text that differs from the prefix in the fewest characters, case and punctuation
    apart; of equals the one with as many words.
    """
    known = _letters(" ".join(prefix))
    distances = list(range(len(known) + 1))  # between each beginning of `known` and the text so far
    best, fewest = 0, (distances[-1], len(prefix))
    for count, word in enumerate(heard, start=1):
        for letter in _letters(word if count == 1 else f" {word}"):
            distances = _next_row(distances, known, letter)
        worth = (distances[-1], abs(count - len(prefix)))
        if worth < fewest:
            best, fewest = count, worth
        if min(distances) > fewest[0]:
            break  # it can only get worse
    return best


def _next_row(row: list[int], known: str, letter: str) -> list[int]:
    """Levenshtein distances with one letter more."""
    following = [row[0] + 1]
    for index, other in enumerate(known):
        following.append(min(row[index] + (letter != other), row[index + 1] + 1, following[index] + 1))
    return following


def _letters(text: str) -> str:
    return "".join(char for char in text.lower() if not category(char).startswith("P"))
