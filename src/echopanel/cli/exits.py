"""How a command ends: every error is one line on stderr and an exit code."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from enum import IntEnum

import typer

from echopanel.errors import (
    ConfigError,
    ConnectionLost,
    EchoPanelError,
    ModelUnavailable,
    ServerError,
)


class ExitCode(IntEnum):
    """What a script can tell from the exit code."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    MODEL = 4
    REFUSED = 5
    INTERRUPTED = 130


MEANINGS: Mapping[ExitCode, str] = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "it did not work: a file, the data directory, the recogniser",
    ExitCode.USAGE: "wrong arguments or settings",
    ExitCode.UNREACHABLE: "no server answers, or the connection was lost for good",
    ExitCode.MODEL: "the model is not there, or not the files it should be",
    ExitCode.REFUSED: "the server said no: wrong token, too many sessions, overload",
    ExitCode.INTERRUPTED: "stopped by Ctrl-C",
}

_CODES: tuple[tuple[type[EchoPanelError], ExitCode], ...] = (
    (ConfigError, ExitCode.USAGE),
    (ModelUnavailable, ExitCode.MODEL),
    (ServerError, ExitCode.REFUSED),
    (ConnectionLost, ExitCode.UNREACHABLE),
    (EchoPanelError, ExitCode.FAILED),
)


def explain(error: EchoPanelError | typer.TyperException | OSError) -> tuple[str, int]:
    """The line to print and the code to exit with."""
    if isinstance(error, EchoPanelError):
        code: int = next(code for kind, code in _CODES if isinstance(error, kind))
        text = str(error)
    elif isinstance(error, OSError):
        code, text = ExitCode.FAILED, _system(error)
    else:
        code, text = error.exit_code, _usage(error)
    return f"echopanel: {' '.join(text.split())}", code


def _system(error: OSError) -> str:
    what = error.strerror or str(error) or type(error).__name__
    if error.errno == errno.ENOSPC:
        what += "; free some space"
    return f"{error.filename}: {what}" if error.filename else what


def _usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)  # the classes that have one are private to Typer
    hint = f"; see `{context.command_path} --help`" if context else ""
    return error.format_message().rstrip(".") + hint


def table() -> str:
    """All codes as a Markdown table."""
    rows = [f"| {code.value} | {meaning} |" for code, meaning in MEANINGS.items()]
    return "\n".join(["| exit code | meaning |", "| --- | --- |", *rows])


def epilog() -> str:
    """All codes for the end of a help text."""
    return "\b\nExit codes:\n" + "\n".join(f"  {code.value:<3}  {text}" for code, text in MEANINGS.items())
