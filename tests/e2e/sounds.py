"""Sounds in which nobody speaks, and WAV files of any sound; float32 in [-1, 1], mono, 16 kHz."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from echopanel.audio import SAMPLE_RATE, float_to_pcm16

Samples = npt.NDArray[np.float32]


def level(samples: npt.NDArray[np.float64], decibels: float) -> Samples:
    """Scale to an RMS level in dBFS; peaks beyond full scale will be clipped."""
    rms = np.sqrt(np.mean(samples**2))
    return np.asarray(samples / rms * 10 ** (decibels / 20), dtype=np.float32)


def silence(seconds: float) -> Samples:
    """Digital silence."""
    return np.zeros(round(seconds * SAMPLE_RATE), dtype=np.float32)


def white_noise(seconds: float, decibels: float = -30.0) -> Samples:
    """Equal power at all frequencies."""
    chance = np.random.default_rng(1)
    return level(chance.standard_normal(round(seconds * SAMPLE_RATE)), decibels)


def pink_noise(seconds: float, decibels: float = -30.0) -> Samples:
    """Power falls with frequency as 1/f, from 20 Hz on."""
    count = round(seconds * SAMPLE_RATE)
    spectrum = np.fft.rfft(np.random.default_rng(2).standard_normal(count))
    frequencies = np.fft.rfftfreq(count, 1 / SAMPLE_RATE)
    return level(np.fft.irfft(spectrum / np.sqrt(np.maximum(frequencies, 20.0)), count), decibels)


def hum(seconds: float, decibels: float = -30.0, mains_hz: float = 50.0) -> Samples:
    """Mains hum: the base and its odd harmonics, falling."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    waves = [np.sin(2 * np.pi * mains_hz * n * t + n) / n for n in (1, 2, 3, 5, 7, 9, 11, 13)]
    return level(np.sum(waves, axis=0), decibels)


def music(seconds: float, decibels: float = -25.0) -> Samples:
    """Broken chords of decaying harmonic tones, four a second, over a held bass."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    pitches = 220.0 * 2 ** (np.array([0, 4, 7, 12, 5, 9, 12, 17, 7, 11, 14, 19]) / 12)
    pitch = pitches[(t * 4).astype(int) % len(pitches)]
    tone = np.sum([np.sin(2 * np.pi * pitch * n * t) / n**2 for n in (1, 2, 3, 4)], axis=0)
    bass = 0.5 * np.sin(2 * np.pi * 110.0 * t)
    return level(tone * np.exp(-4 * (t * 4 % 1)) + bass, decibels)


def write_wav(path: Path, samples: Samples) -> Path:
    """Write 16-bit mono at 16 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(float_to_pcm16(samples))
    return path
