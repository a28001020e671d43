"""Prints docs/cli.md: `python -m echopanel.cli.docs`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

from echopanel.cli import exits
from echopanel.cli.app import app

INTRODUCTION = """\
# Command line

`echopanel COMMAND --help` shows what stands here. Results go to stdout; progress, notes and errors go to
stderr. An error is one line that says what to do, and an exit code that says what kind it is.
"""
WIDTH = 80


def document() -> str:
    """The whole page."""
    program = typer.main.get_command(app)
    chapters = [f"## `{path}`\n\n```text\n{text}\n```\n" for path, text in _helps(program, "echopanel", None)]
    return "\n".join([INTRODUCTION, "## Exit codes\n", exits.table() + "\n", *chapters])


def _helps(command: Any, name: str, parent: Any) -> Iterator[tuple[str, str]]:
    """The help of a command and of all below it, each with its full name; Typer keeps their types private."""
    context = command.make_context(name, [], parent=parent, resilient_parsing=True, terminal_width=WIDTH)
    yield context.command_path, command.get_help(context).rstrip()
    if isinstance(command, TyperGroup):
        for below in command.list_commands(context):
            yield from _helps(command.get_command(context, below), below, context)


if __name__ == "__main__":
    typer.echo(document(), nl=False)
