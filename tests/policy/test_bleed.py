"""Words that the microphone heard out of the loudspeakers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.policy.bleed import Bleed, likeness, may_repeat
from echopanel.transcript import Word

LINE = "we should ship the new version before the end of next week"
VOCABULARY = "apple bridge castle dragon engine forest garden hammer island jungle kettle ladder".split()
OTHERS = "quartz velvet thunder whisper zigzag puzzle monkey".split()


def say(text: str | Sequence[str], at: float = 0.0, step: float = 0.4) -> tuple[Word, ...]:
    """Words at an even pace."""
    words = text.split() if isinstance(text, str) else text
    return tuple(Word(at + i * step, at + (i + 0.8) * step, word) for i, word in enumerate(words))


def shown(words: Sequence[Word], marks: Sequence[bool]) -> str:
    """What is left of `words`."""
    return " ".join(word.text for word, mark in zip(words, marks, strict=True) if not mark)


@given(
    said=st.lists(st.sampled_from(VOCABULARY), min_size=3, max_size=30),
    lag=st.floats(0.0, 0.35),
    jitter=st.lists(st.floats(-0.1, 0.1), min_size=30, max_size=30),
)
def test_a_repetition_is_recognised_whatever_the_lag(
    said: list[str], lag: float, jitter: list[float]
) -> None:
    """Also with word times that are off by 0.1 s."""
    heard = say(said)
    words = tuple(
        Word(word.start + lag + off, word.end + lag + off, word.text)
        for word, off in zip(heard, jitter, strict=False)
    )
    assert shown(words, Bleed().judge(words, heard)) == ""


@given(
    said=st.lists(st.sampled_from(VOCABULARY), max_size=20),
    own=st.lists(st.sampled_from(OTHERS), max_size=20),
    at=st.floats(-2, 2),
)
def test_other_words_are_never_marked(said: list[str], own: list[str], at: float) -> None:
    """However the two overlap."""
    assert not any(Bleed().judge(say(own, 5 + at), say(said, 5)))


@given(own=st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=20), later=st.floats(0.9, 20.0))
def test_who_repeats_somebody_later_is_not_bled(own: list[str], later: float) -> None:
    """Nobody answers with the same words within a fraction of a second; at least the first word is shown."""
    heard = say(own)
    assert not Bleed().judge(say(own, heard[-1].end + later), heard)[0]


def test_what_was_heard_differently_inside_and_beside_a_run_belongs_to_it() -> None:
    """The microphone hears less well."""
    words = say("he should ship a few version before the end of next weak", 0.2)
    assert shown(words, Bleed().judge(words, say(LINE))) == ""


def test_own_words_around_a_repetition_stay() -> None:
    """Only what repeats is marked, in one segment."""
    bled = say(LINE, 0.2)
    words = (*bled, *say("yes I think so too", bled[-1].end + 0.3))
    assert shown(words, Bleed().judge(words, say(LINE))) == "yes I think so too"


def test_own_words_in_the_middle_of_a_repetition_stay() -> None:
    """More words than were played in that time are somebody's own."""
    bled = say(LINE, 0.2)
    words = (*bled[:5], *say("no no wait please", bled[4].end, 0.1), *bled[6:])
    assert shown(words, Bleed().judge(words, say(LINE))) == "no no wait please"
    words = (*bled[:5], *say("no no", bled[4].end, 0.1), *bled[5:])
    assert shown(words, Bleed().judge(words, say(LINE))) == "no no"


def test_a_lone_common_word_proves_nothing() -> None:
    """Two people say `the` and `is` at the same time all the time."""
    assert not any(Bleed().judge(say("this is the answer", 0.3), say("where is a question", 0.1)))
    assert not any(Bleed().judge(say("is it", 0.1), say("is it")))


def test_a_lone_word_is_marked_when_it_comes_just_when_a_repetition_would() -> None:
    """The lag is learnt from what is certain; a segment of one word needs no length."""
    bleed = Bleed()
    assert bleed.judge(say("okay", 0.2), say("okay")) == (False,)
    bleed.judge(say(LINE, 0.2), say(LINE))
    assert repr(bleed) == "<Bleed lag +0.20 s>"
    assert bleed.judge(say("okay", 20.2), say("okay", 20)) == (True,)
    assert bleed.judge(say("okay", 30.7), say("okay", 30)) == (False,)
    assert bleed.judge(say("I see tomorrow", 40.2, 1), say("on tomorrow is", 41, 1)) == (False, False, True)
    assert bleed.judge(say("I see now", 50.2, 1), say("a now is", 51, 1)) == (False, False, False)


def test_nothing_is_judged_without_words() -> None:
    """Empty in, empty out."""
    assert Bleed().judge((), say(LINE)) == ()
    assert Bleed().judge(say("hello"), ()) == (False,)
    assert repr(Bleed()) == "<Bleed lag none yet>"


@pytest.mark.parametrize(
    ("own", "said", "may"),
    [
        ("ship the new", "We should ship the", True),
        ("the ship", "We should ship the", False),
        ("Okay.", "okay let us", True),
        ("okay", "let us", False),
        ("let us go", "let", True),
        ("let us go", "", False),
    ],
)
def test_what_may_repeat_has_two_words_in_a_row_in_common(own: str, said: str, may: bool) -> None:
    """Or one, where there is no more on one side."""
    assert may_repeat(say(own), said) is may


def test_likeness_is_1_only_for_equals() -> None:
    """And near it for near misses."""
    assert likeness("shop", "shop") == 1.0
    assert 0.6 < likeness("shop", "shock") < 1.0
    assert likeness("shop", "xyz") == 0.0
