"""The program as a whole: help, exit codes, errors, documentation."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from echopanel import __version__
from echopanel.cli import docs, exits
from echopanel.cli.app import app
from echopanel.cli.exits import ExitCode
from echopanel.errors import (
    AudioError,
    ConfigError,
    ConnectionLost,
    EchoPanelError,
    ErrorCode,
    ModelUnavailable,
    Overloaded,
    ServerError,
    StoreError,
)
from tests.cli.conftest import Program

DOCUMENT = Path(__file__).parents[2] / "docs" / "cli.md"
HEAVY = {
    "numpy",
    "pydantic",
    "rich",
    "sqlite3",
    "av",
    "fastapi",
    "uvicorn",
    "websockets",
    "onnxruntime",
    "ctranslate2",
}


def commands(command: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """All commands and groups of the program by their names."""
    found = {path: command}
    if isinstance(command, TyperGroup):
        for name, below in command.commands.items():
            found |= commands(below, (*path, name))
    return found


COMMANDS = commands(typer.main.get_command(app))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_with_examples(program: Program, path: tuple[str, ...]) -> None:
    """`--help` works, begins with a short sentence, and shows the command in use."""
    result = program(*path, "--help")
    assert (result.exit_code, result.stderr) == (0, "")
    assert re.search(
        r"^  Examples?:\n    (\w+=\S+ )?echopanel " + " ".join(path), result.stdout, re.MULTILINE
    )
    sentence = COMMANDS[path].get_short_help_str(100)
    assert len(sentence) <= 65
    assert sentence.endswith(".")


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_option_is_described(path: tuple[str, ...]) -> None:
    """No flag or argument without a sentence."""
    assert [one.name for one in COMMANDS[path].params if not one.help or not one.help.endswith(".")] == []


def test_without_a_command_the_help_is_shown(program: Program) -> None:
    """Somebody who types the name only sees what there is."""
    alone = program()
    assert (alone.exit_code, alone.stdout) == (0, program("--help").stdout)


def test_the_version_is_the_packages(program: Program) -> None:
    """One line for bug reports."""
    assert program("--version").stdout == f"echopanel {__version__}\n"


def test_help_loads_nothing_heavy() -> None:
    """`--help` and completion answer at once, because commands import what they need when they run."""
    code = "import sys; import echopanel.cli; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert HEAVY & set(loaded.split()) == set()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--nonsense"], "No such option: --nonsense; see `echopanel --help`"),
        (["serv"], "No such command 'serv'. Did you mean 'serve'?; see `echopanel --help`"),
        (["serve", "--port", "http"], "Invalid value for '--port'"),
        (["transcribe"], "Missing argument 'FILE'; see `echopanel transcribe --help`"),
        (["transcribe", "no-such.wav"], "'no-such.wav' does not exist"),
        (["sessions"], "Missing command; see `echopanel sessions --help`"),
    ],
)
def test_wrong_arguments_are_one_line_with_the_way_to_the_help(
    program: Program, arguments: list[str], line: str
) -> None:
    """Exit code 2, and what to read."""
    code, text = program.refusal(*arguments)
    assert code == ExitCode.USAGE
    assert line in text


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (AudioError("no audio in x.txt"), 1, "no audio in x.txt"),
        (StoreError("a\nb"), 1, "a b"),
        (
            OSError(errno.ENOSPC, "No space left on device", "out.txt"),
            1,
            "out.txt: No space left on device; free",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "out.txt"), 1, "out.txt: Permission denied"),
        (ConfigError("server.port", 1, "taken"), 2, "server.port=1: taken"),
        (ConnectionLost("nobody answers", resumable=False), 3, "connection lost: nobody answers"),
        (ModelUnavailable("big", "not there", "pull it"), 4, "model 'big': not there; pull it"),
        (ServerError(ErrorCode.UNAUTHORIZED, "the token is wrong"), 5, "unauthorized: the token is wrong"),
        (Overloaded(ErrorCode.SESSION_LIMIT, "full", 5.0), 5, "session_limit: full (try again in 5 s)"),
    ],
)
def test_every_kind_of_failure_has_its_exit_code(
    error: EchoPanelError | OSError, code: int, line: str
) -> None:
    """A script can tell them apart without reading."""
    text, given = exits.explain(error)
    assert given == code
    assert text.startswith(f"echopanel: {line}")
    assert "\n" not in text


def test_interrupting_ends_quietly(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is not an error: no traceback, exit code 130."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("echopanel.config.load_settings", interrupted)
    result = program("sessions", "list")
    assert (result.exit_code, result.output) == (ExitCode.INTERRUPTED, "")


def test_a_reader_that_leaves_early_gets_no_complaint() -> None:
    """`echopanel ... | head` ends quietly."""
    command = [sys.executable, "-m", "echopanel", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == ExitCode.FAILED


def test_the_module_is_the_program() -> None:
    """`python -m echopanel` is the same as `echopanel`."""
    command = [sys.executable, "-m", "echopanel", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"echopanel {__version__}\n"


def test_the_documentation_is_what_the_program_says() -> None:
    """docs/cli.md is what `python -m echopanel.cli.docs` prints."""
    assert DOCUMENT.read_text(encoding="utf-8") == docs.document()
