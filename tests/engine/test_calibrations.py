"""What is remembered of earlier measurements, and until when."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from echopanel.asr.provider import ModelSpec
from echopanel.engine import calibrations
from echopanel.engine.calibration import Calibration
from echopanel.engine.calibrations import Calibrations, versions
from echopanel.equipment import Machine
from echopanel.policy.capacity import CallCost, Compute, Costs

MACHINE = Machine("Linux", "x86_64", "made up", 2, 8_000_000_000, ("AVX2",))
SPEC = ModelSpec("faster-whisper", "tiny.en")
COSTS = Costs(CallCost(0.05, 0.01, 0.01, 0.01), CallCost(0.1, 0.02), 0.01)
FOUND = Calibration(SPEC, Compute(2, 2), "speech.wav", 0.05, 300_000_000, 0.5, 0.9, COSTS)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A file in a directory that is not there yet."""
    return tmp_path / "cache" / "calibrations.json"


def test_a_measurement_is_found_again_by_another_process(cache: Path) -> None:
    """With all its figures."""
    Calibrations(MACHINE, cache).keep(FOUND)
    again = Calibrations(MACHINE, cache)
    assert again.find(SPEC) == FOUND
    assert again.all() == [FOUND]
    assert again.carried() == {("faster-whisper", "tiny.en"): FOUND.sources}
    assert FOUND.sources > 1


def test_it_holds_for_this_machine_this_model_and_these_versions(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anything else has to be measured again."""
    Calibrations(MACHINE, cache).keep(FOUND)
    assert Calibrations(replace(MACHINE, cores=4), cache).find(SPEC) is None
    known = Calibrations(MACHINE, cache)
    assert known.find(replace(SPEC, threads=4)) is None
    assert known.find(replace(SPEC, compute_type="float32")) is None
    monkeypatch.setattr(calibrations, "version", lambda name: "another")
    assert Calibrations(MACHINE, cache).find(SPEC) is None
    assert Calibrations(MACHINE, cache).all() == []


def test_a_new_measurement_takes_the_place_of_the_old_one(cache: Path) -> None:
    """And leaves those of other models alone, also those that another process has written meanwhile."""
    first, second = Calibrations(MACHINE, cache), Calibrations(MACHINE, cache)
    other = replace(FOUND, model=replace(SPEC, name="base"))
    first.keep(FOUND)
    second.keep(other)
    first.keep(replace(FOUND, rtf=0.07))
    assert {(one.model.name, one.rtf) for one in Calibrations(MACHINE, cache).all()} == {
        ("tiny.en", 0.07),
        ("base", 0.05),
    }


def test_of_several_ways_to_run_a_model_the_best_counts(cache: Path) -> None:
    """For the recommendation it matters what it can do at its best."""
    known = Calibrations(MACHINE, cache)
    known.keep(FOUND)
    known.keep(replace(FOUND, model=replace(SPEC, compute_type="float32"), costs=None))
    assert known.carried() == {("faster-whisper", "tiny.en"): FOUND.sources}


@pytest.mark.parametrize("content", ["", "no json", "[]", '{"a": {"model": 3}}'])
def test_a_file_that_cannot_be_read_counts_as_empty(cache: Path, content: str) -> None:
    """It is only a cache; the next measurement writes it anew."""
    cache.parent.mkdir()
    cache.write_text(content)
    known = Calibrations(MACHINE, cache)
    assert known.all() == []
    known.keep(FOUND)
    assert Calibrations(MACHINE, cache).find(SPEC) == FOUND


def test_a_cache_that_cannot_be_written_is_no_harm(tmp_path: Path) -> None:
    """The figures hold for this process."""
    (tmp_path / "file").write_text("")
    known = Calibrations(MACHINE, tmp_path / "file" / "calibrations.json")
    known.keep(FOUND)
    assert known.find(SPEC) == FOUND


def test_versions_are_those_of_a_package_and_what_it_needs() -> None:
    """A newer recogniser is as good as another machine; an unknown package has none."""
    assert any(line.startswith("ctranslate2 4.") for line in versions("echopanel"))
    assert versions("no-such-package") == versions("") == ()
