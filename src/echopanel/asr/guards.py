"""Signs that a model made something up: language-independent, from its own figures, no phrase lists."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto


class Verdict(Enum):
    """What to do with a decode."""

    KEEP = auto()
    RETRY = auto()
    DROP = auto()


@dataclass(frozen=True, slots=True)
class Loop:
    """The sequence ends in `repeats` copies of its tokens [start, start + period)."""

    start: int
    period: int
    repeats: int


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known about one decode of `seconds` of audio.

    `exhausted`: the token budget ran out before the end of the text.
    """

    text: str
    seconds: float
    avg_logprob: float
    no_speech_prob: float
    exhausted: bool
    loop: Loop | None

    @property
    def compression_ratio(self) -> float:
        """Bytes of text over bytes compressed; repetition makes it large."""
        return compression_ratio(self.text)


@dataclass(frozen=True, slots=True)
class Limits:
    """Thresholds; the first three are those of openai/whisper's transcribe()."""

    compression_ratio: float = 2.4
    avg_logprob: float = -1.0
    no_speech_prob: float = 0.6
    characters_per_second: float = 40.0  # twice the fastest speech we know of
    characters_allowance: float = 20.0  # a chunk's edge may cut into a word


def judge(signals: Signals, limits: Limits) -> Verdict:
    """Whether a decode is believed, worth another try, or nothing but noise.

    Unlike openai/whisper's transcribe(), what is only unlikely is not tried again: it came out no better
    (docs/benchmarks.md).
    """
    if not signals.text:
        return Verdict.KEEP
    unsure = signals.avg_logprob < limits.avg_logprob
    if unsure and signals.no_speech_prob > limits.no_speech_prob:
        return Verdict.DROP
    too_fast = (
        len(signals.text) > limits.characters_allowance + limits.characters_per_second * signals.seconds
    )
    repetitive = signals.loop is not None or signals.compression_ratio > limits.compression_ratio
    if repetitive or too_fast or signals.exhausted:
        return Verdict.RETRY
    return Verdict.KEEP


def compression_ratio(text: str) -> float:
    """Length of `text` in bytes over its length compressed by zlib, as in openai/whisper."""
    raw = text.encode("utf-8")
    return len(raw) / len(zlib.compress(raw))


def find_loop(tokens: Sequence[int], *, least_repeats: int = 3, least_tokens: int = 8) -> Loop | None:
    """The loop that `tokens` end in, the last copy perhaps cut short; None if there is none.

    A period counts when it comes `least_repeats` times, or twice with at least `least_tokens` tokens.
    """
    count = len(tokens)
    for period in range(1, count // 2 + 1):
        matched = 0
        while (
            matched < count - period and tokens[count - 1 - matched] == tokens[count - 1 - matched - period]
        ):
            matched += 1
        repeats = matched // period + 1
        if repeats >= least_repeats or (repeats == 2 and period >= least_tokens):
            start = count - period - matched
            return Loop(start, period, repeats)
    return None
