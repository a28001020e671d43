"""From hypotheses to what is shown: stable words stay, every word has a time."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.asr.provider import Hypothesis, HypothesisWord
from echopanel.audio import SAMPLE_RATE, Chunk, Source, to_samples
from echopanel.engine.utterance import Utterance, place
from echopanel.policy.clock import SessionClock

words = st.lists(st.sampled_from("it was the best of times".split()), max_size=8)


def utterance(start_s: float = 0.0) -> Utterance:
    """One that begins somewhere."""
    return Utterance("mic-1", Source.MIC, to_samples(start_s))


def heard(text: str, at: float = 0.0) -> Hypothesis:
    """Words of half a second each, from `at` on."""
    timed = tuple(
        HypothesisWord(at + 0.5 * i, at + 0.5 * (i + 1), word, 0.9) for i, word in enumerate(text.split())
    )
    return Hypothesis(text, timed, language="en")


@given(st.lists(words, max_size=6), words)
def test_the_final_begins_with_what_was_stable(hypotheses: list[list[str]], last: list[str]) -> None:
    """And its words lie one behind the other within the utterance."""
    open_one, clock = utterance(), SessionClock()
    stable = ""
    for number, hypothesis in enumerate(hypotheses):
        partial = open_one.partial(Hypothesis(" ".join(hypothesis)), to_samples(1.5 * (number + 1)), clock)
        if partial is not None:
            assert partial.stable.startswith(stable)
            stable = partial.stable
    final = open_one.finish(heard(" ".join(last)), to_samples(12.0))
    if not final:
        assert (stable, last) == ("", [])
        return
    segment = open_one.segment(final, to_samples(12.0), clock, "en")
    assert segment.text.split()[: len(stable.split())] == stable.split()
    assert segment.text == " ".join(word.text for word in segment.words)
    assert all(0 <= word.start <= word.end <= 12.0 for word in segment.words)
    assert [word.start for word in segment.words] == sorted(word.start for word in segment.words)


def test_nothing_is_shown_where_nothing_changes() -> None:
    """The same hypothesis again is no event, until words become stable by it."""
    open_one, clock = utterance(), SessionClock()
    first = open_one.partial(Hypothesis("it was"), 16_000, clock)
    assert first is not None
    assert (first.revision, first.stable, first.tail) == (1, "", "it was")
    assert open_one.partial(Hypothesis("it was"), 17_000, clock) is None
    agreed = open_one.partial(Hypothesis("it was"), 48_000, clock)
    assert agreed is not None
    assert (agreed.revision, agreed.stable, agreed.tail) == (2, "it", "was")


def test_shown_text_can_be_taken_back_once() -> None:
    """Only where something is on the screen."""
    open_one, clock = utterance(), SessionClock()
    assert open_one.withdrawal(clock) is None
    open_one.partial(Hypothesis("hm"), 16_000, clock)
    withdrawal = open_one.withdrawal(clock)
    assert withdrawal is not None
    assert (withdrawal.text, withdrawal.revision) == ("", 2)
    assert open_one.withdrawal(clock) is None


def test_a_segment_is_laid_on_the_session_clock() -> None:
    """Times are those of the capture, samples those of the source."""
    clock = SessionClock()
    clock.observe(Source.SYSTEM, 0, 5_000.0)
    clock.observe(Source.MIC, 0, 7_000.0)
    one = utterance(3.0)
    segment = one.segment(one.finish(heard("it was", at=0.25), to_samples(4.5)), to_samples(4.5), clock, "en")
    assert [(word.start, word.end) for word in segment.words] == [(5.25, 5.75), (5.75, 6.25)]
    assert (segment.start, segment.end) == (5.25, 6.25)
    assert (segment.start_sample, segment.end_sample) == (48_000, 72_000)
    assert (segment.language, segment.words[0].probability) == ("en", 0.9)


def test_a_model_without_word_times_gets_even_ones() -> None:
    """Over the whole utterance."""
    words = utterance().finish(Hypothesis("it was"), to_samples(3.0))
    assert [(word.start, word.end) for word in words] == [(0.0, 1.5), (1.5, 3.0)]


def test_times_that_are_not_known_are_guessed_from_what_is_loud() -> None:
    """Of the utterance, not of the speech before it; words are as likely as the whole text."""
    one = utterance(1.0)
    loud, quiet = np.ones(SAMPLE_RATE, np.float32), np.zeros(SAMPLE_RATE, np.float32)
    one.chunk = Chunk(Source.MIC, 0, np.concatenate((loud, quiet, loud, quiet)))
    words = one.finish(Hypothesis("it was", avg_logprob=log(0.5)), to_samples(4.0))
    assert [word.probability for word in words] == [0.5, 0.5]
    assert words[0].start == pytest.approx(1.0, abs=0.05)
    assert words[-1].end == pytest.approx(2.0, abs=0.05)


def test_nothing_heard_is_no_word() -> None:
    """Unless something was shown for good."""
    assert utterance().finish(Hypothesis(""), 16_000) == []


def test_a_word_never_ends_before_it_begins() -> None:
    """Whatever the model or a corrected clock says."""
    word = place(HypothesisWord(1.0, 0.9, "odd"), 0, Source.MIC, SessionClock())
    assert (word.start, word.end) == (1.0, 1.0)


def test_a_preview_is_for_a_long_utterance_decoded_as_a_whole_lately() -> None:
    """Words that ended well before the end are the base of previews, until the next whole decode is due."""
    open_one = Utterance("mic-1", Source.MIC, 0)
    assert not open_one.previewable(4 * SAMPLE_RATE)
    known = tuple(HypothesisWord(float(at), at + 0.8, text) for at, text in enumerate("abcd"))
    open_one.partial(Hypothesis("a b c d", known), 4 * SAMPLE_RATE, SessionClock(0.0))
    assert [word.text for word in open_one.base] == ["a", "b", "c"]
    assert open_one.cut == round(2.8 * SAMPLE_RATE)
    assert open_one.previewable(5 * SAMPLE_RATE)
    assert not open_one.previewable(7 * SAMPLE_RATE)


def test_a_preview_is_shown_but_nothing_becomes_stable_by_it() -> None:
    """Two previews that agree prove nothing; the next whole decode does."""
    open_one = Utterance("mic-1", Source.MIC, 0)
    clock = SessionClock(0.0)
    known = tuple(HypothesisWord(float(at), at + 0.8, text) for at, text in enumerate("abcd"))
    open_one.partial(Hypothesis("a b c d", known), 4 * SAMPLE_RATE, clock)
    for end in (5, 6):
        preview = open_one.partial(Hypothesis("a b c d " + "e" * (end - 4)), end * SAMPLE_RATE, clock)
        assert preview is not None
        assert (preview.stable, preview.tail.split()[-1]) == ("", "e" * (end - 4))
    whole = open_one.partial(Hypothesis("a b c d ee", known), 7 * SAMPLE_RATE, clock)
    assert whole is not None
    assert whole.stable == "a b c d"
