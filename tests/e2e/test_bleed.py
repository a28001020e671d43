"""A microphone that hears the loudspeakers, through the whole program."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.e2e.conftest import Note
from tests.e2e.programs import Json, Server, stream
from tests.e2e.sounds import Samples, silence, white_noise, write_wav
from tests.helpers.speech import SAMPLE_RATE, Speech

Times = list[tuple[str, float]]
CUT_S = 20.7  # in a pause of the recording: what comes before is remote speech, the rest is the user's own
END_S = 42.0
DOUBLED = 0.05
HIDDEN = 0.01
pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def spelled(word: str) -> str:
    """As the word times of recordings are spelled."""
    return "".join(char for char in word.lower() if char.isalnum())


def among(word: Json, times: Times) -> bool:
    """Whether a recognised word is one that was said then."""
    text = spelled(word["text"])
    return any(said == text and abs(word["end"] - end) <= 0.5 for said, end in times)


def mixed(remote: Samples, own: Samples, late_s: float, own_at_s: float) -> Samples:
    """What the microphone hears: the user, and the loudspeakers 10 dB down and late."""
    heard = white_noise(0.5 + max(len(remote) / SAMPLE_RATE, own_at_s + len(own) / SAMPLE_RATE), -65.0)
    for samples, at_s, gain_db in ((remote, late_s, -10), (own, own_at_s, 0)):
        first = round(at_s * SAMPLE_RATE)
        heard[first : first + len(samples)] += samples * 10 ** (gain_db / 20)
    return heard


@pytest.mark.parametrize(
    ("late_s", "own_at_s"),
    [(0.05, CUT_S + 1.0), (0.3, CUT_S + 1.0), (0.15, 1.0)],
    ids=["turns-50ms", "turns-300ms", "double-talk-150ms"],
)
def test_remote_words_are_not_shown_twice(
    server: Server, two_cities: Speech, tmp_path: Path, note: Note, late_s: float, own_at_s: float
) -> None:
    """At most 5 % of the remote words are shown for the microphone, and at most 1 % of its own are hidden."""
    speech, cut = two_cities.load(), round(CUT_S * SAMPLE_RATE)
    remote, own = speech[:cut], speech[cut : round(END_S * SAMPLE_RATE)]
    said_remote = [(spelled(word), end) for word, end in two_cities.word_times if end < CUT_S]
    said_own = [
        (spelled(word), end - CUT_S + own_at_s) for word, end in two_cities.word_times if CUT_S < end < END_S
    ]
    heard = mixed(remote, own, late_s, own_at_s)
    played = np.concatenate([remote, silence((len(heard) - len(remote)) / SAMPLE_RATE)])
    files = write_wav(tmp_path / "mic.wav", heard), write_wav(tmp_path / "system.wav", played)
    finals = stream(server, *files, "--speed", "4").of("final", "mic")
    words = [word for final in finals for word in final["words"]]
    mine = [word for word in words if among(word, said_own)]
    theirs = [w for w in words if w not in mine and among(w, [(t, end + late_s) for t, end in said_remote])]
    doubled = sum("bleed" not in word for word in theirs)
    hidden = sum("bleed" in word for word in mine)
    note(f"{doubled} of {len(said_remote)} remote words doubled (without marks {len(theirs)})")
    note(f"{hidden} of {len(mine)} own words hidden")
    assert doubled <= DOUBLED * len(said_remote)
    assert len(mine) >= 0.8 * len(said_own)
    assert hidden <= HIDDEN * len(mine)
