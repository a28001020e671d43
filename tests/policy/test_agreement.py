"""Agreement: stable words never change, the final text begins with them, and no word is shown twice."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.policy.agreement import (
    Agreement,
    FinalWord,
    align,
    common_prefix,
    edit_distances,
    normalise,
)

word = st.sampled_from(["It", "it", "was", "was,", "the", "The", "best", "of", "times", "times.", "-"])
hypothesis = st.lists(word, max_size=8)
hypotheses = st.lists(hypothesis, max_size=10)
guards = st.integers(0, 3)


@given(guards, hypotheses)
def test_stable_words_never_change(guard_words: int, heard: list[list[str]]) -> None:
    """The stable words are a prefix of all that is shown later, whatever the hypotheses say."""
    agreement = Agreement(guard_words)
    shown = [agreement.update(words) for words in heard]
    for earlier, later in pairwise(shown):
        assert later.stable[: len(earlier.stable)] == earlier.stable


@given(guards, hypotheses, hypothesis)
def test_the_final_text_begins_with_the_stable_words(
    guard_words: int, heard: list[list[str]], final: list[str]
) -> None:
    """Word for word as shown; behind them come words of the final hypothesis, in order, each at most once."""
    agreement = Agreement(guard_words)
    for words in heard:
        agreement.update(words)
    stable = list(agreement.stable)
    result = agreement.finish(final)
    assert [word.text for word in result[: len(stable)]] == stable
    indices = [word.heard for word in result if word.heard is not None]
    assert indices == sorted(set(indices))
    assert all(0 <= index < len(final) for index in indices)
    behind = result[len(stable) :]
    assert [word.text for word in behind] == final[len(final) - len(behind) :]


@given(guards, hypotheses, hypothesis)
def test_only_what_two_hypotheses_agree_on_becomes_stable(
    guard_words: int, heard: list[list[str]], last: list[str]
) -> None:
    """A new stable word stood in the tail before and in the new hypothesis, before the guarded words."""
    agreement = Agreement(guard_words)
    for words in heard:
        agreement.update(words)
    stable, tail = agreement.stable, agreement.tail
    after = agreement.update(last)
    fresh = after.stable[len(stable) :]
    assert [normalise(w) for w in fresh] == [normalise(w) for w in tail[: len(fresh)]]
    assert not fresh or len(after.tail) >= guard_words
    assert (*fresh, *after.tail) == tuple(last[len(last) - len(fresh) - len(after.tail) :])


@given(guards, hypothesis)
def test_a_repeated_hypothesis_is_shown_as_it_is(guard_words: int, words: list[str]) -> None:
    """Agreement loses nothing and doubles nothing when the hypotheses do not contradict each other."""
    agreement = Agreement(guard_words)
    for _ in range(3):
        shown = agreement.update(words)
        assert [*shown.stable, *shown.tail] == words
    assert len(shown.stable) == max(0, len(words) - guard_words)
    assert agreement.changes == 0
    assert [word.text for word in agreement.finish(words)] == words


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12, unique=True), st.data())
def test_a_hypothesis_that_lacks_stable_words_doubles_none(numbers: list[int], data: st.DataObject) -> None:
    """When words are dropped from a hypothesis of all different words, no word is shown twice."""
    words = [str(number) for number in numbers]
    known = data.draw(st.integers(0, len(words)))
    agreement = Agreement(guard_words=0)
    agreement.update(words[:known])
    agreement.update(words[:known])
    heard = [w for w in words if data.draw(st.booleans())]
    shown = agreement.update(heard)
    assert len({*shown.stable, *shown.tail}) == len(shown.stable) + len(shown.tail)


def test_stable_words_that_the_final_decode_passed_over_cost_no_others() -> None:
    """Whisper sometimes leaves the first sentence out; the next one must not be taken for it."""
    agreement = Agreement(guard_words=1)
    first, second = ["in", "being", "comparatively", "modern."], ["For", "although", "the", "Chinese"]
    for _ in range(2):
        agreement.update([*first, second[0]])
    agreement.preview([*first, *second])
    assert agreement.stable == tuple(first)
    assert [word.text for word in agreement.finish([*second, "took"])] == [*first, *second, "took"]


@given(st.lists(st.integers(0, 50), min_size=2, max_size=14, unique=True), st.data())
def test_what_follows_stable_words_stays_when_they_are_not_heard_again(
    numbers: list[int], data: st.DataObject
) -> None:
    """Of all different words none goes, whichever of the stable ones the next hypothesis lacks."""
    words = [str(number) for number in numbers]
    known = data.draw(st.integers(1, len(words) - 1))
    agreement = Agreement(guard_words=0)
    agreement.update(words[:known])
    agreement.update(words[:known])
    agreement.update(words)
    lacking = data.draw(st.sets(st.sampled_from(words[:known])))
    heard = [word for word in words if word not in lacking]
    assert [word.text for word in agreement.finish(heard)] == words


@given(hypothesis, hypothesis)
def test_alignment_is_as_near_as_can_be(shown: list[str], heard: list[str]) -> None:
    """The part of the hypothesis taken for the shown words has the least edit distance to them."""
    indices = align(shown, heard)
    taken = 1 + max((index for index in indices if index is not None), default=-1)
    last = edit_distances([normalise(w) for w in shown], [normalise(w) for w in heard])[-1]
    assert last[taken] == min(last)
    assert min(last[taken + 1 :], default=len(shown) + 1) > last[taken]


def test_a_word_heard_in_between_is_passed_over() -> None:
    """Another word in place of a shown one, and one too many behind it, leave the next at its place."""
    assert align(["x", "c"], ["y", "b", "c"]) == [0, 2]


def test_two_hypotheses_make_words_stable() -> None:
    """What the second confirms is stable, except its last word; the newer spelling is kept."""
    agreement = Agreement()
    first = agreement.update(["it", "was", "The", "best."])
    assert (first.stable, first.tail, first.changed) == ((), ("it", "was", "The", "best."), 0)
    second = agreement.update(["It", "was", "the", "best", "of", "dimes"])
    assert (second.stable, second.tail) == (("It", "was", "the", "best"), ("of", "dimes"))
    third = agreement.update(["it", "was", "the", "best", "of", "times", "it"])
    assert (third.stable, third.tail, third.changed) == (
        ("It", "was", "the", "best", "of"),
        ("times", "it"),
        1,
    )
    assert (agreement.stable_text, agreement.tail_text) == ("It was the best of", "times it")
    assert repr(agreement) == "<Agreement [5 stable, 2 open, 1 changes]>"


def test_agreement_must_last() -> None:
    """With `hold_s`, hypotheses close in time confirm nothing; the first one that is old enough does."""
    agreement = Agreement(guard_words=0, hold_s=1.0)
    stable = [agreement.update(["a", "b"], heard_s).stable for heard_s in (0.3, 0.6, 0.9, 1.2, 1.5)]
    assert stable == [(), (), (), (), ("a", "b")]


def test_one_dissent_within_the_time_prevents_agreement() -> None:
    """A word is stable when all hypotheses of the time had it, not only the first and the last."""
    agreement = Agreement(guard_words=0, hold_s=1.0)
    heard = [(0.0, "a b c"), (0.5, "a x c"), (1.0, "a b c"), (1.5, "a b c"), (2.0, "a b c")]
    stable = [" ".join(agreement.update(words.split(), heard_s).stable) for heard_s, words in heard]
    assert stable == ["", "", "a", "a", "a b c"]


timed = st.lists(st.tuples(st.floats(0.1, 1.0), hypothesis), max_size=10)


@given(guards, st.floats(0.0, 2.0), timed)
def test_whatever_is_stable_was_in_every_hypothesis_of_the_time(
    guard_words: int, hold_s: float, script: list[tuple[float, list[str]]]
) -> None:
    """Stable words only grow, and a new one was there for `hold_s` seconds of audio without a break."""
    agreement = Agreement(guard_words, hold_s)
    history: list[tuple[float, tuple[str, ...]]] = []
    heard_s = 0.0
    for step, words in script:
        heard_s += step
        before = agreement.stable
        shown = agreement.update(words, heard_s)
        assert shown.stable[: len(before)] == before
        fresh = [normalise(word) for word in shown.stable[len(before) :]]
        old = [index for index, (at, _) in enumerate(history) if at <= heard_s - hold_s]
        assert old or not fresh
        for _, text in history[max(old, default=0) :]:
            assert [normalise(w) for w in text[len(before) : len(before) + len(fresh)]] == fresh
        history.append((heard_s, (*shown.stable, *shown.tail)))


def test_a_long_contradiction_leaves_words_unheard() -> None:
    """More stable words than the hypothesis has: what is missing has no place in it."""
    assert align(["a", "b", "c", "d"], ["a", "x", "d"]) == [0, 1, None, 2]
    assert align(["b", "c"], ["x", "y", "b", "c"]) == [2, 3]


@pytest.mark.parametrize(
    ("heard", "tail"),
    [
        ("it was the best of times", "of times"),
        ("it was a best of times", "of times"),
        ("was the best of times", "of times"),
        ("it was the very best of times", "of times"),
        ("it was the", ""),
        ("and now for something", ""),
        ("", ""),
    ],
)
def test_a_contradicting_hypothesis_is_aligned_behind_the_stable_words(heard: str, tail: str) -> None:
    """Stable words stay; what the new hypothesis says behind them is shown."""
    agreement = Agreement(guard_words=0)
    agreement.update("it was the best".split())
    agreement.update("it was the best".split())
    shown = agreement.update(heard.split())
    assert " ".join(shown.stable) == "it was the best"
    assert " ".join(shown.tail) == tail


@given(heard=hypotheses, seen=hypotheses)
def test_previews_are_shown_and_prove_nothing(heard: list[list[str]], seen: list[list[str]]) -> None:
    """However many agree, nothing becomes stable by them, and what comes after is judged as without them."""
    plain, previewed = Agreement(), Agreement()
    for index, words in enumerate(heard):
        plain.update(words)
        previewed.update(words)
        for preview in seen[index : index + 2]:
            shown = previewed.preview(preview)
            assert shown.stable == plain.stable
            assert (shown.stable, shown.tail) == (previewed.stable, previewed.tail)
    assert plain.stable == previewed.stable


def test_withdrawn_words_are_counted() -> None:
    """A shown word counts once when it, or a word before it, changes; the final counts too."""
    agreement = Agreement()
    agreement.update(["a", "b", "c"])
    assert agreement.update(["a", "x", "c"]).changed == 2
    assert agreement.update(["a", "X", "c.", "d"]).changed == 0
    agreement.finish(["a", "x", "c", "e"])
    assert agreement.changes == 3


def test_final_words_know_where_they_were_heard() -> None:
    """Times can be carried over: a word replaced keeps its place, a word not heard has none."""
    agreement = Agreement(guard_words=0)
    for _ in range(2):
        agreement.update(["one", "two", "three", "four"])
    assert agreement.finish(["won", "two", "four", "five"]) == (
        FinalWord("one", 0),
        FinalWord("two", 1),
        FinalWord("three", None),
        FinalWord("four", 2),
        FinalWord("five", 3),
    )


@pytest.mark.parametrize(
    ("written", "same"),
    [("Times,", "times"), ("it's", "ITS"), ("$5", "5"), ("Straße", "STRASSE"), ("हिन्दी।", "हिन्दी")],
)
def test_case_and_punctuation_do_not_matter(written: str, same: str) -> None:
    """Words are the same when only case, punctuation or symbols differ, in any script."""
    assert normalise(written) == normalise(same)
    assert common_prefix([written, "a"], [same, "b"]) == 1


def test_a_word_of_punctuation_only_is_a_word() -> None:
    """A lone dash is not the same as a lone ellipsis, nor as nothing."""
    assert normalise("-") != normalise("...")
