"""Alignments of word lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.bench.align import SHIFT, align, blocks, kept

WORDS = st.lists(st.sampled_from("the cat sat on mat".split()), max_size=12)


def distance(one: list[str], other: list[str]) -> int:
    """Edit distance by the textbook's table."""
    row = list(range(len(other) + 1))
    for i, word in enumerate(one, 1):
        above, row = row, [i]
        for j, heard in enumerate(other, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (word != heard)))
    return row[-1]


@given(WORDS, WORDS)
def test_errors_sum_up_to_the_edit_distance(reference: list[str], heard: list[str]) -> None:
    """No error is forgotten and none counted twice, wherever it is booked."""
    assert sum(align(reference, heard).errors) == (distance(reference, heard) if reference else 0)


@given(WORDS, WORDS)
def test_words_heard_right_are_equal_and_in_order(reference: list[str], heard: list[str]) -> None:
    """A match never crosses another and never joins different words."""
    found = align(reference, heard)
    places = [place for place in found.heard_as if place is not None]
    assert places == sorted(set(places))
    assert all(reference[i] == heard[place] for i, place in enumerate(found.heard_as) if place is not None)


@given(WORDS, WORDS)
def test_a_deleted_word_is_an_error_and_was_not_heard(reference: list[str], heard: list[str]) -> None:
    """`deleted` is a kind of error."""
    found = align(reference, heard)
    for place, deleted in enumerate(found.deleted):
        if deleted:
            assert found.heard_as[place] is None
            assert found.errors[place] >= 1


def test_an_insertion_is_booked_on_the_word_behind_it() -> None:
    """So a window of words has the errors made within it."""
    assert align(["a", "b"], ["a", "x", "b"]).errors == (0, 1)
    assert align(["a", "b"], ["a", "b", "x", "y"]).errors == (0, 2)


@given(WORDS, WORDS)
def test_blocks_cover_both_lists_in_order(one: list[str], other: list[str]) -> None:
    """Every word of either side is in exactly one block, and equal words stand alone."""
    found = list(blocks(one, other))
    assert [place for left, _ in found for place in left] == list(range(len(one)))
    assert [place for _, right in found for place in right] == list(range(len(other)))


@given(WORDS, WORDS)
def test_words_kept_are_the_same_words(earlier: list[str], later: list[str]) -> None:
    """What is said to stay on the screen is there, in order."""
    found = kept(earlier, later)
    assert all(earlier[here] == later[there] for here, there in found.items())
    assert list(found.values()) == sorted(set(found.values()))


@given(WORDS, WORDS)
def test_a_text_that_only_grows_keeps_every_word(earlier: list[str], more: list[str]) -> None:
    """Appending is no change."""
    assert kept(earlier, earlier + more) == {place: place for place in range(len(earlier))}


@pytest.mark.parametrize(("shift", "found"), [(SHIFT, True), (SHIFT + 1, False)])
def test_a_word_far_from_its_place_is_another_word(shift: int, found: bool) -> None:
    """The same word much later in the utterance does not count as shown already."""
    later = [*(["x"] * shift), "again"]
    assert (0 in kept(["again"], later)) is found
