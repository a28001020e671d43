"""Audio of files."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from echopanel.audio import SAMPLE_RATE, Samples
from echopanel.client.media import decode, duration
from echopanel.errors import AudioError

SECONDS = 3.0
CODECS = {"wav": "pcm_s16le", "flac": "flac", "mp3": "libmp3lame", "m4a": "aac"}


def tones(rate: int, channels: int) -> NDArray[np.float32]:
    """440 Hz; a second channel is half as loud. Shape (channels, n)."""
    at = np.arange(int(SECONDS * rate)) / rate
    left = 0.5 * np.sin(2 * np.pi * 440 * at)
    return np.stack([left, 0.5 * left][:channels]).astype(np.float32)


def write(path: Path, codec: str, rate: int, channels: int) -> Path:
    """Encode the tones into a file."""
    layout = "stereo" if channels == 2 else "mono"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, AudioStream)
        samples = np.ascontiguousarray(tones(rate, channels))
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def whole(path: Path) -> Samples:
    """All samples of a file."""
    return np.concatenate(list(decode(path)))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
@pytest.mark.parametrize("name", CODECS)
def test_any_format_becomes_16_khz_mono(tmp_path: Path, name: str, rate: int, channels: int) -> None:
    """The same tone at the same loudness and length, whatever the file; stereo becomes the mean."""
    path = write(tmp_path / f"tone.{name}", CODECS[name], rate, channels)
    samples = whole(path)
    assert samples.dtype == np.float32
    assert len(samples) / SAMPLE_RATE == pytest.approx(SECONDS, abs=0.25)  # codecs pad to whole blocks
    middle = samples[SAMPLE_RATE : 2 * SAMPLE_RATE]
    assert np.argmax(np.abs(np.fft.rfft(middle))) == 440
    loudness = 0.5 if channels == 1 else 0.375
    assert np.sqrt(2 * np.mean(middle**2)) == pytest.approx(loudness, rel=0.1)
    assert duration(path) == pytest.approx(SECONDS, abs=0.25)


@pytest.mark.parametrize("name", ["tone.ogg", "tone.webm"])
def test_opus_is_read_too(tmp_path: Path, name: str) -> None:
    """What browsers and messengers record."""
    samples = whole(write(tmp_path / name, "libopus", 48_000, 2))
    assert np.argmax(np.abs(np.fft.rfft(samples[SAMPLE_RATE : 2 * SAMPLE_RATE]))) == 440


def test_blocks_have_the_asked_length(tmp_path: Path) -> None:
    """Only the last is shorter, and nothing is lost between them."""
    path = write(tmp_path / "tone.wav", "pcm_s16le", 44_100, 1)
    blocks = list(decode(path, block=1000))
    assert {len(block) for block in blocks[:-1]} == {1000}
    assert 0 < len(blocks[-1]) <= 1000
    np.testing.assert_array_equal(np.concatenate(blocks), whole(path))


def test_16_khz_mono_comes_through_unchanged(tmp_path: Path) -> None:
    """No resampling where none is needed: the samples are those of the file."""
    path = write(tmp_path / "tone.wav", "pcm_s16le", SAMPLE_RATE, 1)
    np.testing.assert_allclose(whole(path), tones(SAMPLE_RATE, 1)[0], atol=1 / 32_768)


@pytest.mark.parametrize("content", [b"", b"not audio at all" * 100])
def test_what_is_no_audio_is_refused(tmp_path: Path, content: bytes) -> None:
    """With the file's name."""
    path = tmp_path / "letter.wav"
    path.write_bytes(content)
    for read in (duration, whole):
        with pytest.raises(AudioError, match=r"cannot read .*letter\.wav"):
            read(path)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    """The message names it."""
    with pytest.raises(AudioError, match=r"cannot read .*nowhere\.wav: No such file"):
        whole(tmp_path / "nowhere.wav")


def test_a_video_without_sound_is_refused(tmp_path: Path) -> None:
    """There is nothing to hear."""
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 16
        stream.pix_fmt = "yuv420p"
        container.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        container.mux(stream.encode(None))
    with pytest.raises(AudioError, match="has no audio"):
        whole(path)


def test_a_damaged_file_is_said_to_be_damaged(tmp_path: Path) -> None:
    """What can be decoded comes first."""
    path = write(tmp_path / "tone.flac", "flac", 16_000, 1)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    path.write_bytes(data)
    blocks: list[Samples] = []
    with pytest.raises(AudioError, match="broken audio"):
        blocks.extend(decode(path, 100))
