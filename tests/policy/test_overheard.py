"""Text without word times that repeats the loudspeakers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.policy.overheard import MOST_AHEAD, leading, repeats, words_ahead

LINE = "we should ship the new version before the end of next week"
VOCABULARY = "apple bridge castle dragon engine forest garden hammer island jungle kettle ladder".split()
OTHERS = "quartz velvet thunder whisper zigzag puzzle monkey".split()


@given(played=st.lists(st.sampled_from(VOCABULARY), min_size=2, max_size=30, unique=True), data=st.data())
def test_any_stretch_of_what_was_played_is_a_repetition(played: list[str], data: st.DataObject) -> None:
    """From its first word on, as an utterance begins where the other one does."""
    length = data.draw(st.integers(2, len(played)))
    assert repeats(" ".join(played[:length]), " ".join(played), 0)


@given(
    played=st.lists(st.sampled_from(VOCABULARY), max_size=20),
    own=st.lists(st.sampled_from(OTHERS), max_size=20),
    ahead=st.integers(0, 12),
)
def test_other_words_are_never_a_repetition(played: list[str], own: list[str], ahead: int) -> None:
    """However far ahead they might be."""
    assert not repeats(" ".join(own), " ".join(played), ahead)


@given(extra=st.integers(0, 8), ahead=st.integers(0, 8))
def test_words_at_the_end_may_be_ahead(extra: int, ahead: int) -> None:
    """So many, and no more."""
    text = " ".join([LINE, *(OTHERS * 2)[:extra]])
    assert repeats(text, LINE, ahead) == (extra <= ahead)


@pytest.mark.parametrize(
    ("text", "repeated"),
    [
        ("We should ship, the new person before the end", True),  # one word heard differently
        ("should chip the new version", True),  # and one missed
        ("I really do think we should ship the new version", False),  # more before it than was played
        ("we should not do it at all and ship the new version", False),  # more inside it
        ("the end of my patience is what this version is about", False),  # the same words here and there
        ("the end", False),  # too little to prove anything
        ("", False),
    ],
)
def test_what_counts(text: str, repeated: bool) -> None:
    """Own words beside the same words keep a line on the screen."""
    assert repeats(text, LINE, 0) == repeated


@given(extra=st.integers(0, 8), lead=st.integers(2, 12))
def test_the_beginning_of_a_text_that_goes_on_otherwise_is_counted(extra: int, lead: int) -> None:
    """All words that were played, none of those behind them, however they are written."""
    said = LINE.split()[:lead]
    text = " ".join(["-", *(f"{word.upper()}," for word in said), *(OTHERS * 2)[:extra]])
    proven = sum(map(len, said)) >= 8
    assert leading(text, LINE) == (lead + 1 if proven else 0)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("We should ship the new person, fine", 5),  # one heard differently at the end is nobody's
        ("We should ship the new person before the end, fine by me", 9),  # inside it belongs to it
        ("Fine by me. We should ship the new version", 0),
        ("the end is near", 0),
        ("", 0),
    ],
)
def test_what_belongs_to_a_beginning(text: str, count: int) -> None:
    """Up to the last words that prove something."""
    assert leading(text, LINE) == count


def test_less_is_enough_where_an_echo_is_likely() -> None:
    """Two short words, if not too much else is said."""
    assert repeats("the new thing", "the new version", 1, likely=True)
    assert not repeats("the new thing", "the new version", 1)


def test_the_older_the_other_text_the_more_may_be_missing() -> None:
    """Up to a limit."""
    assert [words_ahead(age) for age in (0.0, 1.0, 60.0)] == [3, 6, MOST_AHEAD]
