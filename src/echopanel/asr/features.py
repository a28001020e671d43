"""Log-mel spectrograms as Whisper was trained on them, of the speech only: padding is filled in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from echopanel.audio import SAMPLE_RATE, Samples

HOP = 160  # samples between frames: 100 frames a second
FRAMES_PER_SECOND = SAMPLE_RATE // HOP
MAX_FRAMES = 30 * FRAMES_PER_SECOND  # the window Whisper is trained on
_FFT = 400  # samples a frame covers
# Frames a matrix product: larger ones make OpenBLAS wake its threads, which then fight with the decoder's.
_BLOCK = 16
_LOG_FLOOR = -10.0  # log10 of the least mel energy
_DYNAMIC_RANGE = 8.0  # in log10: what lies further below the peak is raised to that

Features = NDArray[np.float32]


class LogMel:
    """The spectrogram of whisper.audio.log_mel_spectrogram, for `mels` mel bands; safe to share."""

    def __init__(self, mels: int = 80) -> None:
        self.mels = mels
        self._filters = np.ascontiguousarray(mel_filters(mels).T)
        self._window = np.hanning(_FFT + 1)[:-1].astype(np.float32)

    def __call__(self, samples: Samples, frames: int) -> Features:
        """Features of `samples` followed by digital silence, shape (mels, frames).

        Frames that lie wholly in the padding all have the same value, so they cost no transform.
        """
        out = np.full((self.mels, frames), _LOG_FLOOR, dtype=np.float32)
        heard = min(frames, frames_touched(len(samples)))
        if heard:
            out[:, :heard] = self._log_mel(samples, heard)
        np.maximum(out, out.max() - np.float32(_DYNAMIC_RANGE), out=out)
        out += np.float32(4.0)
        out /= np.float32(4.0)
        return out

    def _log_mel(self, samples: Samples, frames: int) -> Features:
        """log10 mel energies of the first `frames` frames; frame i is centred on sample 160 i."""
        half = _FFT // 2
        rows = -(-frames // _BLOCK) * _BLOCK
        padded = np.zeros((rows - 1) * HOP + _FFT, dtype=np.float32)
        taken = samples[: len(padded) - half]
        padded[half : half + len(taken)] = taken
        padded[:half] = padded[2 * half : half : -1]
        framed = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::HOP]
        spectrum = np.fft.rfft(framed * self._window, axis=-1)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        energies = np.matmul(power.reshape(-1, _BLOCK, power.shape[1]), self._filters)
        energies = energies.reshape(rows, self.mels)[:frames].T
        logs: Features = np.log10(np.maximum(energies, np.float32(10.0**_LOG_FLOOR)))
        return logs


def frames_touched(samples: int) -> int:
    """Number of leading frames that see at least one of `samples` samples."""
    return 0 if samples <= 0 else (samples + _FFT // 2 - 1) // HOP + 1


def mel_filters(mels: int) -> Features:
    """Slaney's triangular mel filters, shape (mels, 201): librosa.filters.mel(sr=16000, n_fft=400)."""
    bins = np.fft.rfftfreq(_FFT, d=1.0 / SAMPLE_RATE)
    top = 15.0 + 27.0 * np.log(SAMPLE_RATE / 2 / 1000.0) / np.log(6.4)  # mel of the Nyquist frequency
    points = np.linspace(0.0, top, mels + 2)
    # Slaney's scale: linear below 1 kHz (15 mel), logarithmic above.
    edges = np.where(points < 15.0, points * 200.0 / 3.0, 1000.0 * 6.4 ** ((points - 15.0) / 27.0))
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    weights: Features = (triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)
    return weights
