"""What a job gives the model, and how its answer becomes text about the whole utterance."""

from __future__ import annotations

import numpy as np
import pytest

from echopanel.asr.provider import DecodeOptions, Hypothesis, HypothesisWord
from echopanel.audio import SAMPLE_RATE, Chunk, Source
from echopanel.engine.excerpt import newest, preview, whole
from echopanel.engine.lead import Lead
from echopanel.engine.pace import Pace
from echopanel.engine.utterance import Utterance

SECOND = SAMPLE_RATE


def words(*texts: str) -> tuple[HypothesisWord, ...]:
    """One word a second."""
    return tuple(HypothesisWord(float(at), at + 0.8, text) for at, text in enumerate(texts))


def ramp(start: float, seconds: float) -> Chunk:
    """Audio whose samples count from 0."""
    count = int(seconds * SECOND)
    return Chunk(Source.MIC, int(start * SECOND), np.arange(count, dtype=np.float32))


def test_the_model_gets_the_lead_and_it_is_taken_away_again() -> None:
    """The chunk begins with the lead, the prefix with its words; the answer is about the utterance alone."""
    lead = Lead(10 * SECOND, ("known", "words"))
    excerpt = whole(ramp(8, 6), 12 * SECOND, lead, DecodeOptions())
    assert (excerpt.chunk.start, excerpt.chunk.end) == (10 * SECOND, 14 * SECOND)
    assert excerpt.chunk.samples[0] == 2 * SECOND
    assert excerpt.options.prefix == "known words"
    heard = excerpt.heard(Hypothesis("known words. stable new", words("known", "words.", "stable", "new")))
    assert heard.text == "stable new"
    assert [(word.text, word.start) for word in heard.words] == [("stable", 0.0), ("new", 1.0)]


def test_without_a_lead_nothing_changes() -> None:
    """The chunk is the utterance, and the answer is passed on."""
    excerpt = whole(ramp(0, 2), SECOND, None, DecodeOptions())
    assert (excerpt.chunk.start, excerpt.chunk.seconds) == (SECOND, 1.0)
    assert excerpt.options.prefix == ""
    hypothesis = Hypothesis("stable new")
    assert excerpt.heard(hypothesis) is hypothesis


def test_a_preview_decodes_only_what_is_new_and_tells_the_whole() -> None:
    """It begins with the last known words as its prefix; all known ones stand in front of what it hears."""
    utterance = Utterance("mic-1", Source.MIC, 2 * SECOND)
    utterance.base, utterance.cut = words("a", "b", "c"), int(5.1 * SECOND)
    excerpt = preview(ramp(2, 5.3), utterance, DecodeOptions(word_timestamps=True, beam_size=5))
    assert (excerpt.chunk.start, excerpt.chunk.end) == (
        int(5.1 * SECOND),
        int(7.3 * SECOND),
    )  # "c" began too early
    assert (excerpt.options.prefix, excerpt.options.preview, excerpt.options.final) == ("", True, False)
    heard = excerpt.heard(Hypothesis("d e", words("d", "e")))
    assert heard.text == "a b c d e"
    assert [round(word.start, 3) for word in heard.words] == [0.0, 1.0, 2.0, 3.1, 4.1]


@pytest.mark.parametrize(
    ("interval_s", "decoded_s", "preview", "timed"),
    [(0.5, 4.0, True, False), (0.5, 1.0, False, True), (1.0, 4.0, False, False), (3.0, 1.0, False, False)],
)
def test_word_times_are_for_decodes_that_are_built_upon(
    interval_s: float, decoded_s: float, preview: bool, timed: bool
) -> None:
    """Not for previews, nor where time is so short that each decode is of the whole utterance."""
    utterance = Utterance("mic-1", Source.MIC, 0, decoded=int(decoded_s * SECOND))
    utterance.base, utterance.cut = words("a", "b"), 2 * SECOND
    excerpt = newest(ramp(0, 5), utterance, lambda: None, DecodeOptions(), Pace(interval_s))
    assert (excerpt.options.preview, excerpt.options.word_timestamps) == (preview, timed)
    # The words of a decode without times make text stable, for nothing stands on older ones any more.
    assert bool(utterance.base) == (preview or timed)


@pytest.mark.parametrize(("far", "start", "prefix"), [(0.9, 1.6, "near"), (1.0, 1.0, "far near")])
def test_a_preview_leans_on_the_words_just_before_it(far: float, start: float, prefix: str) -> None:
    """Words near the cut are decoded once more, as the prefix, not doubled."""
    utterance = Utterance("mic-1", Source.MIC, 0)
    utterance.base = (HypothesisWord(far, 1.5, "far"), HypothesisWord(1.6, 2.0, "near"))
    utterance.cut = 2 * SECOND
    excerpt = preview(ramp(0, 4), utterance, DecodeOptions())
    assert excerpt.chunk.start == int(start * SECOND)
    assert excerpt.options.prefix == prefix
    assert excerpt.heard(Hypothesis(f"{prefix} new")).text == "far near new"
