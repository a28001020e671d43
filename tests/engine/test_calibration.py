"""Timing models: a scripted one, whose cost is known, and the embedded one on speech."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from echopanel.asr.fake import Fake, Script
from echopanel.asr.provider import Capabilities, ModelSpec
from echopanel.audio import SAMPLE_RATE
from echopanel.engine import calibration
from echopanel.engine.calibration import (
    BATCHES,
    FINAL,
    FINAL_LENGTHS,
    PARTIAL_LENGTHS,
    Bench,
    Specimen,
    calibrate,
    calibrate_apart,
)
from echopanel.engine.recogniser import BUCKET_S
from echopanel.engine.sounds import known_sound
from echopanel.errors import ModelUnavailable
from tests.helpers.speech import Speech

# Not a processor, so that the time that passes counts: the scripted model sleeps.
SPEC = ModelSpec("fake", "scripted", device="elsewhere", threads=2)
CALLS = 1 + len(BATCHES) * (len(PARTIAL_LENGTHS) + len(FINAL_LENGTHS))


class Looping(Fake):
    """A provider whose models take one chunk after the other."""

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, max_batch=1)


def specimen() -> Specimen:
    """Something for a scripted model to hear."""
    return Specimen("sound", known_sound(20.0))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """The provider that calibration finds."""
    provider = Fake(Script(rtf=0.001))
    monkeypatch.setattr(calibration, "get_provider", lambda name: provider)
    return provider


def test_all_kinds_of_calls_are_timed_on_all_workers(fake: Fake) -> None:
    """Each worker makes each call, after one to warm up; the model is freed at the end."""
    found = calibrate(SPEC, 4, specimen())
    (model,) = fake.models
    assert (found.problem, model.closed) == ("", True)
    assert len(model.calls) == CALLS * SPEC.threads
    assert {len(call) for call in model.calls} == set(BATCHES)
    assert found.costs is not None
    assert found.costs.upkeep > 0
    assert found.rtf >= 0.001
    assert (found.compute.workers, found.compute.cores, found.compute.shared) == (2, 4, False)
    assert found.sources > 10


def test_a_model_that_loops_is_timed_with_one_chunk_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine never gives it more."""
    loops = Looping(Script(rtf=0.001))
    monkeypatch.setattr(calibration, "get_provider", lambda name: loops)
    found = calibrate(SPEC, 4, specimen())
    (model,) = loops.models
    assert {len(call) for call in model.calls} == {1}
    assert found.costs is not None
    assert (found.costs.partial.call, found.costs.final.call) == (0.0, 0.0)


def test_chunks_of_a_call_share_a_bucket(fake: Fake) -> None:
    """As the scheduler puts calls together: lengths apart by less than a bucket, as asked on average."""
    model = fake.load(SPEC)
    Bench(model, specimen(), 1, on_processor=False).time(8.0, 4, FINAL)
    (call,) = fake.models[0].calls
    lengths = [chunk.seconds for chunk in call]
    assert sum(lengths) / 4 == pytest.approx(8.0, abs=0.01)
    assert BUCKET_S / 2 < max(lengths) - min(lengths) < BUCKET_S


def test_chunks_are_of_different_speech() -> None:
    """Of the length that was asked for, also the longest."""
    sound = specimen()
    chunks = [sound.chunk(number, 8.0) for number in range(4)]
    assert {chunk.seconds for chunk in chunks} == {8.0}
    assert sound.chunk(9, max(FINAL_LENGTHS) + 1).seconds == max(FINAL_LENGTHS) + 1
    long = Specimen("counting", np.arange(20 * SAMPLE_RATE, dtype=np.float32))
    assert len({float(long.chunk(number, 8.0).samples[0]) for number in range(4)}) == 4


def test_a_hopelessly_slow_model_is_not_measured_to_the_end(fake: Fake) -> None:
    """It carries nobody, and that is known after two calls."""
    fake.script = Script(rtf=1.1)
    found = calibrate(SPEC, 2, specimen())
    assert (found.sources, found.problem, found.costs) == (0, "", None)
    assert found.rtf > 1.0
    assert len(fake.models[0].calls) == 2 * SPEC.threads


def test_a_model_that_cannot_be_used_says_why(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it does not load or does not answer."""
    fake.script = Script(unavailable="the file is gone")
    assert "the file is gone; this is a test" in calibrate(SPEC, 2, specimen()).problem
    fake.script = Script(fail=lambda call: call == 3)
    broken = calibrate(SPEC, 2, specimen())
    assert "call 3 fails by script" in broken.problem
    assert fake.models[-1].closed

    def crash(name: str) -> Fake:
        raise ModelUnavailable(name, "no memory")

    monkeypatch.setattr(calibration, "get_provider", crash)
    assert "no memory" in calibrate(SPEC, 2, specimen()).problem


@pytest.mark.slow
def test_the_embedded_model_in_a_process_of_its_own(two_cities: Speech) -> None:
    """Real figures: it carries somebody, its memory shows, and longer finals cost more."""
    speech = Specimen(two_cities.name, two_cities.load())
    found = calibrate_apart(ModelSpec("faster-whisper", "tiny.en", threads=2), 2, speech)
    assert (found.problem, found.speech) == ("", "two_cities.wav")
    assert found.sources > 0
    assert 0 < found.rtf < 1
    assert found.memory_bytes > 50_000_000
    assert 0 < found.undisturbed <= 1
    assert found.costs is not None
    assert found.costs.final.of(14.0) > found.costs.final.of(6.0) > 0


def test_a_crash_takes_only_its_own_process_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recogniser's library that ends the process is a problem like any other."""
    (tmp_path / "crasher.py").write_text(
        "import os\n"
        "from echopanel.asr.fake import Fake\n"
        "class Crasher(Fake):\n"
        "    def load(self, spec): os._exit(3)\n"
    )
    info = tmp_path / "crasher-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: crasher\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[echopanel.providers]\ncrasher = crasher:Crasher\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = calibrate_apart(ModelSpec("crasher", "any"), 2, specimen())
    assert (found.problem, found.sources) == ("the process that tried it crashed", 0)
