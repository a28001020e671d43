"""From aligned tokens to words with times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.asr.alignment import timed_words
from echopanel.asr.tokens import TokenGroup


def groups(*sizes: int) -> list[TokenGroup]:
    """One word for each size, of so many tokens."""
    made, first = [], 0
    for number, size in enumerate(sizes):
        made.append(TokenGroup(f" w{number}", first, first + size, first + size))
        first += size
    return made


def test_a_word_lasts_from_its_first_to_its_last_token() -> None:
    """Its probability is the mean of its tokens'."""
    words = timed_words(groups(2, 1), [0.1, 0.3, 0.5, 0.9], [0.5, 1.0, 0.2], 2.0)
    first, second = words
    assert first.start == pytest.approx(0.5 - 0.15 - 2 * 0.08)
    assert (first.end, first.probability) == (0.5, 0.75)
    assert (second.start, second.end, second.probability) == (0.5, 0.9, 0.2)


def test_a_word_ends_before_its_comma() -> None:
    """Punctuation is shown with the word but takes no time, and does not count for the probability."""
    (word,) = timed_words([TokenGroup(" so,", 0, 1, 2)], [0.0, 0.3, 1.5], [0.9, 0.1], 2.0)
    assert (word.text, word.end, word.probability) == ("so,", 0.3, 0.9)


def test_the_first_word_does_not_begin_with_the_silence_before_it() -> None:
    """The alignment gives it all that comes before; nobody drawls that much."""
    first, second = timed_words(groups(1, 1), [0.0, 1.5, 3.0], [1.0, 1.0], 4.0)
    assert first.start == pytest.approx(1.5 - 0.15 - 2 * 0.08)
    assert second.start == 1.5


def test_a_word_without_duration_gets_one_if_there_is_room() -> None:
    """It begins a little earlier, but never before the word before it has ended."""
    parts = [
        TokenGroup(" a,", 0, 1, 2),
        *(TokenGroup(f" {text}", at, at + 1, at + 1) for at, text in ((2, "b"), (3, "c"))),
    ]
    words = timed_words(parts, [0.0, 0.2, 0.6, 0.6, 0.6], [1.0] * 4, 1.0)
    assert [(word.start, word.end) for word in words[1:]] == [(0.6 - 0.08, 0.6), (0.6, 0.6)]


@given(
    edges=st.lists(st.floats(-5.0, 40.0), min_size=7, max_size=7),
    sizes=st.permutations([1, 2, 3]),
    seconds=st.floats(0.0, 30.0),
)
def test_times_are_in_order_and_inside_whatever_the_model_says(
    edges: list[float], sizes: list[int], seconds: float
) -> None:
    """Words never overlap, never run backwards, never leave the chunk; none is lost."""
    words = timed_words(groups(*sizes), edges, [1.0] * 6, seconds)
    times = [time for word in words for time in (word.start, word.end)]
    assert len(words) == 3
    assert times == sorted(times)
    assert all(0.0 <= time <= seconds for time in times)
