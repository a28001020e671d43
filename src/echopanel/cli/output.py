"""Where exports go: to stdout, or into files that are not overwritten by mistake; and how long work takes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from echopanel.errors import EchoPanelError


class FileExists(EchoPanelError):
    """An output file that is there already."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path} exists already; overwrite it with --force, or choose another --output"


def check_free(path: Path, *, force: bool) -> None:
    """Make sure that a file may be written, before the work begins.

    Raises:
        FileExists: it is there, and `force` is not given.
    """
    if path.exists() and not force:
        raise FileExists(path)


def write(path: Path, text: str, *, force: bool) -> None:
    """Write a file as a whole or not at all, and say so on stderr.

    Raises:
        FileExists: it is there, and `force` is not given.
        OSError: it cannot be written.
    """
    check_free(path, force=force)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    typer.echo(f"wrote {path}", err=True)


@contextmanager
def progress(name: str, seconds: float | None) -> Iterator[Callable[[float], None]]:
    """A bar over so many seconds of audio on a terminal; nothing in a log file."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=seconds)
        yield lambda done: bar.update(task, completed=done)
