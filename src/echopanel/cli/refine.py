"""`echopanel sessions refine`: a second pass over a recorded session, without a server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from echopanel.cli import options, output
from echopanel.cli.kept import existing

if TYPE_CHECKING:
    from echopanel.config import Settings
    from echopanel.engine.second_pass import SecondPass
    from echopanel.transcript import Refined


def refine(
    session: options.Session,
    model: Annotated[
        str,
        typer.Option("--model", help="Model out of the catalogue, or directory; bigger than the live one."),
    ],
    provider: options.Provider = None,
    data_dir: options.DataDir = None,
    config: options.Config = None,
) -> None:
    """Recognise a recorded session once more, with a bigger model.

    Needs its recordings, which a server with --record keeps. The result is always the same for the same
    recording and model. Exports then have it in place of the live text; that is kept, too.

    \b
    Example:
      echopanel sessions refine 0123456789abcdef --model base
    """
    from echopanel.asr.stock import check_installed
    from echopanel.config import load_settings
    from echopanel.config.libraries import tune_libraries
    from echopanel.engine.second_pass import plan
    from echopanel.server.specs import model_spec
    from echopanel.store.archive import Archive

    tune_libraries()
    flags = {
        "model.name": model,
        "model.provider": provider,
        "model.load": "lazy",
        "store.data_dir": data_dir,
    }
    settings = _settled(load_settings(flags, config))
    spec = model_spec(settings)
    with existing(session, data_dir, config) as store:
        work = plan(store, Archive(store.path.parent), session, spec)
        check_installed(spec)
        refined = asyncio.run(_refine(work, settings))
        store.save_refined(session, refined)
    words = sum(len(segment.text.split()) for segment in refined.segments)
    typer.echo(f"refined {session} with {spec.name}: {words} words", err=True)


def _settled(settings: Settings) -> Settings:
    """The settings with a provider where that is left to us."""
    from echopanel.engine.advisor import AUTO, choose

    if settings.model.provider != AUTO:
        return settings
    chosen = {"provider": choose(AUTO, settings.model.name).provider}
    return settings.model_copy(update={"model": settings.model.model_copy(update=chosen)})


async def _refine(work: SecondPass, settings: Settings) -> Refined:
    from echopanel.audio import to_seconds
    from echopanel.engine.engine import Engine
    from echopanel.server.logs import configure_logging
    from echopanel.server.translate import engine_settings

    configure_logging("warning", settings.log.format)
    engine = Engine(engine_settings(settings))
    await engine.start()
    try:
        total = to_seconds(sum(ledger.captured for ledger in work.live.coverage.values()))
        with output.progress("refining", total) as report:
            return await engine.refine(work, on_progress=report)
    finally:
        await engine.close()
