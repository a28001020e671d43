"""What one job gives the model, and how its answer is read: text about the whole utterance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from echopanel.asr.provider import DecodeOptions, Hypothesis, HypothesisWord
from echopanel.audio import Chunk, to_samples, to_seconds
from echopanel.engine.lead import Lead
from echopanel.engine.pace import Pace
from echopanel.engine.utterance import Utterance
from echopanel.policy.demand import BUSY_FROM_S

# A preview begins with the words of so many seconds before what is new to it.
PREVIEW_LEAD_S = 1.0


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Audio and options of one job.

    `begin` is the sample where the utterance began. `base` are words of it that come before what is decoded,
    with times from there; `lead` is known speech at the beginning of the chunk.
    """

    chunk: Chunk
    options: DecodeOptions
    begin: int
    lead: Lead | None = None
    base: tuple[HypothesisWord, ...] = ()

    def heard(self, hypothesis: Hypothesis) -> Hypothesis:
        """What the model heard in the utterance: the base in front, no lead, times from its beginning."""
        if self.lead is None and not self.base:
            return hypothesis
        known = 0 if self.lead is None else len(self.lead.words)
        offset = to_seconds(self.chunk.start - self.begin)
        words = (shifted(word, offset) for word in hypothesis.words[known:])
        texts = [*(word.text for word in self.base), *hypothesis.text.split()[known:]]
        return replace(
            hypothesis,
            text=" ".join(texts),
            words=(*self.base, *words) if hypothesis.words else (),
        )


def whole(audio: Chunk, begin: int, lead: Lead | None, options: DecodeOptions) -> Excerpt:
    """The utterance from its beginning on; `audio` reaches back to the lead."""
    first = begin if lead is None else lead.start
    return Excerpt(since(audio, first), led(options, lead), begin, lead)


def newest(
    audio: Chunk, utterance: Utterance, lead: Callable[[], Lead | None], options: DecodeOptions, pace: Pace
) -> Excerpt:
    """An open utterance as far as `audio` goes, which reaches back to the lead; a preview needs none."""
    # Word times cost a fifth of a decode, and serve only previews on top of it. Those spare less than that of
    # short utterances, as they are where time is short.
    timed = pace.interval_s < BUSY_FROM_S
    if timed and utterance.previewable(audio.end):
        return preview(audio, utterance, options)
    if not timed:
        utterance.base = ()
    return whole(audio, utterance.start, lead(), replace(options, word_timestamps=timed, final=False))


def preview(audio: Chunk, utterance: Utterance, options: DecodeOptions) -> Excerpt:
    """Only what is new since the utterance was last decoded as a whole, and the words just before it."""
    first = utterance.cut - to_samples(PREVIEW_LEAD_S)
    lead = lead_of(utterance.base, utterance.start, first)
    chunk = since(audio, utterance.cut if lead is None else lead.start)
    options = replace(options, word_timestamps=False, final=False, preview=True, beam_size=1)
    return Excerpt(chunk, led(options, lead), utterance.start, lead, utterance.base)


def lead_of(words: Iterable[HypothesisWord], begin: int, first: int) -> Lead | None:
    """Those of the words (times from sample `begin`) that start at sample `first` or later."""
    near = [word for word in words if begin + to_samples(word.start) >= first]
    return Lead(begin + to_samples(near[0].start), tuple(word.text for word in near)) if near else None


def led(options: DecodeOptions, lead: Lead | None) -> DecodeOptions:
    """The options with the words of the lead as the prefix."""
    return options if lead is None else replace(options, prefix=" ".join(lead.words))


def since(audio: Chunk, first: int) -> Chunk:
    """The chunk from sample `first` on."""
    return Chunk(audio.source, first, audio.samples[first - audio.start :])


def shifted(word: HypothesisWord, offset: float) -> HypothesisWord:
    """A word with times `offset` seconds later, but none below zero."""
    return replace(word, start=max(0.0, word.start + offset), end=max(0.0, word.end + offset))
