"""`echopanel models`: which models there are, fetching, checking and converting them."""

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
List, fetch, verify and convert models.

\b
Examples:
  echopanel models list
  echopanel models pull base
  echopanel models verify
  echopanel models convert tiny.en
"""

app = typer.Typer(help=ABOUT, rich_markup_mode=None)


@app.command("list")
def list_models() -> None:
    """List the models known by name, and who can use them.

    Shows size, languages, providers, and where each is or how to get it. A model of your own is a directory,
    or for whisper-cpp a ggml file; other commands take it as `--model PATH`.

    \b
    Example:
      echopanel models list
    """
    from echopanel.asr.catalog import Catalog
    from echopanel.asr.entries import PROVIDERS
    from echopanel.asr.ggml_files import GgmlFiles
    from echopanel.asr.registry import list_providers

    catalog, providers = Catalog(), list_providers()
    able = ", ".join(one.name for one in providers if one.name in PROVIDERS and not one.unavailable)
    for model in catalog.listings():
        where = f"{model.origin}: {model.folder}" if model.folder else f"not here; {model.origin}"
        typer.echo(f"{model.name:<17} {model.megabytes:>5} MB  {model.languages:<13}  {able:<28}  {where}")
    for name, place in GgmlFiles(catalog).present().items():
        size = place.path.stat().st_size // 1_000_000
        typer.echo(f"{name:<17} {size:>5} MB  {'':<13}  {'whisper-cpp':<28}  {place.origin}: {place.path}")
    for provider in providers:
        able_on = f"on {', '.join(provider.capabilities.devices)}" if provider.capabilities else ""
        state = (
            f"cannot be used: {provider.unavailable}" if provider.unavailable else f"can be used {able_on}"
        )
        typer.echo(f"provider {provider.name}: {state}")


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


@app.command()
def convert(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="Model, as `models list` names it, or a CTranslate2 directory."),
    ],
    target: Annotated[
        Path | None,
        typer.Argument(metavar="OUT", help="File to write; else the place where whisper-cpp looks for it."),
    ] = None,
) -> None:
    """Write a model as a ggml file for whisper.cpp, without loss.

    Says where it is.

    \b
    Examples:
      echopanel models convert tiny.en
      echopanel models convert base ggml-base.bin
    """
    from echopanel.asr.ggml_files import GgmlFiles

    files = GgmlFiles()
    path = Path(model) if Path(model).is_dir() else None
    name = path.name if path else model
    if target is None:
        typer.echo(f"{name}: {files.make(name, path)}")
        return
    digest = files.convert(name, target, path)
    typer.echo(f"{name}: {target} (SHA-256 {digest})")


def settle(settings: Settings) -> Settings:
    """Choose provider and model where that is left to us; download or convert what is not here; say so.

    Raises:
        ModelUnavailable: it is not to be had, or nothing that is installed fits.
        ConfigError: the provider cannot be used.
    """
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
    if settings.model.provider == "whisper-cpp":
        _ensure_converted(settings)
    else:
        _ensure_pulled(settings.model.name)
    return settings


def _ensure_pulled(name: str) -> None:
    """Download a model if it is one of ours and not here yet."""
    from echopanel.asr.catalog import Catalog

    catalog = Catalog()
    if any(one.name == name and one.folder is None for one in catalog.listings()):
        with _progress(name) as report:
            catalog.pull(name, report)


def _ensure_converted(settings: Settings) -> None:
    """Convert the model for whisper.cpp if that was not done yet."""
    from echopanel.asr.ggml_files import GgmlFiles
    from echopanel.asr.registry import get_provider
    from echopanel.server.specs import model_spec

    get_provider(settings.model.provider)
    spec, files = model_spec(settings), GgmlFiles()
    if files.find(spec.name, spec.path) is None:
        _ensure_pulled(spec.name)
        typer.echo(f"converting {spec.name} for whisper.cpp: {files.kept(spec.name, spec.path)}", err=True)
        files.make(spec.name, spec.path)


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
