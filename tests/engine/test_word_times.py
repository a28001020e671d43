"""Words that the model gave no times: in order, inside the utterance, and where it was loud."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.asr.provider import HypothesisWord
from echopanel.engine.word_times import fill_times, guessed, spread
from tests.engine.rig import said, silence, speech

texts = st.lists(st.text(min_size=1, max_size=12), max_size=20)
parts = st.lists(st.tuples(st.floats(0.0, 1.5), st.sampled_from((0.0, 0.001, 0.3))), max_size=6)


@given(texts, parts)
def test_guessed_words_are_in_order_and_inside(
    said_words: list[str], heard: list[tuple[float, float]]
) -> None:
    """Whatever was said and heard, also nothing."""
    samples = said(silence(0.0), *(speech(seconds, level) for seconds, level in heard))
    words = guessed(said_words, samples, 0.5)
    assert [word.text for word in words] == said_words
    edges = [edge for word in words for edge in (word.start, word.end)]
    assert edges == sorted(edges)
    assert all(0.0 <= edge <= len(samples) / 16_000 + 1e-9 for edge in edges)


def test_words_are_guessed_to_be_where_it_is_loud() -> None:
    """A pause belongs to none of them, and a longer one takes longer."""
    samples = said(silence(0.5), speech(1.0), speech(1.0, 0.01), speech(1.0), silence(0.5))
    first, second = guessed(["spoken", "before"], samples, 0.5)
    edges = [first.start, first.end, second.start, second.end]
    assert edges == pytest.approx([0.5, 1.5, 2.5, 3.5], abs=0.05)
    short, long = guessed(["a", "longer"], speech(0.9), 0.5)
    assert long.end - long.start > 3 * (short.end - short.start)


@pytest.mark.parametrize("samples", [silence(2.0), speech(2.0)], ids=["silence", "speech"])
def test_equal_words_in_steady_sound_are_even(samples: np.ndarray) -> None:
    """Also where nothing tells where they are."""
    words = guessed(["it", "is", "so", "it"], samples, 1.0)
    assert [word.end for word in words] == pytest.approx([0.5, 1.0, 1.5, 2.0], abs=0.011)
    assert all(one.end == pytest.approx(other.start) for one, other in pairwise(words))


times = st.lists(st.booleans(), max_size=10)


@given(times)
def test_words_without_a_time_share_the_time_between_their_neighbours(known: list[bool]) -> None:
    """Whichever they are, all lie in order between 0 and the end."""
    given_times = [
        HypothesisWord(i + 0.25, i + 0.75, f"w{i}") if one else None for i, one in enumerate(known)
    ]
    texts = [f"w{i}" for i in range(len(known))]
    filled = fill_times(texts, given_times, float(len(known)))
    assert [word.text for word in filled] == texts
    edges = [round(edge, 9) for word in filled for edge in (word.start, word.end)]
    assert edges == sorted(edges)
    assert all(0 <= edge <= len(known) for edge in edges)
    assert [word for word, one in zip(filled, known, strict=True) if one] == [
        one for one in given_times if one is not None
    ]


def test_shown_spelling_wins_over_heard_spelling() -> None:
    """The time is that of the heard word."""
    filled = fill_times(
        ["It", "was"], [HypothesisWord(0.0, 0.5, "it,"), HypothesisWord(0.5, 1.0, "was")], 1.0
    )
    assert [(word.text, word.end) for word in filled] == [("It", 0.5), ("was", 1.0)]


def test_spreading_nothing_is_nothing() -> None:
    """No words, no division by their number."""
    assert spread([], 0.0, 1.0) == ()
