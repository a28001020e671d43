"""What whisper.cpp adds to the contract: accuracy, times, languages, contexts, threads, devices."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from echopanel.asr.catalog import Catalog
from echopanel.asr.ggml_files import GgmlFiles
from echopanel.asr.provider import DecodeOptions, Model, ModelSpec
from echopanel.asr.registry import get_provider
from echopanel.asr.whisper_cpp import WhisperCpp
from echopanel.asr.whisper_library import Context, Heard, Token, Window, load_library
from echopanel.audio import SAMPLE_RATE, Chunk, Source
from echopanel.errors import ConfigError, ModelUnavailable
from tests.helpers.speech import Speech, wer, word_errors

SPEC = ModelSpec("whisper-cpp", "tiny.en", threads=1)
FINAL = DecodeOptions(language="en", word_timestamps=True)
# Pauses of the recording, in seconds.
EDGES = (0.7, 4.75, 8.45, 13.2, 17.1, 20.8, 26.3, 28.5, 35.2, 41.7)


@pytest.fixture(scope="module")
def provider(catalog: Catalog) -> WhisperCpp:
    """With the models that are installed."""
    return WhisperCpp(GgmlFiles(catalog))


@pytest.fixture(scope="module")
def model(provider: WhisperCpp) -> Iterator[Model]:
    """The embedded model in one context."""
    loaded = provider.load(SPEC)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def base(provider: WhisperCpp) -> Iterator[Model]:
    """The multilingual model."""
    loaded = provider.load(replace(SPEC, name="base"))
    yield loaded
    loaded.close()


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[Window]:
    """The windows that were recognised."""
    windows: list[Window] = []
    hear = Context.hear

    def noted(self: Context, window: Window) -> Heard:
        windows.append(window)
        return hear(self, window)

    monkeypatch.setattr(Context, "hear", noted)
    return windows


def chunk(speech: Speech, start: float, end: float) -> Chunk:
    """A stretch of a recording."""
    first, last = round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)
    return Chunk(Source.MIC, first, speech.load()[first:last])


def test_utterances_one_by_one_give_the_text_of_the_book(model: Model, two_cities: Speech) -> None:
    """Each utterance with the previous one as left context, its words as prefix: WER at most 4 %."""
    text: list[str] = []
    known: list[str] = []
    for before, start, end in zip((EDGES[0], *EDGES), EDGES, EDGES[1:], strict=False):
        options = replace(FINAL, prefix=" ".join(known))
        (hypothesis,) = model.transcribe([chunk(two_cities, before, end)], [options])
        words = hypothesis.text.split()
        known = words[len(known) :] if before < start else words
        text += known
    assert wer(two_cities.text, " ".join(text)) <= 0.04


@pytest.mark.slow
def test_it_hears_as_well_as_faster_whisper(model: Model, tiny: Model, corpus: list[Speech]) -> None:
    """On eight recordings of a sentence each, greedy: word error rates within 2 points."""
    errors, words = {model: 0, tiny: 0}, 0
    for speech in [one for one in corpus if 4 <= len(one.load()) / SAMPLE_RATE <= 8 and one.text][:8]:
        whole = Chunk(Source.MIC, 0, speech.load())
        for one in errors:
            (hypothesis,) = one.transcribe([whole], [DecodeOptions(language="en")])
            wrong, count = word_errors(speech.text, hypothesis.text)
            errors[one] += wrong
        words += count
    assert errors[model] - errors[tiny] <= 0.02 * words


def test_words_are_where_they_are_said(model: Model, two_cities: Speech) -> None:
    """Ends of words lie within 0.2 s of the reference in the median, 0.6 s for nine of ten."""
    start, end = 0.7, 13.2
    (hypothesis,) = model.transcribe([chunk(two_cities, start, end)], [FINAL])
    ends: dict[str, float] = {}
    for word in hypothesis.words:
        ends.setdefault(word.text.strip(",.").lower(), start + word.end)
    reference: dict[str, float] = {}
    for text, moment in two_cities.word_times:
        reference.setdefault(text, moment)
    errors = [abs(ends[text] - moment) for text, moment in reference.items() if text in ends and moment < end]
    assert len(errors) >= 10
    assert np.median(errors) <= 0.2
    assert np.quantile(errors, 0.9) <= 0.6


@pytest.mark.slow
def test_languages_are_detected_obeyed_or_ignored(base: Model, two_cities: Speech) -> None:
    """The model names what it heard; a language it has is obeyed; one it has not is detected instead."""
    spoken = chunk(two_cities, *EDGES[:2])
    wishes = (None, "en-GB", "tlh", "de")
    found = base.transcribe([spoken] * 4, [DecodeOptions(language=wish) for wish in wishes])
    assert [one.language for one in found] == ["en", "en", "en", "de"]
    for one in found[:3]:
        assert wer("It was the best of times, it was the worst of times.", one.text) <= 0.1


@pytest.mark.slow
def test_a_call_leaves_no_trace_in_the_next(base: Model, two_cities: Speech) -> None:
    """Whatever context and language the call before had, detection and text stay the same."""
    spoken, long = chunk(two_cities, *EDGES[:2]), chunk(two_cities, 13.0, 23.0)
    options = DecodeOptions(word_timestamps=True)
    (first,) = base.transcribe([spoken], [options])
    base.transcribe([long], [DecodeOptions(language="de", final=False)])
    assert base.transcribe([spoken], [options]) == [first]


def test_an_english_model_is_english(model: Model, two_cities: Speech) -> None:
    """Another language is no error: a batch belongs to many sessions."""
    (hypothesis,) = model.transcribe([chunk(two_cities, *EDGES[:2])], [DecodeOptions(language="de")])
    assert hypothesis.language == "en"
    assert wer("It was the best of times, it was the worst of times.", hypothesis.text) <= 0.1


def test_hotwords_change_what_is_heard(model: Model, two_cities: Speech) -> None:
    """A name given beforehand is spelled as given."""
    spoken = chunk(two_cities, 8.4, 13.2)
    (plain,) = model.transcribe([spoken], [FINAL])
    (helped,) = model.transcribe([spoken], [replace(FINAL, hotwords="Epok, the EPOK of incredulity")])
    assert helped.text != plain.text


def test_the_context_is_short_and_beams_are_for_finals(
    model: Model, two_cities: Speech, heard: list[Window]
) -> None:
    """Speech and 2, 4 or 6 s behind it, in steps of 20 ms; what fills the window is encoded whole."""
    partial = DecodeOptions(language="en", beam_size=3, final=False)
    final, preview = replace(partial, final=True), replace(partial, preview=True)
    first = []
    for end, options in ((2.9, preview), (2.9, partial), (2.9, final), (27.0, final)):
        heard.clear()
        model.transcribe([chunk(two_cities, 0.9, end)], [options])
        first.append((heard[0].audio_ctx, heard[0].beam_size))
    assert first == [(200, 1), (300, 1), (400, 3), (0, 3)]


def test_a_loop_is_tried_again_on_the_full_window(
    model: Model, two_cities: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whisper repeats itself in too short a context; a final gets another chance, a partial is cut."""
    hear, windows = Context.hear, []
    age = (Token(2479, b" age", 0.9, 0.5),) * 9

    def looping(self: Context, window: Window) -> Heard:
        windows.append(window)
        return Heard(age, -0.1, "en") if window.audio_ctx else hear(self, window)

    monkeypatch.setattr(Context, "hear", looping)
    spoken = chunk(two_cities, *EDGES[:2])
    (final,) = model.transcribe([spoken], [replace(FINAL, beam_size=5)])
    assert final.retried == 1
    assert wer("It was the best of times, it was the worst of times.", final.text) <= 0.1
    assert [(window.audio_ctx, window.beam_size) for window in windows] == [(550, 5), (0, 1)]
    (partial,) = model.transcribe([spoken], [replace(FINAL, final=False)])
    assert (partial.text, partial.retried) == ("age", 0)


