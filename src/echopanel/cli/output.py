"""Where exports go: to stdout, or into files that are not overwritten by mistake."""

from __future__ import annotations

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
