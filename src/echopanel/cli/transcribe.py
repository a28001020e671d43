"""`echopanel transcribe`: files into text, without a server."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from echopanel.cli import exits, options, output
from echopanel.errors import AudioError, ConfigError, TranscriptionFailed

if TYPE_CHECKING:
    from echopanel.config import Settings
    from echopanel.engine.engine import Engine
    from echopanel.transcript import Transcript


def transcribe(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, help="Recordings, of any kind FFmpeg reads."
        ),
    ],
    kind: options.Format = "txt",
    target: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Directory for the results; else stdout."),
    ] = None,
    force: options.Force = False,
    model: options.Model = None,
    language: options.Language = None,
    provider: options.Provider = None,
    config: options.Config = None,
) -> int:
    """Turn recordings into text, without a server.

    \b
    Examples:
      echopanel transcribe talk.mp3
      echopanel transcribe talk.mp3 > talk.txt
      echopanel transcribe *.wav --format srt --output subtitles/
      echopanel transcribe interview.m4a --model base --language de --format md
    """
    from echopanel.config import load_settings
    from echopanel.config.libraries import tune_libraries

    tune_libraries()
    jobs = plan(files, kind, target, force=force)
    flags = {"model.name": model, "model.provider": provider, "model.load": "eager"}
    settings = load_settings(flags, config)
    return asyncio.run(_transcribe(jobs, settings, language))


@dataclass(frozen=True, slots=True)
class Job:
    """A recording and where its text goes; `target` None: stdout, under a heading if there are several."""

    file: Path
    kind: options.FormatName
    target: Path | None
    force: bool
    heading: bool


def plan(files: Sequence[Path], kind: options.FormatName, target: Path | None, *, force: bool) -> list[Job]:
    """Where each file's text goes; checked before hours of work.

    Raises:
        ConfigError: two results would be one file, or make no sense one after the other.
        FileExists: a result is there already, and `force` is not given.
    """
    several = len(files) > 1
    if target is None:
        if several and kind not in ("txt", "md"):
            raise ConfigError("--format", kind, "several files of this kind need --output DIR")
        return [Job(file, kind, None, force, several) for file in files]
    names = Counter(f"{file.stem}.{kind}" for file in files)
    for name, count in names.items():
        if count > 1:
            raise ConfigError("--output", target, f"{count} files would become {name}; transcribe them apart")
        output.check_free(target / name, force=force)
    return [Job(file, kind, target / f"{file.stem}.{kind}", force, several) for file in files]


async def _transcribe(jobs: Sequence[Job], settings: Settings, language: str | None) -> int:
    """Do one job after the other; one that fails is reported and does not stop the others."""
    from echopanel.cli.models import settle
    from echopanel.engine.engine import Engine
    from echopanel.policy.ladder import LadderSettings
    from echopanel.server.logs import configure_logging
    from echopanel.server.translate import engine_settings

    configure_logging("warning", settings.log.format)
    settings = settle(settings)
    # A file can wait: it is never overload, however fast it is read.
    steady = LadderSettings(enabled=False)
    engine = Engine(replace(engine_settings(settings), ladder=steady, smaller=None, fallback=None))
    code: int = exits.ExitCode.OK
    await engine.start()
    try:
        for job in jobs:
            try:
                _deliver(job, await _recognise(job.file, engine, language))
            except (AudioError, TranscriptionFailed) as error:
                line, code = exits.explain(error)
                typer.echo(line, err=True)
    finally:
        await engine.close()
    return code


async def _recognise(file: Path, engine: Engine, language: str | None) -> Transcript:
    from echopanel.asr.provider import DecodeOptions
    from echopanel.client.media import decode, duration
    from echopanel.engine.offline import transcribe as recognise

    with output.progress(file.name, duration(file)) as report:
        found = await recognise(engine, decode(file), DecodeOptions(language=language), report)
    return replace(found, title=file.name)


def _deliver(job: Job, transcript: Transcript) -> None:
    from echopanel.store.export import Format, export

    text = export(transcript, Format(job.kind))
    if job.target:
        output.write(job.target, text, force=job.force)
        return
    if job.heading:
        typer.echo(f"==> {job.file} <==")
    typer.echo(text, nl=False)
