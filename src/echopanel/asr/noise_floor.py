"""How loud a source is while nobody speaks: what is no louder need not be listened to. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# So many windows (about 1 s) in which nobody speaks make a floor.
SETTLED = 32
# Speech is far likelier than this in all but its first window.
UNLIKELY = 0.1
# Root mean square of noise that is faint (-40 dB of full scale). In louder noise speech may hide.
FAINT = 0.01
# Windows of steady white noise differ by 3 % (standard deviation). At 1.4 speech as loud as the noise was
# missed three times as long: docs/benchmarks.md.
LOUDER = 1.15
# So often the detector listens all the same, in case something fades in: every so many windows, about 2 s.
EVERY = 64


class NoiseFloor:
    """Which windows of a source may be taken for silence unheard. Loudness: root mean square of samples."""

    def __init__(self) -> None:
        self._floor = 0.0
        self._calm = 0
        self._unheard = 0

    def __repr__(self) -> str:
        return f"<NoiseFloor {self._floor:.5f} [{self._calm} windows]>"

    def covers(self, loudness: Floats) -> bool:
        """Whether windows so loud, shape (n,) with n > 0, are but the noise that was there before."""
        if self._calm < SETTLED or loudness.max() > LOUDER * self._floor:
            return False
        if self._floor and self._unheard + len(loudness) > EVERY:
            return False
        self._unheard += len(loudness)
        return True

    def heard(self, loudness: Floats, probabilities: Floats) -> None:
        """Windows were listened to: take their loudness if nobody spoke, or else begin anew."""
        self._unheard = 0
        if probabilities.max() >= UNLIKELY or loudness.max() > FAINT:
            self._floor, self._calm = 0.0, 0
            return
        self._calm += len(loudness)
        share = min(1.0, len(loudness) / min(self._calm, SETTLED))
        self._floor += share * (float(loudness.mean()) - self._floor)
