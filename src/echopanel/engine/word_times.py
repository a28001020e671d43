"""When words were said, where the model does not tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from echopanel.asr.provider import HypothesisWord
from echopanel.audio import SAMPLE_RATE, Samples, to_samples

STEP_S = 0.01
# What is so much quieter than the loud parts of an utterance is no speech. Loudness is smoothed.
SPEECH = 0.01  # of the power: 20 dB
SMOOTH = np.full(7, 1 / 7)


def guessed(texts: Sequence[str], samples: Samples, probability: float) -> tuple[HypothesisWord, ...]:
    """Words of one utterance, in order; each takes as much of the speech as it has letters, and one more.

    docs/benchmarks.md has how good that is.

    Args:
        texts: the words.
        samples: the audio of the utterance, shape (n,).
        probability: of each word.
    """
    spoken = speech(samples)
    if not texts or not spoken.size or not spoken[-1]:
        return spread(texts, 0.0, len(samples) / SAMPLE_RATE)
    letters = np.cumsum([1 + sum(map(str.isalnum, text)) for text in texts])
    shares = np.minimum(letters / letters[-1], 1.0) * spoken[-1]
    ends = np.searchsorted(spoken, shares) + 1
    # A pause belongs to no word.
    starts = np.searchsorted(spoken, [0.0, *shares[:-1]], side="right")
    starts[1:] = np.maximum(starts[1:], ends[:-1])
    return tuple(
        HypothesisWord(round(start * STEP_S, 2), round(end * STEP_S, 2), text, probability)
        for start, end, text in zip(starts.tolist(), ends.tolist(), texts, strict=True)
    )


def speech(samples: Samples) -> NDArray[np.int64]:
    """How many steps of 10 ms were loud, up to and with each."""
    size = to_samples(STEP_S)
    count = len(samples) // size
    if count < len(SMOOTH):
        return np.zeros(0, np.int64)
    power = np.square(samples[: count * size].reshape(count, size)).mean(axis=1)
    smooth = np.convolve(power, SMOOTH, "same")
    return np.cumsum(smooth > SPEECH * np.percentile(smooth, 95))


def fill_times(
    texts: Sequence[str], times: Sequence[HypothesisWord | None], seconds: float
) -> list[HypothesisWord]:
    """Give every text its time; those without one share the time between their neighbours evenly."""
    timed: list[HypothesisWord] = []
    for known, run in groupby(zip(texts, times, strict=True), key=lambda pair: pair[1] is not None):
        pairs = list(run)
        if known:
            timed += [replace(word, text=text) for text, word in pairs if word is not None]
            continue
        start = timed[-1].end if timed else 0.0
        following = times[len(timed) + len(pairs)] if len(timed) + len(pairs) < len(times) else None
        timed += spread([text for text, _ in pairs], start, seconds if following is None else following.start)
    return timed


def spread(texts: Sequence[str], start: float, end: float) -> tuple[HypothesisWord, ...]:
    """Words at even distances over [start, end] seconds."""
    step = (end - start) / max(1, len(texts))
    return tuple(
        HypothesisWord(start + i * step, start + (i + 1) * step, text) for i, text in enumerate(texts)
    )
