"""Left context: utterances are decoded behind the known words before them."""

from __future__ import annotations

from math import inf

import pytest

from echopanel.asr.provider import HypothesisWord
from echopanel.audio import SAMPLE_RATE
from echopanel.engine.lead import LEAD_S, MAX_GAP_S, SHORT_S, Lead, RecentWords, needed
from echopanel.engine.pace import Pace
from echopanel.transcript import Final, Partial
from tests.engine.rig import playing, quarters, rigged, said, silence, speech

SECOND = SAMPLE_RATE


def words(*texts: str) -> list[HypothesisWord]:
    """One word a second."""
    return [HypothesisWord(float(at), at + 0.8, text) for at, text in enumerate(texts)]


def test_the_lead_begins_with_a_whole_word() -> None:
    """Only words that begin within reach are taken, and the audio begins where the first of them does."""
    recent = RecentWords()
    recent.note(10 * SECOND, words(*"abcdefgh"))
    lead = recent.before(18 * SECOND, oldest=0)
    assert lead == Lead(14 * SECOND, ("e", "f", "g", "h"))
    assert 18 * SECOND - lead.start <= LEAD_S * SECOND


def test_the_lead_stays_within_the_audio_that_is_held() -> None:
    """Behind a hole there is no lead, and none of audio that was let go."""
    recent = RecentWords()
    recent.note(0, words("a", "b", "c"))
    assert recent.before(3 * SECOND, oldest=3 * SECOND) is None
    assert recent.before(3 * SECOND, oldest=int(1.5 * SECOND)) == Lead(2 * SECOND, ("c",))


def test_speech_long_ago_is_no_lead() -> None:
    """After a long silence an utterance stands alone."""
    recent = RecentWords()
    recent.note(0, words("a", "b", "c"))
    assert recent.before(int((2.7 + MAX_GAP_S) * SECOND), oldest=0) is not None
    assert recent.before(int((2.9 + MAX_GAP_S) * SECOND), oldest=0) is None
    assert RecentWords().before(SECOND, oldest=0) is None


def test_no_lead_is_cut_where_a_word_is_guessed_to_begin() -> None:
    """All that one final has is the lead, from where its speech begins on, or none of it."""
    recent = RecentWords()
    recent.note(0, words("a", "b", "c"), vague=True)
    assert recent.before(3 * SECOND, oldest=0, most_s=3.0) == Lead(0, ("a", "b", "c"))
    assert recent.before(3 * SECOND, oldest=0, most_s=2.5) is None
    assert recent.before(3 * SECOND, oldest=1) is None
    recent.note(3 * SECOND, words("d"))
    assert recent.before(4 * SECOND, oldest=0, most_s=3.0) == Lead(3 * SECOND, ("d",))
    assert recent.before(4 * SECOND, oldest=0) == Lead(0, ("a", "b", "c", "d"))


def test_words_guessed_to_begin_at_once_keep_their_order() -> None:
    """The lead says them as they were said."""
    recent = RecentWords()
    recent.note(SECOND, words("c", "a", "b"), vague=True)
    assert recent.before(4 * SECOND, oldest=0) == Lead(SECOND, ("c", "a", "b"))


def test_words_of_the_utterance_itself_are_no_lead() -> None:
    """A word that ends behind the beginning of the utterance belongs to it."""
    recent = RecentWords()
    recent.note(0, words("a", "b"))
    assert recent.before(int(1.5 * SECOND), oldest=0) == Lead(0, ("a",))


def test_old_words_are_forgotten() -> None:
    """Two hours of words do not pile up."""
    recent = RecentWords()
    for start in range(0, 3600, 10):
        recent.note(start * SECOND, words(*"abcdefghij"))
    assert len(recent._words) < 3 * LEAD_S


def test_words_said_over_again_are_noticed() -> None:
    """The end of what is known, whatever its case and commas and whatever follows; not a part of it."""
    recent = RecentWords()
    recent.note(0, words("And", "I'm", "saying", "a", "bunch", "of", "words."))
    assert recent.echoed(["A", "bunch,", "of", "words."])
    assert recent.echoed(["a", "bunch", "of", "words", "a", "bunch", "of", "words"])
    assert not recent.echoed(["of", "words."])  # people say a word twice
    assert not recent.echoed(["a", "bunch", "of", "flowers"])
    assert not recent.echoed(["a", "bunch", "of"])
    assert not RecentWords().echoed(["a", "bunch", "of"])


def test_a_long_utterance_needs_less_left_context() -> None:
    """It is context itself; all together it is never shorter for that."""
    assert needed(0.0, 4.0) == needed(SHORT_S, 4.0) == 4.0
    assert needed(SHORT_S + 1.0, 4.0) == 3.0
    assert needed(SHORT_S + 4.0, 4.0) == needed(14.0, 4.0) == 0.0
    assert needed(2.0, 0.0) == 0.0


@pytest.mark.parametrize(
    ("seconds", "short_s", "led"), [(1.0, 3.0, True), (8.0, 3.0, False), (8.0, inf, True)]
)
async def test_a_final_is_heard_with_what_it_needs(seconds: float, short_s: float, led: bool) -> None:
    """A short utterance behind the words before it; a long one alone, unless there is time."""
    async with rigged() as rig, playing(rig) as played:
        rig.pace = Pace(60.0, speculate=False, short_s=short_s)
        played.feed(said(silence(0.5), speech(1.0), silence(1.0)))
        await played.flush()
        played.feed(said(speech(seconds), silence(1.0)))
        await played.flush()
        (chunk,) = rig.calls[-1]
        assert (chunk.start < played.of(Final)[-1].segment.start_sample) == led


@pytest.mark.parametrize("partial_lead_s", [0.0, 4.0])
async def test_a_partial_is_heard_behind_the_words_before_where_time_is_spare(partial_lead_s: float) -> None:
    """What is shown is of the open utterance all the same."""
    async with rigged() as rig, playing(rig) as played:
        rig.pace = Pace(60.0, speculate=False)
        played.feed(said(silence(0.5), speech(1.0), silence(1.0)))
        await played.flush()
        rig.pace = Pace(0.3, speculate=False, partial_lead_s=partial_lead_s)
        await played.play(speech(1.0))
        (chunk,) = rig.calls[1]
        before = played.of(Final)[0].segment
        assert (chunk.start < before.end_sample) == (partial_lead_s > 0.0)
        assert quarters([played.of(Partial)[-1].text]) == [10, 11, 12, 13]
