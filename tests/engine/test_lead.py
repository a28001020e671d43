"""Left context: utterances are decoded behind the known words before them, and told apart again."""

from __future__ import annotations

import numpy as np

from echopanel.asr.provider import DecodeOptions, Hypothesis, HypothesisWord
from echopanel.audio import SAMPLE_RATE, Chunk, Source
from echopanel.engine.lead import LEAD_S, MAX_GAP_S, Excerpt, Lead, RecentWords

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


def test_words_of_the_utterance_itself_are_no_lead() -> None:
    """A word that ends behind the beginning of the utterance belongs to it."""
    recent = RecentWords()
    recent.note(0, words("a", "b"))
    assert recent.before(int(1.5 * SECOND), oldest=0) == Lead(0, ("a",))


def test_an_excerpt_gives_the_model_the_lead_and_takes_it_away_again() -> None:
    """The chunk begins with the lead, the prefix with its words; the answer is about the utterance alone."""
    audio = Chunk(Source.MIC, 8 * SECOND, np.arange(6 * SECOND, dtype=np.float32))
    lead = Lead(10 * SECOND, ("known", "words"))
    excerpt = Excerpt.of(audio, 12 * SECOND, lead, DecodeOptions())
    assert (excerpt.chunk.start, excerpt.chunk.end) == (10 * SECOND, 14 * SECOND)
    assert excerpt.chunk.samples[0] == 2 * SECOND
    assert excerpt.options.prefix == "known words"
    heard = excerpt.heard(
        Hypothesis("known words. stable new", tuple(words("known", "words.", "stable", "new")))
    )
    assert heard.text == "stable new"
    assert [(word.text, word.start) for word in heard.words] == [("stable", 0.0), ("new", 1.0)]


def test_without_a_lead_nothing_changes() -> None:
    """The chunk is the utterance, and the answer is passed on."""
    audio = Chunk(Source.MIC, 0, np.zeros(2 * SECOND, dtype=np.float32))
    excerpt = Excerpt.of(audio, SECOND, None, DecodeOptions())
    assert (excerpt.chunk.start, excerpt.chunk.seconds) == (SECOND, 1.0)
    assert excerpt.options.prefix == ""
    hypothesis = Hypothesis("stable new")
    assert excerpt.heard(hypothesis) is hypothesis


def test_old_words_are_forgotten() -> None:
    """Two hours of words do not pile up."""
    recent = RecentWords()
    for start in range(0, 3600, 10):
        recent.note(start * SECOND, words(*"abcdefghij"))
    assert len(recent._words) < 3 * LEAD_S
