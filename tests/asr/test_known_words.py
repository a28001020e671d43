"""Where the known beginning of a freely recognised text ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.asr.known_words import after_prefix, known_first
from echopanel.asr.provider import HypothesisWord

WORDS = st.lists(st.sampled_from("it was the best of times worst age wisdom epoch".split()), max_size=12)


def timed(text: str) -> list[HypothesisWord]:
    """Words of half a second each."""
    return [HypothesisWord(i / 2, i / 2 + 0.5, word) for i, word in enumerate(text.split())]


@pytest.mark.parametrize(
    ("prefix", "heard", "count"),
    [
        ("it was the", "It was the best of times, it was the worst", 3),
        ("the age of wisdom,", "The age of wisdom it was", 4),
        ("the age of whizz dumb", "the age of wisdom it was", 4),
        ("an OK", "an okay day", 2),
        ("of foolish ness it", "of foolishness it was", 3),
        ("some words nobody said", "", 0),
        ("", "It was the best", 0),
        ("it was", "it was", 2),
    ],
)
def test_the_known_words_are_found(prefix: str, heard: str, count: int) -> None:
    """Case, punctuation, misheard and differently split words make no difference."""
    assert known_first(prefix.split(), heard.split()) == count


@given(prefix=WORDS, rest=WORDS)
def test_what_is_repeated_word_by_word_is_split_exactly(prefix: list[str], rest: list[str]) -> None:
    """However often the same words come again behind it."""
    assert known_first(prefix, [*prefix, *rest]) == len(prefix)


@given(prefix=WORDS, heard=WORDS)
def test_the_prefix_always_comes_first(prefix: list[str], heard: list[str]) -> None:
    """Its words are the first ones of the result, spelled as given, in time; the rest was heard."""
    words = timed(" ".join(heard))
    found = after_prefix(words, prefix)
    assert [word.text for word in found[: len(prefix)]] == prefix
    assert list(found[len(prefix) :]) == words[len(words) - len(found) + len(prefix) :]
    times = [time for word in found for time in (word.start, word.end)]
    assert times == sorted(times)
