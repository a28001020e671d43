"""From a device's own sample rate to 16 kHz."""

from __future__ import annotations

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from echopanel.audio import SAMPLE_RATE, Samples


class Resampler:
    """Turns consecutive pieces of mono audio at `rate` Hz into pieces at 16 kHz; up to 2 ms stay inside."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._resampler = AudioResampler(format="fltp", layout="mono", rate=SAMPLE_RATE)

    def __repr__(self) -> str:
        return f"<Resampler {self._rate} Hz>"

    def push(self, samples: Samples) -> Samples:
        """The next piece, float32 in [-1, 1], shape (n,), at 16 kHz."""
        frame = AudioFrame.from_ndarray(samples[np.newaxis, :], format="fltp", layout="mono")
        frame.sample_rate = self._rate
        parts = [part.to_ndarray()[0] for part in self._resampler.resample(frame)]
        joined: Samples = np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)
        return joined
