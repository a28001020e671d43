"""What all tests of the command line need."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from echopanel.cli.app import app


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
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """The settings and data of whoever runs the tests play no part."""
    monkeypatch.setattr("echopanel.config.layers.config_file", lambda: tmp_path / "none.toml")
    monkeypatch.setattr("echopanel.config.layers.os.environ", {})
    return Program()
