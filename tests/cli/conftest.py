"""What all tests of the command line need."""

from __future__ import annotations

import logging
import os
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from echopanel.audio import SAMPLE_RATE, float_to_pcm16
from echopanel.cli.app import app
from tests.helpers.speech import Speech


class Program:
    """The program, run in this process, with a home of its own."""

    def __init__(self) -> None:
        self._runner = CliRunner()

    def __call__(self, *arguments: str | Path, stdin: str = "") -> Result:
        return self._runner.invoke(app, [str(argument) for argument in arguments], input=stdin)

    def refusal(self, *arguments: str | Path) -> tuple[int, str]:
        """Exit code and the one line on stderr of a command that must not work; nothing on stdout."""
        result = self(*arguments)
        assert result.stdout == ""
        assert result.stderr.startswith("echopanel: ")
        assert result.stderr.count("\n") == 1
        return result.exit_code, result.stderr.removeprefix("echopanel: ").rstrip("\n")


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    """Settings of whoever runs the tests play no part; logging and environment are afterwards as before."""
    monkeypatch.setattr("echopanel.config.layers.config_file", lambda: tmp_path / "none.toml")
    for name in [name for name in os.environ if name.startswith("ECHOPANEL_")]:
        monkeypatch.delenv(name)
    root, before = logging.getLogger(), set(os.environ)
    handlers, level = root.handlers[:], root.level
    yield Program()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    for name in set(os.environ) - before:
        del os.environ[name]


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory, two_cities: Speech) -> Path:
    """The first sentence of the recording, 8 s, as a WAV file."""
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(float_to_pcm16(two_cities.load()[: 8 * SAMPLE_RATE]))
    return path
