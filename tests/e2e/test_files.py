"""`transcribe`: the same speech in other containers, codecs, rates and channels gives the same text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from tests.e2e.conftest import Note
from tests.e2e.programs import echopanel
from tests.helpers.speech import Speech, wer

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

# Name, codec, rate, and the gain of each channel.
VERSIONS = (
    ("original.wav", "pcm_s16le", 16_000, (1.0,)),
    ("packed.flac", "flac", 16_000, (1.0,)),
    ("lossy.mp3", "libmp3lame", 16_000, (1.0,)),
    ("music.mp3", "libmp3lame", 48_000, (1.0, 1.0)),
    ("telephone.wav", "pcm_s16le", 8_000, (1.0,)),
    ("disc.wav", "pcm_s16le", 44_100, (1.0,)),
    ("studio.wav", "pcm_s16le", 48_000, (1.0,)),
    ("stereo.wav", "pcm_s16le", 16_000, (1.0, 1.0)),
    ("left.flac", "flac", 44_100, (1.0, 0.0)),
)


def write(path: Path, codec: str, rate: int, gains: Sequence[float], speech: Speech) -> None:
    """Encode the speech with FFmpeg; one gain per channel."""
    mono = speech.load()[None]
    layout = "mono" if len(gains) == 1 else "stereo"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options={"b": "64k"})
        assert isinstance(stream, av.AudioStream)
        stream.layout = layout
        channels = np.ascontiguousarray(np.concatenate([gain * mono for gain in gains]), dtype=np.float32)
        frame = AudioFrame.from_ndarray(channels, format="fltp", layout=layout)
        frame.sample_rate = 16_000
        frame.pts = 0
        context = stream.codec_context
        context.open()
        resampler = AudioResampler(context.format, layout, rate, frame_size=context.frame_size or 4096)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))


def test_every_version_of_a_recording_gives_the_same_text(
    two_cities: Speech, tmp_path: Path, note: Note
) -> None:
    """Lossless copies word for word; resampled, half as loud or as MP3 within 3 %; telephone speech 8 %."""
    for name, codec, rate, gains in VERSIONS:
        write(tmp_path / name, codec, rate, gains, two_cities)
    result = echopanel("transcribe", *(tmp_path / name for name, *_ in VERSIONS), "--output", tmp_path)
    assert result.returncode == 0, result.stderr
    texts = {name: text_of(tmp_path / name) for name, *_ in VERSIONS}
    original = texts["original.wav"]
    differences = {name: wer(original, text) for name, text in texts.items()}
    note(", ".join(f"{name} {differences[name]:.1%}" for name in differences))
    note("WER " + ", ".join(f"{name} {wer(two_cities.text, texts[name]):.1%}" for name in texts))
    assert wer(two_cities.text, original) <= 0.04
    assert differences["packed.flac"] == differences["stereo.wav"] == 0
    assert differences.pop("telephone.wav") <= 0.08
    assert max(differences.values()) <= 0.03


def text_of(file: Path) -> str:
    """What `transcribe` wrote, without the times."""
    lines = file.with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    return " ".join(line.partition("] ")[2] for line in lines)
