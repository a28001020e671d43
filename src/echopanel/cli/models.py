"""`echopanel models`: which models there are, fetching and checking them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from echopanel.errors import ModelUnavailable

if TYPE_CHECKING:
    from echopanel.config import Settings

ABOUT = """
List, fetch and verify models.

\b
Examples:
  echopanel models list
  echopanel models pull base
  echopanel models verify
"""

app = typer.Typer(help=ABOUT, rich_markup_mode=None)


@app.command("list")
def list_models() -> None:
    """List the models known by name.

    Shows size, languages, and where each is or how to get it. A model of your own is a directory; other
    commands take it as `--model DIR`.

    \b
    Example:
      echopanel models list
    """
    from echopanel.asr.catalog import Catalog

    for one in Catalog().listings():
        where = f"{one.origin}: {one.folder}" if one.folder else f"not here; {one.origin}"
        typer.echo(f"{one.name:<17} {one.megabytes:>5} MB  {one.languages:<13}  {where}")


@app.command()
def pull(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Models, as `models list` names them.")],
) -> None:
    """Fetch models that are not here yet, and verify them.

    \b
    Example:
      echopanel models pull small.en
    """
    from echopanel.asr.catalog import Catalog

    catalog = Catalog()
    for name in names:
        with _progress(name) as report:
            folder = catalog.pull(name, report)
        typer.echo(f"{name}: {folder}")


@app.command()
def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Models or directories; else all that are here."),
    ] = None,
) -> None:
    """Compare model files with the digests they should have.

    \b
    Examples:
      echopanel models verify
      echopanel models verify tiny.en
    """
    from echopanel.asr.catalog import Catalog

    catalog = Catalog()
    troubles: list[ModelUnavailable] = []
    for name in names or [one.name for one in catalog.listings() if one.folder]:
        directory = Path(name) if Path(name).is_dir() else None
        try:
            for file in catalog.verify(name, directory):
                typer.echo(
                    f"{name}: {file.path}: {'ok' if file.pinned else 'read, no digest to compare with'}"
                )
        except ModelUnavailable as error:
            troubles.append(error)
    for trouble in troubles[1:]:
        typer.echo(f"echopanel: {trouble}", err=True)
    if troubles:
        raise troubles[0]


def settle(settings: Settings) -> Settings:
    """Choose provider and model where that is left to us, and say so; download what is not here yet.

    Raises:
        ModelUnavailable: it is not to be had, or nothing that is installed fits.
    """
    from echopanel.asr.catalog import Catalog
    from echopanel.engine.advisor import AUTO, choose

    if AUTO in (settings.model.provider, settings.model.name):
        choice = choose(settings.model.provider, settings.model.name)
        typer.echo(f"auto: {choice.why}", err=True)
        chosen = {
            "provider": choice.provider,
            "name": choice.model,
            "device": choice.device,
            "compute_type": choice.compute_type,
        }
        settings = settings.model_copy(update={"model": settings.model.model_copy(update=chosen)})
    catalog = Catalog()
    if any(one.name == settings.model.name and one.folder is None for one in catalog.listings()):
        with _progress(settings.model.name) as report:
            catalog.pull(settings.model.name, report)
    return settings


@contextmanager
def _progress(name: str) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on a terminal; nothing in a log file."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
