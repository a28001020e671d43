"""Audio of files: anything that FFmpeg reads, as 16 kHz mono."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from echopanel.audio import SAMPLE_RATE, Samples
from echopanel.errors import AudioError


def decode(path: str | Path, block: int = SAMPLE_RATE) -> Iterator[Samples]:
    """Read a file's first audio stream; several channels become their mean.

    Yields:
        float32 in [-1, 1], mono, 16 kHz; blocks of `block` samples, shape (block,), the last one shorter.

    Raises:
        AudioError: the file cannot be read, or has no audio.
    """
    parts: list[Samples] = []
    waiting = 0
    for part in _decoded(Path(path)):
        parts.append(part)
        waiting += len(part)
        while waiting >= block:
            samples = np.concatenate(parts)
            yield samples[:block]
            parts, waiting = [samples[block:]], waiting - block
    if waiting:
        yield np.concatenate(parts)


def duration(path: str | Path) -> float | None:
    """Seconds of audio that a file says it has; None where it does not say.

    Raises:
        AudioError: the file cannot be read, or has no audio.
    """
    with _opened(Path(path)) as container:
        stream = _audio_of(container, Path(path))
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        return None if container.duration is None else container.duration / av.time_base


def _decoded(path: Path) -> Iterator[Samples]:
    """Mono 16 kHz in the pieces that the decoder gives."""
    with _opened(path) as container:
        stream = _audio_of(container, path)
        resampler = AudioResampler(format="fltp", rate=SAMPLE_RATE)
        try:
            for frame in container.decode(stream):
                yield from _mono(resampler.resample(frame))
            yield from _mono(resampler.resample(None))
        except (av.FFmpegError, ValueError) as error:
            raise AudioError(f"{path}: broken audio: {error}") from error


def _mono(frames: list[AudioFrame]) -> Iterator[Samples]:
    for frame in frames:
        yield frame.to_ndarray().mean(axis=0, dtype=np.float32)


def _opened(path: Path) -> InputContainer:
    try:
        return av.open(str(path), mode="r", metadata_errors="ignore")
    except (av.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"cannot read {path}: {reason}") from error


def _audio_of(container: InputContainer, path: Path) -> AudioStream:
    if not container.streams.audio:
        raise AudioError(f"{path} has no audio")
    return container.streams.audio[0]
