"""`echopanel bench`: how many sources this machine carries, and how well."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from echopanel.cli import options, output
from echopanel.errors import ConfigError

if TYPE_CHECKING:
    from echopanel.bench.run import Plan, Result

MAX_STAGGER_S = 5.0
WIDTH = 180  # of the table where there is no terminal

Corpus = Annotated[
    Path,
    typer.Option(
        metavar="DIR",
        exists=True,
        file_okay=False,
        envvar="ECHOPANEL_CORPUS",
        help="Recordings to play: manifest.jsonl, word_times.jsonl, audio files.",
    ),
]
Sources = Annotated[str, typer.Option(metavar="N,N,...", help="Numbers of sources.")]
Seconds = Annotated[float, typer.Option(min=1, help="Length of the measured window.")]
Kinds = Annotated[str, typer.Option(metavar="KIND,...", help="Kinds of recordings: read, spontaneous, ...")]
Repeat = Annotated[int, typer.Option(min=1, help="Runs to take medians of.")]
JsonFile = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="File for the figures.")]
ChartFile = Annotated[
    Path | None, typer.Option("--chart", metavar="FILE.svg", help="File for a chart of latencies.")
]
Offline = Annotated[
    bool, typer.Option("--offline", help="Also the model's errors offline, whole files, beam 1.")
]
Model = Annotated[str, typer.Option(help="Model of the fresh server, and for --offline.")]
Url = Annotated[str | None, typer.Option(metavar="URL", help="A running server, instead of fresh ones.")]
Pid = Annotated[int | None, typer.Option(help="That server's process on this machine, to measure its cost.")]
ServerArg = Annotated[
    list[str] | None,
    typer.Option(metavar="ARG", help="Argument for `echopanel serve`, such as --server-arg=--load=lazy."),
]
Pairs = Annotated[bool, typer.Option("--pairs", help="Two sources, mic and system, in each session.")]
Idle = Annotated[int, typer.Option(min=0, help="Further sources that send silence.")]
Stagger = Annotated[
    float, typer.Option(min=0, max=MAX_STAGGER_S, help="Seconds within which all sources begin.")
]
FrameMs = Annotated[int, typer.Option(min=20, max=1000, help="Length of audio frames.")]
Drain = Annotated[float, typer.Option(min=1, help="Seconds that the server may take to finish at the end.")]


def bench(
    corpus: Corpus,
    sources: Sources = "1,8,40",
    seconds: Seconds = 60.0,
    kinds: Kinds = "read",
    repeat: Repeat = 1,
    json_file: JsonFile = None,
    chart_file: ChartFile = None,
    offline: Offline = False,
    model: Model = "tiny.en",
    url: Url = None,
    pid: Pid = None,
    token: options.Token = None,
    server_arg: ServerArg = None,
    pairs: Pairs = False,
    idle: Idle = 0,
    stagger: Stagger = 4.0,
    frame_ms: FrameMs = 100,
    drain: Drain = 600.0,
    language: options.Language = "en",
    force: options.Force = False,
) -> None:
    """Measure how many live sources a server carries.

    Plays recordings from many sources at once, in real time. Each number of sources gets a fresh server,
    unless --url names one. docs/benchmarks.md has definitions.

    \b
    Examples:
      echopanel bench --corpus recordings/
      echopanel bench --corpus recordings/ --sources 1,20,60 --repeat 3 --json bench.json --chart bench.svg
      echopanel bench --corpus recordings/ --sources 0 --idle 100
      echopanel bench --corpus recordings/ --url http://127.0.0.1:8765 --pid 4711 --sources 1
    """
    from echopanel.bench.chart import chart
    from echopanel.bench.fresh import Target
    from echopanel.bench.play import Load
    from echopanel.bench.run import Plan, Speech, to_json
    from echopanel.bench.script import Timing

    for file in (json_file, chart_file):
        if file:
            output.check_free(file, force=force)
    timing = Timing(seconds, stagger)
    plan = Plan(
        speech=Speech(corpus, tuple(kinds.split(",")), language),
        loads=tuple(
            Load(number, timing, idle, pairs, frame_ms / 1000, drain, language)
            for number in parse_sources(sources, idle)
        ),
        given=Target(url, pid, token=token) if url else None,
        arguments=("--model", model, *(server_arg or ())),
        repeat=repeat,
        offline=model if offline else None,
    )
    results = _measure(plan)
    if json_file:
        output.write(json_file, to_json(results), force=force)
    if chart_file:
        output.write(chart_file, chart([result.figures for result in results]), force=force)


def _measure(plan: Plan) -> list[Result]:
    """Tell on stderr what is going on, and the figures on stdout."""
    from rich.console import Console

    from echopanel.bench.run import bench as run
    from echopanel.bench.table import table

    results = asyncio.run(run(plan, lambda line: typer.echo(line, err=True)))
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table([result.figures for result in results]))
    return results


def parse_sources(text: str, idle: int) -> list[int]:
    """Numbers of sources out of "1,8,40".

    Raises:
        ConfigError: something else, or nothing to do.
    """
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError("--sources", text, "write whole numbers with commas, such as 1,8,40") from None
    if any(number < 0 or number + idle == 0 for number in numbers):
        raise ConfigError("--sources", text, "there must be a source, talking or silent")
    return numbers
