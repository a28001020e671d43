"""Since when a word has been on the screen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from echopanel.bench.shown import Shown, intervals, shown_since, side_by_side, stable_changes, tail_changes

TEXTS = st.lists(st.lists(st.sampled_from("a b c d".split()), max_size=6), min_size=1, max_size=6)


def since(*texts: str) -> tuple[float, ...]:
    """Texts that came at 1 s, 2 s, ..."""
    return shown_since([text.split() for text in texts], [float(at) for at in range(1, len(texts) + 1)])


def test_a_word_counts_from_when_it_came_if_it_stays() -> None:
    """Each word of a growing text has its own time."""
    assert since("it was", "it was the best", "it was the best of times") == (1, 1, 2, 2, 3, 3)


def test_a_word_that_was_replaced_meanwhile_counts_anew() -> None:
    """Flickering does not earn an early time."""
    assert since("the cat", "the bat", "the cat") == (1, 3)


def test_a_text_that_was_taken_back_counts_anew() -> None:
    """An empty text shows nothing."""
    assert since("the cat", "", "the cat") == (3, 3)


def test_a_word_inserted_before_others_moves_them_without_hiding_them() -> None:
    """About the same place is the same place."""
    assert since("cat sat", "the cat sat") == (2, 1, 1)


def test_a_repeated_word_does_not_stand_for_its_later_self() -> None:
    """The second "was the" is shown when it is there twice."""
    first, second = "it was the best of times", "it was the best of times it was the worst"
    assert since(first, second) == (1, 1, 1, 1, 1, 1, 2, 2, 2, 2)


@given(TEXTS)
def test_times_are_those_of_arrivals_and_the_last_text_shows_all(texts: list[list[str]]) -> None:
    """A word is never shown before a text with this word came."""
    times = [float(at) for at in range(len(texts))]
    for word, at in zip(texts[-1], shown_since(texts, times), strict=True):
        assert all(word in text for text in texts[int(at) :])


def test_neighbours_are_shown_side_by_side() -> None:
    """In their order, whichever comes first."""
    first, second = [Shown(1.0, "one"), Shown(4.0, "one two")], [Shown(3.0, "", "three")]
    assert side_by_side([first, second]) == [
        Shown(1.0, "", "one"),
        Shown(3.0, "", "one three"),
        Shown(4.0, "", "one two three"),
    ]


def test_stable_text_that_changes_is_counted() -> None:
    """Also a changed word of which the old one is the beginning."""
    grows = [Shown(1, "it", "was"), Shown(2, "it was", "the"), Shown(3, "it was the best")]
    assert stable_changes(grows) == 0
    assert stable_changes([Shown(1, "it was"), Shown(2, "it wasn't")]) == 1
    assert stable_changes([Shown(1, "it was"), Shown(2, "It was")]) == 1
    assert stable_changes([Shown(1, "it was"), Shown(2, "it")]) == 1


def test_words_taken_back_are_counted() -> None:
    """One replaced and one taken back; what is added changes nothing."""
    texts = [text.split() for text in ("the cat", "the bat sat down", "the bat sat")]
    assert tail_changes(texts) == 2


def test_intervals_are_between_neighbours() -> None:
    """One fewer than texts."""
    assert intervals([Shown(1.0, ""), Shown(1.5, ""), Shown(3.0, "")]) == [0.5, 1.5]
    assert Shown(1.0, "it", "was").text == "it was"