def test_other_threads_run_while_it_decodes(
    model: Model, two_cities: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The binding lets go of the interpreter: the event loop lives on during a call."""
    api = load_library().api
    entered, left = threading.Event(), threading.Event()

    class Watched:
        def __getattr__(self, name: str) -> object:
            return getattr(api, name)

        def whisper_full(self, *arguments: object) -> int:
            entered.set()
            code: int = api.whisper_full(*arguments)
            left.set()
            return code

    monkeypatch.setattr(load_library(), "api", Watched())
    spoken = chunk(two_cities, 1.0, 29.0)
    calling = threading.Thread(target=model.transcribe, args=([spoken], [FINAL]))
    calling.start()
    entered.wait()
    for _ in range(100):
        time.sleep(0)  # lets the other thread on, if it wants to
    assert not left.is_set()
    calling.join()


def test_contexts_go_by_threads_and_memory(provider: WhisperCpp, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small model has one for each thread; where memory would not do, threads share a context."""
    loads: list[int] = []
    monkeypatch.setattr(Context, "__init__", lambda self, *_, threads, **__: loads.append(threads))
    monkeypatch.setattr(Context, "free", lambda self: None)
    provider.load(replace(SPEC, threads=3)).close()
    assert loads == [1, 1, 1]
    monkeypatch.setattr("echopanel.asr.whisper_cpp._MOST_WEIGHTS", 100_000_000)
    provider.load(replace(SPEC, threads=3)).close()
    assert loads[3:] == [3]
    one, three = (provider.size(replace(SPEC, threads=threads)) for threads in (1, 3))
    assert one == three > 77_000_000


def test_a_context_that_fails_frees_the_others(provider: WhisperCpp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing stays in memory of a model that could not be loaded."""
    made: list[Context] = []
    freed: list[Context] = []

    def fail_second(self: Context, *_: object, **__: object) -> None:
        if made:
            raise ModelUnavailable("tiny.en", "no room")
        made.append(self)

    monkeypatch.setattr(Context, "__init__", fail_second)
    monkeypatch.setattr(Context, "free", lambda self: freed.append(self))
    with pytest.raises(ModelUnavailable, match="no room"):
        provider.load(replace(SPEC, threads=2))
    assert freed == made


def test_the_device_is_one_that_the_build_has(provider: WhisperCpp, monkeypatch: pytest.MonkeyPatch) -> None:
    """The GPU is offered where the installed build has one, and preferred by `auto`."""
    with pytest.raises(ModelUnavailable, match="cannot run on gpu"):
        provider.load(replace(SPEC, device="gpu"))
    with pytest.raises(ModelUnavailable, match="cannot run on npu; take one of cpu"):
        provider.load(replace(SPEC, device="npu"))
    asked: list[bool] = []
    monkeypatch.setattr(WhisperCpp, "backends", ("COREML", "MTL"))
    monkeypatch.setattr(Context, "__init__", lambda self, *_, gpu, **__: asked.append(gpu))
    monkeypatch.setattr(Context, "free", lambda self: None)
    assert provider.capabilities.devices == ("gpu", "cpu")
    for device in ("auto", "gpu", "cpu"):
        provider.load(replace(SPEC, device=device)).close()
    assert asked == [True, True, False]


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider is known all the same."""
    monkeypatch.setitem(sys.modules, "_pywhispercpp", None)
    load_library.cache_clear()
    with pytest.raises(ConfigError, match=r"cannot be used: .*pip install 'echopanel\[whisper-cpp\]'"):
        get_provider("whisper-cpp")
