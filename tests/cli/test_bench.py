"""`echopanel bench`: what it refuses before anything is measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from echopanel.cli.bench import parse_sources
from echopanel.cli.exits import ExitCode
from tests.cli.conftest import Program


def test_numbers_of_sources_are_read() -> None:
    """With or without blanks; none at all makes sense when there are silent ones."""
    assert parse_sources("1, 8,40", idle=0) == [1, 8, 40]
    assert parse_sources("0", idle=100) == [0]


@pytest.mark.parametrize("text", ["", "many", "1,,2", "-1", "0", "1.5"])
def test_other_numbers_are_refused(program: Program, tmp_path: Path, text: str) -> None:
    """One line with the option."""
    code, line = program.refusal("bench", "--corpus", tmp_path, f"--sources={text}")
    assert code == ExitCode.USAGE
    assert line.startswith(f"--sources={text}: ")


def test_a_directory_without_recordings_is_refused(program: Program, tmp_path: Path) -> None:
    """It says what a corpus has."""
    code, line = program.refusal("bench", "--corpus", tmp_path)
    assert code == ExitCode.FAILED
    assert "is no corpus: it has no manifest.jsonl" in line


def test_files_are_not_overwritten_by_mistake(program: Program, tmp_path: Path) -> None:
    """Known before the minutes of measuring."""
    there = tmp_path / "rows.json"
    there.touch()
    code, line = program.refusal("bench", "--corpus", tmp_path, "--json", there)
    assert code == ExitCode.FAILED
    assert "exists already" in line
