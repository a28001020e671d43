"""How late what was sent is, beside what was played.

Chromium's fake microphone, when it was not given the processor in time, goes on later; a real one does not.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from echopanel.audio import SAMPLE_RATE, Samples

PIECE_S = 2.0
REACH_S = (0.5, 4.0)  # earlier and later than the last piece was found
LEAST_LOUD = 0.2  # in amplitude; silence is like everything
ALIKE = 0.4  # echo cancelling turns phases, so that even the right place is not very like


def lateness(played: Samples, sent: Samples, moments: list[float]) -> list[float]:
    """By how many seconds what was played at each of the ascending moments comes later in what was sent."""
    late, found = 0.0, []
    for moment in moments:
        end = round(moment * SAMPLE_RATE)
        start = max(0, end - round(PIECE_S * SAMPLE_RATE))
        first = max(0, start + round((late - REACH_S[0]) * SAMPLE_RATE))
        last = end + round((late + REACH_S[1]) * SAMPLE_RATE)
        likeness = likenesses(played[start:end], sent[first:last])
        if len(likeness) and likeness.max() > ALIKE:
            late = (first + int(np.argmax(likeness)) - start) / SAMPLE_RATE
        found.append(late)
    return found


def likenesses(piece: Samples, within: Samples) -> npt.NDArray[np.float64]:
    """The absolute normalised correlation of a piece with every place in a longer one."""
    if len(within) < len(piece):
        return np.zeros(0)
    size = 1 << (len(within) + len(piece)).bit_length()
    spectrum = np.fft.rfft(within, size) * np.conj(np.fft.rfft(piece, size))
    products = np.fft.irfft(spectrum, size)[: len(within) - len(piece) + 1]
    energy = np.concatenate([[0.0], np.cumsum(within.astype(np.float64) ** 2)])
    loudness = float(np.sum(piece**2))
    norms = np.sqrt((energy[len(piece) :] - energy[: -len(piece)]) * loudness)
    return np.asarray(np.abs(products) / np.maximum(norms, LEAST_LOUD * loudness))
