"""Our log-mel features are those that Whisper was trained on."""

from __future__ import annotations

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor

from echopanel.asr.features import HOP, MAX_FRAMES, LogMel, frames_touched
from echopanel.audio import Samples
from tests.helpers.speech import Speech


def reference(samples: Samples, frames: int, mels: int) -> Samples:
    """What faster-whisper computes from the same audio with its silence written out."""
    padded = np.zeros(frames * HOP, dtype=np.float32)
    padded[: len(samples)] = samples[: len(padded)]
    features: Samples = FeatureExtractor(feature_size=mels)(padded, padding=0)
    return features


@pytest.mark.parametrize("mels", [80, 128])
@pytest.mark.parametrize("count", [1, 100, 200, 201, 399, 400, 401, 16_000, 16_037, 130_000])
def test_features_equal_those_of_the_padded_audio(two_cities: Speech, count: int, mels: int) -> None:
    """Filling the padding in gives the same as transforming it, for any length and both sizes of models."""
    samples = two_cities.load()[40_000 : 40_000 + count]
    frames = count // HOP + 300
    np.testing.assert_allclose(LogMel(mels)(samples, frames), reference(samples, frames, mels), atol=2e-6)


def test_audio_that_fills_the_window_needs_no_padding(two_cities: Speech) -> None:
    """Thirty seconds and more fill the window; what is behind it is left out."""
    samples = two_cities.load()
    features = LogMel()(samples, MAX_FRAMES)
    assert features.shape == (80, MAX_FRAMES)
    # The last frame sees the 200 samples behind the window, which the reference mirrors instead.
    np.testing.assert_allclose(features[:, :-2], reference(samples, MAX_FRAMES, 80)[:, :-2], atol=1e-5)


@pytest.mark.parametrize("count", [0, 5_000])
def test_silence_has_one_finite_value(count: int) -> None:
    """Digital silence gives the same floor everywhere, no infinities."""
    features = LogMel()(np.zeros(count, dtype=np.float32), 100)
    np.testing.assert_allclose(features, -1.5, atol=1e-6)


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (1, 2), (120, 2), (121, 3), (16_000, 102)])
def test_frames_touched_is_exact(samples: int, frames: int) -> None:
    """The last counted frame sees the last sample; the next one would not."""
    assert frames_touched(samples) == frames
    if samples:
        assert (frames - 1) * HOP - 200 < samples <= frames * HOP - 200
