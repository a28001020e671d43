"""From what is on this machine to a choice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from echopanel.asr.provider import Capabilities
from echopanel.asr.registry import ProviderInfo
from echopanel.engine import advisor
from echopanel.engine.advisor import choose, placement, survey
from echopanel.equipment import Gpu, Machine
from echopanel.errors import ModelUnavailable

PLAIN = Machine("Linux", "x86_64", "made up", 2, 8_000_000_000)


@pytest.fixture
def nowhere(tmp_path: Path) -> Path:
    """A cache without measurements."""
    return tmp_path / "calibrations.json"


def on(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be on another machine."""
    monkeypatch.setattr(advisor, "detect", lambda: machine)


def test_everything_is_looked_at(nowhere: Path) -> None:
    """Machine, providers, models; nothing was measured."""
    found = survey(nowhere)
    assert {one.name for one in found.providers} >= {"fake", "faster-whisper"}
    assert {one.model for one in found.offers if one.installed} >= {"tiny.en", "base"}
    assert {one.provider for one in found.offers}.isdisjoint({"fake"})
    assert found.calibrations == ()


def test_a_choice_is_installed_and_says_why(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Base is here, base.en would be what the rule names."""
    on(PLAIN, monkeypatch)
    choice = choose("auto", "auto", nowhere)
    assert (choice.provider, choice.device, choice.compute_type) == ("faster-whisper", "cpu", "int8")
    assert "because of 4 to 16 GB of memory" in choice.why
    assert choice.model.startswith("base")


def test_half_a_choice_keeps_to_the_other_half(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that was named is not replaced, and neither is a provider."""
    on(PLAIN, monkeypatch)
    assert choose("auto", "tiny.en", nowhere).model == "tiny.en"
    assert choose("faster-whisper", "auto", nowhere).provider == "faster-whisper"


def test_where_nothing_fits_the_reason_is_told(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that helps, if there is one."""
    on(replace(PLAIN, ram_bytes=100_000_000), monkeypatch)
    with pytest.raises(ModelUnavailable, match=r"none can be recommended: .* does not fit into 80%"):
        choose("auto", "auto", nowhere)
    on(PLAIN, monkeypatch)
    with pytest.raises(ModelUnavailable, match="no model is installed"):
        choose("fake", "auto", nowhere)


def test_a_gpu_is_used_by_providers_that_can(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In float16; others stay where the settings say."""
    on(replace(PLAIN, cuda=(Gpu("made up", 24_000_000_000),)), monkeypatch)
    found = survey(nowhere)
    assert placement(found, "faster-whisper") == ("cuda", "float16")
    assert placement(found, "fake") is None
    choice = choose("auto", "auto", nowhere)
    assert (choice.device, choice.compute_type) == ("cuda", "float16")


def test_a_mac_uses_metal_where_the_build_has_it(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build without it stays on the processor."""
    on(replace(PLAIN, metal=True), monkeypatch)
    found = survey(nowhere)
    plain = Capabilities(1, 30.0, ("cpu",))
    builds = {"with": replace(plain, devices=("gpu", "cpu")), "without": plain}
    infos = [ProviderInfo(name, "", "", abilities, "") for name, abilities in builds.items()]
    found = replace(found, providers=tuple(infos))
    assert placement(found, "with") == ("gpu", "int8")
    assert placement(found, "without") is None
