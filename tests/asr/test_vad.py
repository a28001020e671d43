"""The streaming detector gives what the whole recording in one go would give, and hears speech only."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from faster_whisper.vad import get_vad_model
from hypothesis import given, settings
from hypothesis import strategies as st

from echopanel.asr.silero import WINDOW, State
from echopanel.asr.vad import Probabilities, SileroVad
from echopanel.audio import SAMPLE_RATE, Samples
from echopanel.errors import ModelUnavailable
from tests.helpers.speech import Speech, load_two_cities

SECONDS = 6


@pytest.fixture(scope="module")
def vad() -> SileroVad:
    """The network, loaded once."""
    return SileroVad()


def opening() -> Samples:
    """Six seconds that hold speech and a pause."""
    return load_two_cities().load()[: SECONDS * SAMPLE_RATE]


@settings(max_examples=25)
@given(cuts=st.lists(st.integers(0, SECONDS * SAMPLE_RATE), max_size=12))
def test_how_audio_is_cut_makes_no_difference(cuts: list[int]) -> None:
    """Any sizes of pushes, empty ones too, give the probabilities of the whole in one go."""
    shared, samples = SileroVad(), opening()
    whole = shared.stream().push(samples)
    stream = shared.stream()
    edges = [0, *sorted(cuts), len(samples)]
    pieces = [stream.push(samples[first:last]) for first, last in itertools.pairwise(edges)]
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-5)
    assert stream.waiting == len(samples) % WINDOW


def test_probabilities_equal_the_batch_implementation(vad: SileroVad, two_cities: Speech) -> None:
    """faster-whisper's own batch detector says the same, but for its last window, whose end it blanks."""
    samples = two_cities.load()
    count = len(samples) // WINDOW
    reference = get_vad_model()(samples[: count * WINDOW].copy()).reshape(-1)
    np.testing.assert_allclose(vad.stream().push(samples)[: count - 1], reference[:-1], atol=1e-5)


@pytest.mark.parametrize("noise", [0.0, 0.002])
def test_silence_needs_no_network(vad: SileroVad, monkeypatch: pytest.MonkeyPatch, noise: float) -> None:
    """Muted or faintly noisy: once settled it costs next to nothing, and what follows is heard as before."""
    chance = np.random.default_rng(1)
    samples = np.concatenate((opening(), np.zeros(60 * SAMPLE_RATE, np.float32), opening()))
    samples += noise * chance.standard_normal(len(samples)).astype(np.float32)
    whole = vad.stream().push(samples)
    windows = count_windows(vad, monkeypatch)
    stream = vad.stream()
    pieces = [stream.push(samples[first : first + 1600]) for first in range(0, len(samples), 1600)]
    decided_otherwise = (np.concatenate(pieces) > 0.5) != (whole > 0.5)
    assert decided_otherwise.sum() <= 3  # the state drifts with the length of the silence
    at_most = (2 * SECONDS + 3) * SAMPLE_RATE / WINDOW + (0.25 * len(whole) if noise else 0)
    assert sum(windows) < at_most


@pytest.mark.parametrize("loudness", [0.05, 0.01, 0.004])
def test_soft_speech_in_faint_noise_is_heard_as_without_sparing(
    vad: SileroVad, monkeypatch: pytest.MonkeyPatch, loudness: float
) -> None:
    """Down to twice as loud as the noise, after seconds of nothing but that: the same windows are speech."""
    chance = np.random.default_rng(2)
    speech = opening() * (loudness / np.sqrt(np.square(opening()).mean()))
    samples = np.concatenate((np.zeros(5 * SAMPLE_RATE, np.float32), speech))
    samples += 0.002 * chance.standard_normal(len(samples)).astype(np.float32)
    pieces = [samples[first : first + 1600] for first in range(0, len(samples), 1600)]
    spared = vad.stream()
    heard = np.concatenate([spared.push(piece) for piece in pieces])
    monkeypatch.setattr("echopanel.asr.vad.NoiseFloor.covers", lambda *_: False)
    all_ = vad.stream()
    expected = np.concatenate([all_.push(piece) for piece in pieces])
    assert (expected > 0.5).sum() > 20
    assert ((heard > 0.5) != (expected > 0.5)).sum() <= 2


def count_windows(vad: SileroVad, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """From now on, how many windows each call of the network scores."""
    windows: list[int] = []
    run = vad.run

    def counting(audio: Samples, state: State) -> tuple[Probabilities, State]:
        windows.append(len(audio) // WINDOW)
        return run(audio, state)

    monkeypatch.setattr(vad, "run", counting)
    return windows


def test_streams_do_not_disturb_each_other(vad: SileroVad, two_cities: Speech) -> None:
    """Many sources in many threads share one network and get what each would get alone."""
    samples = two_cities.load()
    sources = [samples[first : first + 3 * SAMPLE_RATE] for first in range(0, 12 * SAMPLE_RATE, SAMPLE_RATE)]

    def score(source: Samples) -> Samples:
        stream = vad.stream()
        return np.concatenate([stream.push(source[i : i + 1600]) for i in range(0, len(source), 1600)])

    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(score, sources))
    for source, scored in zip(sources, together, strict=True):
        np.testing.assert_array_equal(scored, score(source))


def test_reset_forgets_everything(vad: SileroVad, two_cities: Speech) -> None:
    """After `reset` a stream is as good as new, whatever it heard and however much was waiting."""
    samples = two_cities.load()[: SAMPLE_RATE + 100]
    stream = vad.stream()
    first = stream.push(samples)
    assert stream.waiting
    stream.reset()
    assert stream.waiting == 0
    np.testing.assert_array_equal(stream.push(samples), first)


def test_speech_is_told_from_silence_and_noise(vad: SileroVad, two_cities: Speech) -> None:
    """Most windows of speech are likely speech; silence, noise and hum never are."""
    spoken = vad.stream().push(two_cities.load())
    assert np.mean(spoken > 0.5) > 0.6
    chance = np.random.default_rng(0)
    time = np.arange(10 * SAMPLE_RATE) / SAMPLE_RATE
    others = {
        "silence": np.zeros_like(time),
        "white noise": 0.1 * chance.standard_normal(len(time)),
        "mains hum": 0.3 * np.sin(2 * np.pi * 50 * time),
    }
    peaks = {name: float(vad.stream().push(wave.astype(np.float32)).max()) for name, wave in others.items()}
    assert [name for name, peak in peaks.items() if peak >= 0.5] == []


def test_a_broken_network_file_is_refused(tmp_path: Path) -> None:
    """The error names the file and says what to do."""
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a network")
    with pytest.raises(ModelUnavailable, match=r"broken\.onnx.*install"):
        SileroVad(broken)


def test_the_state_of_a_stream_can_be_read(vad: SileroVad) -> None:
    """Its repr says how much waits for a full window."""
    stream = vad.stream()
    stream.push(np.zeros(100, dtype=np.float32))
    assert repr(stream) == "<VadStream [100 samples waiting]>"
