"""A sound that is the same on every machine, to try a model with."""

from __future__ import annotations

import numpy as np

from echopanel.audio import SAMPLE_RATE, Samples


def known_sound(seconds: float = 1.0) -> Samples:
    """A fixed vowel-like sound, shape (n,): 120 Hz harmonics under two formants."""
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    harmonics = np.arange(1, 30)[:, None] * 120.0
    weight = np.exp(-(((harmonics - 700) / 250) ** 2)) + 0.5 * np.exp(-(((harmonics - 1200) / 300) ** 2))
    wave = (weight * np.sin(2 * np.pi * harmonics * t)).sum(axis=0)
    return np.asarray(0.3 * wave / np.abs(wave).max(), dtype=np.float32)
