"""Any rate becomes 16 kHz."""

from __future__ import annotations

import numpy as np
import pytest

from echopanel.capture.resample import Resampler


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000, 96_000])
def test_a_tone_keeps_its_pitch_and_level_over_pieces(rate: int) -> None:
    """A second of 440 Hz in pieces of 40 ms is a second of 440 Hz, without clicks between them."""
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)
    resampler = Resampler(rate)
    step = rate // 25
    out = np.concatenate([resampler.push(tone[at : at + step]) for at in range(0, rate, step)])
    assert 16_000 - 48 <= len(out) <= 16_000
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(len(out)) / 16_000)
    assert np.abs(out - expected)[100:-100].max() < 0.01


def test_what_16_khz_cannot_carry_is_filtered_out() -> None:
    """A tone of 11 kHz does not come back as one of 5 kHz."""
    tone = np.sin(2 * np.pi * 11_000 * np.arange(48_000) / 48_000).astype(np.float32)
    assert np.abs(Resampler(48_000).push(tone)[200:]).max() < 0.01
