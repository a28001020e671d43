"""Where nobody speaks there is no text: neither final nor partial."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.e2e import sounds
from tests.e2e.conftest import Note
from tests.e2e.programs import Server, stream
from tests.helpers.speech import Speech

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SECONDS = 15.0


@pytest.fixture(scope="module")
def nobody(corpus: list[Speech]) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Everything without speech, one after the other, loud and soft."""
    recorded = [speech.load() for speech in corpus if not speech.text]
    made = [
        sounds.silence(SECONDS),
        sounds.white_noise(SECONDS, -50.0),
        sounds.white_noise(SECONDS, -20.0),
        sounds.pink_noise(SECONDS, -40.0),
        sounds.pink_noise(SECONDS, -20.0),
        sounds.hum(SECONDS, -30.0),
        sounds.hum(SECONDS, -15.0, mains_hz=60.0),
        sounds.music(SECONDS),
    ]
    return np.concatenate([*made, *recorded])


def test_no_text_without_speech(server: Server, nobody: sounds.Samples, tmp_path: Path, note: Note) -> None:
    """Digital silence, noise, hum, music and, where there are recordings of them, rooms and an orchestra."""
    streamed = stream(server, sounds.write_wav(tmp_path / "quiet.wav", nobody), "--speed", "0")
    shown = [event["text"] for event in (*streamed.of("partial"), *streamed.of("final"))]
    note(f"{len(nobody) / 16_000:.0f} s without speech: {len(shown)} texts")
    assert shown == []
    ledger = streamed.ledgers["mic"]
    assert ledger["silence"] == ledger["captured"] == len(nobody)
