"""What streaming costs in accuracy: live finals against faster-whisper's own `transcribe()`, same model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from faster_whisper import WhisperModel

from echopanel.asr.catalog import Catalog
from tests.e2e.conftest import Note
from tests.e2e.programs import FULL_QUALITY, serving, stream
from tests.helpers.speech import Speech, word_errors

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

# Faster than it can be recognised: the text comes late, but at full quality, whatever else the machine does.
SPEED = "16"
AT_ONCE = 2
MAX_LOSS = 0.01  # of the words, absolute


@pytest.mark.timeout(600)
def test_live_text_is_as_good_as_transcribing_whole_files(
    corpus: list[Speech], tmp_path: Path, note: Note
) -> None:
    """All recordings with speech, beam 1: the live word error rate is at most one point above."""
    spoken = [speech for speech in corpus if speech.text]
    model = WhisperModel(
        str(Catalog().resolve("tiny.en", None)), compute_type="int8", cpu_threads=1, num_workers=2
    )
    with serving(tmp_path, *FULL_QUALITY) as server:
        live = texts(spoken, lambda speech: stream(server, speech.path, "--speed", SPEED).text(), AT_ONCE)
    whole = texts(spoken, lambda speech: transcribe(model, speech), 2)
    for kind in ("all", *sorted({speech.kind for speech in spoken})):
        chosen = [speech for speech in spoken if kind in ("all", speech.kind)]
        words = sum(word_errors(speech.text, "")[1] for speech in chosen)
        note(f"{kind}, {words} words: live {rate(chosen, live):.2%}, transcribe() {rate(chosen, whole):.2%}")
    assert rate(spoken, live) <= rate(spoken, whole) + MAX_LOSS


def transcribe(model: WhisperModel, speech: Speech) -> str:
    """Whole file, as anybody would call it, but greedy."""
    segments, _ = model.transcribe(speech.load(), language="en", beam_size=1)
    return " ".join(segment.text.strip() for segment in segments)


def texts(spoken: Iterable[Speech], recognise: Callable[[Speech], str], at_once: int) -> dict[str, str]:
    """Text by recording, some at a time, the longest first."""
    with ThreadPoolExecutor(at_once) as pool:
        longest = sorted(spoken, key=lambda speech: -len(speech.load()))
        return dict(zip((speech.name for speech in longest), pool.map(recognise, longest), strict=True))


def rate(spoken: Iterable[Speech], heard: dict[str, str]) -> float:
    """Word error rate over all of them."""
    counted = [word_errors(speech.text, heard[speech.name]) for speech in spoken]
    return sum(errors for errors, _ in counted) / sum(words for _, words in counted)
