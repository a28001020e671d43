"""What the same model makes of the same recordings offline: faster-whisper's `transcribe`, whole files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from echopanel.asr.catalog import Catalog
from echopanel.audio import pcm16_to_float
from echopanel.bench.align import align
from echopanel.bench.corpus import Recording
from echopanel.bench.reference import Normalise, SpokenWord

COMPUTE_TYPE = "int8"


def offline_errors(
    recordings: Sequence[Recording],
    words: Mapping[str, Sequence[SpokenWord]],
    normalise: Normalise,
    transcribe: Callable[[Recording], str],
) -> dict[str, tuple[int, ...]]:
    """Errors at each normalised word of each recording."""
    return {
        recording.name: align(
            [word.text for word in words[recording.name]], normalise(transcribe(recording)).split()
        ).errors
        for recording in recordings
    }


def faster_whisper(model: str, language: str | None) -> Callable[[Recording], str]:
    """faster-whisper with beam 1, else its defaults: no voice activity detection, temperature fallback.

    Raises:
        ModelUnavailable: no such model on this machine.
    """
    from faster_whisper import WhisperModel

    folder = Path(model) if Path(model).is_dir() else Catalog().resolve(model)
    whisper = WhisperModel(str(folder), device="cpu", compute_type=COMPUTE_TYPE)

    def transcribe(recording: Recording) -> str:
        samples = np.asarray(pcm16_to_float(recording.pcm))
        segments, _ = whisper.transcribe(samples, language=language, beam_size=1)
        return " ".join(segment.text.strip() for segment in segments)

    return transcribe
