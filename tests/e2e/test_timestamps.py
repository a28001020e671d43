"""Word times after a long silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.e2e.conftest import Note
from tests.e2e.programs import Server, stream
from tests.e2e.sounds import silence, write_wav
from tests.e2e.timing import deviations
from tests.helpers.speech import SAMPLE_RATE, Speech

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CUT_S = 8.3  # between "... the age of foolishness," and "it was the epoch of belief"
SILENCE_S = 60.0
END_S = 16.8


def test_times_are_right_after_a_minute_of_silence(
    server: Server, two_cities: Speech, tmp_path: Path, note: Note
) -> None:
    """The minute is in the times: on both sides of it words are within 0.3 s of where they were said."""
    speech = two_cities.load()
    cut, end = round(CUT_S * SAMPLE_RATE), round(END_S * SAMPLE_RATE)
    audio = np.concatenate([speech[:cut], silence(SILENCE_S), speech[cut:end]])
    words = stream(server, write_wav(tmp_path / "pause.wav", audio), "--speed", "0").words()
    for part, offset in (("before", 0.0), ("after", SILENCE_S)):
        reference = [
            (word, at) for word, at in two_cities.word_times if (at > CUT_S) is bool(offset) and at < END_S
        ]
        heard = [word for word in words if (word[1] > CUT_S + SILENCE_S / 2) is bool(offset)]
        found = deviations(heard, reference, offset)
        note(f"{part}: {found}")
        assert len(found.ends) >= 0.9 * len(reference)
        assert found.within(0.3)
