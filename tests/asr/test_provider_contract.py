"""What every provider promises, on real speech. A new provider joins by a line in `PROVIDERS`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import pytest

from echopanel.asr.catalog import Catalog
from echopanel.asr.fake import Fake
from echopanel.asr.faster_whisper import FasterWhisper
from echopanel.asr.ggml_files import GgmlFiles
from echopanel.asr.provider import DecodeOptions, Hypothesis, Model, ModelSpec, Provider
from echopanel.asr.whisper_cpp import WhisperCpp
from echopanel.audio import SAMPLE_RATE, Chunk, Samples, Source
from echopanel.errors import TranscriptionFailed
from echopanel.policy.agreement import normalise
from tests.helpers.fake_realtime import served_by_server
from tests.helpers.speech import Speech
from tests.helpers.voxtral import served_by_program

PROVIDERS: dict[str, Callable[[Catalog], AbstractContextManager[Provider]]] = {
    "fake": lambda _: nullcontext(Fake()),
    "faster-whisper": lambda catalog: nullcontext(FasterWhisper(catalog)),
    "voxtral": lambda _: served_by_program(),
    "voxtral-realtime": lambda _: served_by_server(),
    "whisper-cpp": lambda catalog: nullcontext(WhisperCpp(GgmlFiles(catalog))),
}
FINAL = DecodeOptions(language="en", word_timestamps=True)
PARTIAL = DecodeOptions(language="en", final=False)


@pytest.fixture(scope="module", params=sorted(PROVIDERS))
def provider(request: pytest.FixtureRequest, catalog: Catalog) -> Iterator[Provider]:
    """Each provider in turn."""
    with PROVIDERS[request.param](catalog) as made:
        yield made


@pytest.fixture(scope="module")
def model(provider: Provider) -> Iterator[Model]:
    """Its smallest model."""
    loaded = provider.load(ModelSpec("any", "tiny.en"))
    yield loaded
    loaded.close()


def chunk(samples: Samples, start_s: float = 0.0, end_s: float | None = None) -> Chunk:
    """A stretch of a recording, in seconds."""
    first, last = round(start_s * SAMPLE_RATE), None if end_s is None else round(end_s * SAMPLE_RATE)
    return Chunk(Source.MIC, first, samples[first:last])


def utterances(speech: Speech) -> list[Chunk]:
    """Stretches between pauses of the opening of A Tale of Two Cities, of unlike lengths."""
    edges = [(0.7, 4.8), (4.7, 8.4), (8.3, 13.1), (13.0, 17.0), (17.1, 20.7), (20.6, 26.2), (28.4, 35.1)]
    return [chunk(speech.load(), *edge) for edge in edges]


def words_of(hypothesis: Hypothesis) -> list[str]:
    """What was said, without case and punctuation."""
    return [normalise(word) for word in hypothesis.text.split()]


def test_it_is_a_provider_of_models(provider: Provider, model: Model) -> None:
    """Both satisfy the protocols, and the capabilities make sense."""
    assert isinstance(provider, Provider)
    assert isinstance(model, Model)
    able = provider.capabilities
    assert able.max_batch >= 1
    assert 1.0 <= able.max_chunk_seconds <= 30.0
    assert able.devices


def test_nothing_gives_nothing(model: Model) -> None:
    """No chunks, no hypotheses."""
    assert model.transcribe([], []) == []


@pytest.mark.parametrize("seconds", [0.0, 1 / SAMPLE_RATE, 0.01, 1.0, 30.0])
@pytest.mark.parametrize("options", [FINAL, PARTIAL])
def test_silence_has_no_text(model: Model, seconds: float, options: DecodeOptions) -> None:
    """Digital silence of any length, also none at all, is recognised as nothing."""
    silence = chunk(np.zeros(round(seconds * SAMPLE_RATE), dtype=np.float32))
    (hypothesis,) = model.transcribe([silence], [options])
    assert (hypothesis.text, hypothesis.words) == ("", ())


def test_speech_has_text_and_words_in_order(model: Model, two_cities: Speech) -> None:
    """Words joined are the text; their times grow and lie inside the chunk; probabilities are such."""
    spoken = utterances(two_cities)
    for part, heard in zip(spoken, model.transcribe(spoken, [FINAL] * len(spoken)), strict=True):
        assert heard.text
        assert heard.text == " ".join(heard.text.split())
        assert " ".join(word.text for word in heard.words) == heard.text
        times = [time for word in heard.words for time in (word.start, word.end)]
        assert times == sorted(times)
        assert times[0] >= 0.0
        assert times[-1] <= part.seconds
        assert all(0.0 <= word.probability <= 1.0 for word in heard.words)
        assert heard.language == "en"


def test_words_come_only_when_asked_for(model: Model, two_cities: Speech) -> None:
    """Without word timestamps there is text alone."""
    (heard,) = model.transcribe(utterances(two_cities)[:1], [DecodeOptions(language="en")])
    assert heard.text
    assert heard.words == ()


def test_a_batch_says_what_its_chunks_say_alone(model: Model, two_cities: Speech) -> None:
    """Hypotheses are in the order of the chunks, whatever else is in the batch, silence included.

    The words are compared: some processors round the products of a batch otherwise, which can make a comma
    a full stop, and the pause there belong to another word. Where it did not, the times are the same.
    """
    spoken = utterances(two_cities)
    spoken.insert(2, chunk(np.zeros(8000, dtype=np.float32)))
    options = [FINAL, PARTIAL] * 4
    together = model.transcribe(spoken, options)
    alone = [model.transcribe([part], [wanted])[0] for part, wanted in zip(spoken, options, strict=True)]
    assert [words_of(heard) for heard in together] == [words_of(heard) for heard in alone]
    same = [
        (batched, single)
        for batched, single in zip(together, alone, strict=True)
        if batched.text == single.text
    ]
    assert len(same) > len(spoken) / 2
    for batched, single in same:
        starts = [word.start for word in single.words]
        np.testing.assert_allclose([word.start for word in batched.words], starts, atol=0.05)


def test_threads_do_not_disturb_each_other(model: Model, two_cities: Speech) -> None:
    """Calls from several threads at once give what they would give one after the other."""
    spoken = utterances(two_cities)

    def hear(part: Chunk) -> Hypothesis:
        return model.transcribe([part], [FINAL])[0]

    one_by_one = [hear(part) for part in spoken]
    with ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(hear, spoken))
    assert [heard.text for heard in at_once] == [heard.text for heard in one_by_one]


def test_the_same_audio_gives_the_same_text(model: Model, two_cities: Speech) -> None:
    """Repeating a call changes nothing, and the samples are left as they were."""
    part = utterances(two_cities)[0]
    before = part.samples.copy()
    first, second = (model.transcribe([part], [FINAL]) for _ in range(2))
    assert first == second
    np.testing.assert_array_equal(part.samples, before)


def test_a_prefix_is_repeated(model: Model, two_cities: Speech) -> None:
    """What is known of a chunk comes back at the start of its text."""
    part = utterances(two_cities)[0]
    (heard,) = model.transcribe([part], [PARTIAL])
    prefix = " ".join(heard.text.split()[:3])
    options = DecodeOptions(language="en", final=False, prefix=prefix, word_timestamps=True)
    (again,) = model.transcribe([part], [options])
    assert again.text.startswith(prefix)
    assert len(again.text) > len(prefix)
    assert " ".join(word.text for word in again.words) == again.text


def test_the_longest_chunk_is_taken_and_a_longer_one_refused(
    provider: Provider, model: Model, two_cities: Speech
) -> None:
    """`max_chunk_seconds` is honest in both directions."""
    longest = provider.capabilities.max_chunk_seconds
    (heard,) = model.transcribe([chunk(two_cities.load(), 0.0, longest)], [FINAL])
    assert len(heard.words) > 2 * longest
    with pytest.raises(TranscriptionFailed, match=r"\d+\.\d s"):
        model.transcribe([chunk(two_cities.load(), 0.0, longest + 1.0)], [FINAL])


@pytest.mark.parametrize("seconds", [0.05, 0.15, 0.3, 0.6])
def test_a_shred_of_speech_does_no_harm(model: Model, two_cities: Speech, seconds: float) -> None:
    """Chunks too short for a word give few words or none, inside their time."""
    pieces = [chunk(two_cities.load(), at, at + seconds) for at in (1.0, 5.3, 9.1)]
    for heard in model.transcribe(pieces, [FINAL] * len(pieces)):
        assert len(heard.text) <= 20 + 40 * seconds
        assert all(0.0 <= word.start <= word.end <= seconds for word in heard.words)


def test_noise_that_clips_does_no_harm(model: Model) -> None:
    """Full-scale and over-scale samples are recognised as something or nothing, without an error."""
    loud = 3.0 * np.random.default_rng(0).standard_normal(2 * SAMPLE_RATE).astype(np.float32)
    for heard in model.transcribe([chunk(loud), chunk(np.sign(loud))], [FINAL, PARTIAL]):
        assert all(a.end <= b.start for a, b in itertools.pairwise(heard.words))


def test_a_closed_model_refuses(provider: Provider, two_cities: Speech) -> None:
    """After `close` a call fails in the way that the contract names."""
    closed = provider.load(ModelSpec("any", "tiny.en", threads=1))
    closed.close()
    with pytest.raises(TranscriptionFailed, match="closed"):
        closed.transcribe(utterances(two_cities)[:1], [FINAL])
