"""The package in docs/write-a-provider.md is built, installed and used through its entry point."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from echopanel.asr.provider import DecodeOptions, Model, ModelSpec, Provider
from echopanel.asr.registry import get_provider, list_providers
from echopanel.audio import SAMPLE_RATE, Chunk, Source
from echopanel.errors import ModelUnavailable, TranscriptionFailed
from tests.helpers.speech import Speech

GUIDE = Path(__file__).parents[1] / "docs" / "write-a-provider.md"
FILE = re.compile(r"^`([\w.]+)` [^\n]*\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
OPTIONS = DecodeOptions(word_timestamps=True)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory into which pip installed the package."""
    source, target = (tmp_path_factory.mktemp(name) for name in ("echopanel-syllables", "installed"))
    files = FILE.findall(GUIDE.read_text(encoding="utf-8"))
    assert [name for name, _ in files] == ["pyproject.toml", "echopanel_syllables.py"]
    for name, text in files:
        (source / name).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index", "--no-build-isolation", "--target", str(target)]
    subprocess.run([*command, *offline, str(source)], check=True)
    return target


@pytest.fixture
def provider(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Provider:
    """The provider, found by its name."""
    monkeypatch.syspath_prepend(str(installed))
    return get_provider("syllables")


@pytest.fixture
def model(provider: Provider) -> Model:
    """Its model."""
    return provider.load(ModelSpec("syllables", "careful"))


def chunk(speech: Speech, start: float, end: float) -> Chunk:
    """A stretch of a recording, in seconds."""
    first, last = round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)
    return Chunk(Source.MIC, first, speech.load()[first:last])


def test_it_is_listed_with_its_package(provider: Provider, model: Model) -> None:
    """Name, version and capabilities come from the entry point; both classes satisfy the protocols."""
    assert isinstance(model, Model)
    (line,) = (one for one in list_providers() if one.name == "syllables")
    assert (line.package, line.version, line.unavailable) == ("echopanel-syllables", "0.1.0", "")
    assert line.capabilities == provider.capabilities


def test_it_keeps_the_contract(model: Model, two_cities: Speech) -> None:
    """Speech has words in time and order, silence has none, a prefix is repeated, a closed model refuses."""
    spoken = chunk(two_cities, 0.9, 4.8)
    (heard,) = model.transcribe([spoken], [OPTIONS])
    assert 8 <= len(heard.words) <= 20  # twelve syllables are said
    assert heard.text == " ".join(word.text for word in heard.words)
    times = [time for word in heard.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[-1] <= spoken.seconds
    options = DecodeOptions(prefix="It was the", word_timestamps=True)
    (again,) = model.transcribe([spoken], [options])
    assert again.text.startswith("It was the ta ta")
    for samples in (0, 1, SAMPLE_RATE):
        silence = Chunk(Source.MIC, 0, np.zeros(samples, np.float32))
        assert model.transcribe([silence], [OPTIONS])[0].text == ""
    model.close()
    with pytest.raises(TranscriptionFailed, match="closed"):
        model.transcribe([spoken], [OPTIONS])


def test_an_unknown_model_says_what_there_is(provider: Provider) -> None:
    """As the guide promises."""
    with pytest.raises(ModelUnavailable, match="take one of careful, eager"):
        provider.load(ModelSpec("syllables", "tiny.en"))


@pytest.mark.e2e
def test_the_program_uses_it(installed: Path, two_cities: Speech) -> None:
    """`echopanel transcribe --provider` turns speech into its words; the list of models names it."""
    environment = {**os.environ, "PYTHONPATH": str(installed)}

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "echopanel", *arguments]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    text = run("transcribe", str(two_cities.path), "--provider", "syllables", "--model", "careful")
    words = [word for word in text.split() if not word.startswith("[")]
    assert len(words) > 60  # 119 words are said
    assert set(words) == {"ta"}
    assert "provider syllables: can be used on cpu" in run("models", "list").splitlines()
