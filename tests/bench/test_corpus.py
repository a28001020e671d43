"""Reading a corpus."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import pytest

from echopanel.audio import SAMPLE_RATE
from echopanel.bench.corpus import load_corpus
from echopanel.errors import AudioError

ROWS = (
    {"file": "a.wav", "kind": "read", "text": "Hello there.", "speaker": "x"},
    {"file": "b.wav", "kind": "noise", "text": ""},
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Two short recordings, one with word times."""
    for row in ROWS:
        with wave.open(str(tmp_path / str(row["file"])), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes(bytes(range(200)) * 80)
    lines = [json.dumps(row) for row in ROWS]
    (tmp_path / "manifest.jsonl").write_text("\n".join(lines) + "\n\n", encoding="utf-8")
    times = {"file": "a.wav", "words": [["hello", 0.2], ["there", 0.45]]}
    (tmp_path / "word_times.jsonl").write_text(json.dumps(times) + "\n", encoding="utf-8")
    return tmp_path


def test_recordings_of_the_kinds_asked_for_are_loaded(directory: Path) -> None:
    """Audio as it is sent, text, and word times where there are any."""
    (one,) = load_corpus(directory, ("read",))
    assert (one.name, one.kind, one.text) == ("a.wav", "read", "Hello there.")
    assert one.pcm == bytes(range(200)) * 80
    assert (one.count, one.seconds) == (8000, 0.5)
    assert one.words == (("hello", 0.2), ("there", 0.45))
    assert [made.words for made in load_corpus(directory, ("read", "noise"))] == [one.words, ()]


def test_word_times_may_be_missing(directory: Path) -> None:
    """Then there are none."""
    (directory / "word_times.jsonl").unlink()
    assert load_corpus(directory, ("read",))[0].words == ()


def test_a_kind_that_is_not_there_is_named(directory: Path) -> None:
    """With those that are."""
    with pytest.raises(AudioError, match="nothing of kind song; it has noise, read"):
        load_corpus(directory, ("song",))


def test_a_directory_without_a_manifest_is_no_corpus(tmp_path: Path) -> None:
    """It says what is missing."""
    with pytest.raises(AudioError, match=r"is no corpus: it has no manifest\.jsonl"):
        load_corpus(tmp_path, ("read",))


def test_a_file_that_is_no_audio_is_an_error(directory: Path) -> None:
    """Before anything is measured."""
    (directory / "a.wav").write_text("text")
    with pytest.raises(AudioError, match=r"a\.wav"):
        load_corpus(directory, ("read",))
