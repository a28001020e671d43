"""What the real model adds to the contract: accuracy, times, languages, noise, broken files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from echopanel.asr.catalog import Catalog
from echopanel.asr.faster_whisper import FasterWhisper
from echopanel.asr.provider import DecodeOptions, Model, ModelSpec
from echopanel.audio import SAMPLE_RATE, Chunk, Source
from echopanel.errors import ModelUnavailable
from tests.helpers.speech import Speech, wer

SPEC = ModelSpec("faster-whisper", "tiny.en", threads=1)
FINAL = DecodeOptions(language="en", word_timestamps=True)
# Pauses of the recording, in seconds.
EDGES = (0.7, 4.75, 8.45, 13.2, 17.1, 20.8, 26.3, 28.5, 35.2, 41.7)


@pytest.fixture(scope="module")
def base(catalog: Catalog) -> Iterator[Model]:
    """The multilingual model."""
    model = FasterWhisper(catalog).load(replace(SPEC, name="base"))
    yield model
    model.close()


def chunk(speech: Speech, start: float, end: float) -> Chunk:
    """A stretch of a recording."""
    first, last = round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)
    return Chunk(Source.MIC, first, speech.load()[first:last])


def test_utterances_one_by_one_give_the_text_of_the_book(tiny: Model, two_cities: Speech) -> None:
    """Each utterance with the previous one as left context, its words as prefix: WER at most 4 %."""
    text: list[str] = []
    known: list[str] = []
    for before, start, end in zip((EDGES[0], *EDGES), EDGES, EDGES[1:], strict=False):
        options = replace(FINAL, prefix=" ".join(known))
        (heard,) = tiny.transcribe([chunk(two_cities, before, end)], [options])
        known = heard.text.split()[len(known) :] if before < start else heard.text.split()
        text += known
    assert wer(two_cities.text, " ".join(text)) <= 0.04


def test_words_are_where_they_are_said(tiny: Model, two_cities: Speech) -> None:
    """Ends of words lie within 0.2 s of the reference in the median, 0.6 s for nine of ten."""
    start, end = 0.7, 13.2
    (heard,) = tiny.transcribe([chunk(two_cities, start, end)], [FINAL])
    ends: dict[str, float] = {}
    for word in heard.words:
        ends.setdefault(word.text.strip(",.").lower(), start + word.end)
    reference: dict[str, float] = {}
    for text, time in two_cities.word_times:
        reference.setdefault(text, time)
    errors = [abs(ends[text] - time) for text, time in reference.items() if text in ends and time < end]
    assert len(errors) >= 10
    assert np.median(errors) <= 0.2
    assert np.quantile(errors, 0.9) <= 0.6


def test_the_language_is_found_and_a_given_one_obeyed(base: Model, two_cities: Speech) -> None:
    """A multilingual model says which language it heard; who names one gets that."""
    spoken = chunk(two_cities, *EDGES[:2])
    detected, given = base.transcribe([spoken, spoken], [DecodeOptions(), DecodeOptions(language="de")])
    assert (detected.language, given.language) == ("en", "de")
    assert wer("It was the best of times, it was the worst of times.", detected.text) <= 0.1


@pytest.mark.parametrize("language", ["tlh", "en-GB", "EN", ""])
def test_an_odd_language_is_no_error(base: Model, two_cities: Speech, language: str) -> None:
    """A batch belongs to many sessions, so one's odd wish must not fail it."""
    (heard,) = base.transcribe([chunk(two_cities, *EDGES[:2])], [DecodeOptions(language=language)])
    assert heard.language == "en"
    assert heard.text


def test_hotwords_change_what_is_heard(tiny: Model, two_cities: Speech) -> None:
    """A name given beforehand is spelled as given."""
    spoken = chunk(two_cities, 8.4, 13.2)
    (plain,) = tiny.transcribe([spoken], [FINAL])
    (helped,) = tiny.transcribe([spoken], [replace(FINAL, hotwords="the epoch of incredulity")])
    assert "incredulity" in helped.text
    assert helped.text != plain.text


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json", "config.json"])
def test_a_directory_with_a_broken_file_is_refused(catalog: Catalog, tmp_path: Path, name: str) -> None:
    """Whatever the engine makes of it, the error says which directory and what to do."""
    own = Path(shutil.copytree(catalog.resolve("tiny.en"), tmp_path / "own"))
    (own / name).write_bytes(b"\0" * 100)
    with pytest.raises(ModelUnavailable, match=r"own.*; "):
        FasterWhisper(catalog).load(replace(SPEC, path=own))


@pytest.mark.parametrize("spec", [replace(SPEC, device="toaster"), replace(SPEC, compute_type="int3")])
def test_a_device_that_does_not_exist_is_refused(catalog: Catalog, spec: ModelSpec) -> None:
    """So is a kind of number."""
    with pytest.raises(ModelUnavailable, match="check device and compute type"):
        FasterWhisper(catalog).load(spec)
