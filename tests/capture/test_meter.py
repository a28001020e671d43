"""How loud a source is."""

from __future__ import annotations

import math

import numpy as np
import pytest

from echopanel.capture.meter import Meter

SINE = np.sin(np.arange(1600) * 0.1).astype(np.float32)


def test_the_level_rises_at_once_and_falls_slowly() -> None:
    """A full-scale sine is -3 dBFS; half a second of silence later 20 dB less are shown."""
    meter = Meter(0.0)
    meter.take(SINE, 1.0)
    assert meter.level_db(1.0) == pytest.approx(-3, abs=0.1)
    meter.take(np.zeros(1600, np.float32), 1.5)
    assert meter.level_db(1.5) == pytest.approx(-23, abs=0.1)
    meter.take(SINE / 2, 1.6)
    assert meter.level_db(1.6) == pytest.approx(-9, abs=0.1)


def test_silence_is_timed() -> None:
    """Only sound ends it; hiss below -60 dBFS and empty blocks do not."""
    meter = Meter(10.0)
    assert meter.level_db(10.0) == -math.inf
    meter.take(SINE / 5000, 15.0)
    meter.take(SINE[:0], 16.0)
    assert meter.silent_s(20.0) == 10.0
    meter.take(SINE, 21.0)
    assert meter.silent_s(22.0) == 1.0
