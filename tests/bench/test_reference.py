"""Normalised words and their times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.bench.corpus import Recording
from echopanel.bench.reference import spoken_words, whisper_normaliser
from tests.bench.speech import recording

WORDS = st.lists(st.sampled_from("don't forty two mister cat 's the hmm ice-cream".split()), max_size=12)


def test_a_number_of_several_words_ends_with_the_last_of_them() -> None:
    """The normaliser writes "forty two" as 42, which is said when "two" is."""
    words = spoken_words(recording("a", "page forty two please"), whisper_normaliser())
    assert [(word.text, word.end) for word in words] == [("page", 1.0), ("42", 3.0), ("please", 4.0)]


def test_a_contraction_becomes_two_words_with_one_end() -> None:
    """Both halves of "don't" are said when the word is."""
    words = spoken_words(recording("a", "please don't go"), whisper_normaliser())
    assert [(word.text, word.end) for word in words] == [
        ("please", 1.0),
        ("do", 2.0),
        ("not", 2.0),
        ("go", 3.0),
    ]


def test_each_word_starts_where_the_one_before_ends() -> None:
    """A word counts as begun when the previous one is over."""
    words = spoken_words(recording("a", "the cat sat"), whisper_normaliser())
    assert [(word.start, word.end) for word in words] == [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]


@given(WORDS)
def test_every_normalised_word_gets_a_time_within_the_recording(texts: list[str]) -> None:
    """Whatever the normaliser makes of a text, times only go forward."""
    made = recording("a", " ".join(texts))
    normalise = whisper_normaliser()
    words = spoken_words(made, normalise)
    assert [word.text for word in words] == normalise(made.text).split()
    ends = [word.end for word in words]
    assert ends == sorted(ends)
    assert all(0 <= word.start <= word.end <= made.seconds and word.timed for word in words)


def test_without_word_times_words_are_spread_and_marked() -> None:
    """Such words count as text, but have no latency."""
    words = spoken_words(recording("a", "the cat", seconds=4.0, timed=False), whisper_normaliser())
    assert [(word.start, word.end, word.timed) for word in words] == [(0.0, 2.0, False), (2.0, 4.0, False)]


def test_a_recording_without_speech_has_no_words() -> None:
    """Noise and music have an empty text."""
    assert spoken_words(Recording("noise", "noise", "", bytes(64)), whisper_normaliser()) == ()


@pytest.mark.parametrize(("written", "said"), [("Mr. Smith's", "mister smith's"), ("colour", "color")])
def test_spellings_of_the_same_words_are_equal(written: str, said: str) -> None:
    """The normaliser is Whisper's."""
    assert whisper_normaliser()(written) == whisper_normaliser()(said)
