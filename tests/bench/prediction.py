"""What `echopanel doctor` predicts against what `echopanel bench` holds: `make doctor-check ARGS="CORPUS"`.

Times the model anew, then plays from about as many sources as were predicted, more while words come within
5 s and fewer while they do not. What is held lies between the last row that was in time and the first that
was not, where a line through their latencies crosses 5 s. Ends with 1 unless the prediction is within a
quarter of that.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console

from echopanel.asr.provider import ModelSpec
from echopanel.bench.figures import Figures
from echopanel.bench.play import Load
from echopanel.bench.run import Plan, Speech, bench
from echopanel.bench.script import Timing
from echopanel.bench.table import table
from echopanel.cli.doctor import find_specimen
from echopanel.config import load_settings
from echopanel.config.libraries import tune_libraries
from echopanel.engine.calibration import Calibration, calibrate_apart
from echopanel.machine.detect import detect
from echopanel.server.specs import model_spec

LATE_S = 5.0
NEAR = 0.25
STEP = 1.2
TABLE_WIDTH = 180


@dataclass(frozen=True, slots=True)
class Row:
    """How late words were with so many sources, and whether anything was dropped or refused."""

    sources: int
    late_s: float
    whole: bool

    @property
    def held(self) -> bool:
        """Whether the machine carried them."""
        return self.whole and self.late_s <= LATE_S


def row_of(figures: Figures) -> Row:
    """What matters here of a row of `bench`."""
    late_s, dropped_s = figures["first_shown_p95"], figures["dropped_s"]
    whole = not figures["failed_sessions"] and dropped_s is not None and dropped_s < 1.0
    return Row(int(figures["sources"] or 0), float("inf") if late_s is None else late_s, whole)


def following(rows: Sequence[Row], predicted: int) -> int | None:
    """How many sources to play from next; None: one number is held and another, a step above, is not."""
    if not rows:
        return max(1, predicted)
    held = [row.sources for row in rows if row.held]
    failed = [row.sources for row in rows if not row.held]
    if not failed:
        return max(max(held) + 1, round(max(held) * STEP))
    if not held:
        return min(min(failed) - 1, round(min(failed) / STEP)) or None
    return None


def most_held(rows: Sequence[Row]) -> float:
    """Sources that were carried: between the rows around 5 s, or the last in time if the other lost audio."""
    held = max((row for row in rows if row.held), key=lambda row: row.sources, default=None)
    if held is None:
        return 0.0
    over = min((row for row in rows if not row.held), key=lambda row: row.sources, default=None)
    if over is None or not over.whole or over.late_s == float("inf") or over.sources <= held.sources:
        return float(held.sources)
    share = (LATE_S - held.late_s) / (over.late_s - held.late_s)
    return held.sources + share * (over.sources - held.sources)


def bounded(rows: Sequence[Row]) -> bool:
    """Whether some number is held and another is not."""
    return len({row.held for row in rows}) == 2


def near(predicted: int, rows: Sequence[Row]) -> bool:
    """Whether the prediction is good enough."""
    return bounded(rows) and abs(predicted / most_held(rows) - 1.0) <= NEAR


def calibrated(spec: ModelSpec, speech: Path | None) -> Calibration:
    """The model timed on this machine, anew."""
    specimen = find_specimen(speech)
    if specimen is None:
        sys.exit("there is no speech to time models on; name a recording with --speech")
    found = calibrate_apart(spec, detect().cores, specimen)
    if found.problem:
        sys.exit(found.problem)
    return found


async def search(options: argparse.Namespace, predicted: int) -> tuple[list[Figures], list[Row]]:
    """Play from numbers of sources until it is known how many are held."""
    figures: list[Figures] = []
    rows: list[Row] = []
    for _ in range(options.runs):
        sources = following(rows, predicted)
        if sources is None:
            break
        plan = Plan(
            speech=Speech(options.corpus, language="en"),
            loads=(Load(sources, Timing(options.seconds, 4.0), language="en"),),
            arguments=("--provider", options.provider, "--model", options.model),
        )
        results = await bench(plan, lambda line: typer.echo(line, err=True))
        figures.append(results[0].figures)
        rows.append(row_of(results[0].figures))
    return figures, rows


def main() -> int:
    """Predict, play, compare."""
    tune_libraries()
    parser = argparse.ArgumentParser(prog="doctor-check", description=__doc__)
    parser.add_argument("corpus", type=Path, help="recordings to play, as for `echopanel bench`")
    parser.add_argument("--provider", default="faster-whisper")
    parser.add_argument("--model", default="tiny.en")
    parser.add_argument("--seconds", type=float, default=25.0, help="measured window of each run")
    parser.add_argument("--runs", type=int, default=4, help="most runs")
    parser.add_argument("--speech", type=Path, help="recording to time the model on")
    options = parser.parse_args()
    settings = load_settings({"model.provider": options.provider, "model.name": options.model})
    found = calibrated(model_spec(settings), options.speech)
    predicted = found.sources
    typer.echo(f"predicted {predicted}, undisturbed {found.undisturbed:.0%}, {found.costs}")
    figures, rows = asyncio.run(search(options, predicted))
    Console(width=None if sys.stdout.isatty() else TABLE_WIDTH).print(table(figures))
    for name in ("chunk_interval", "batch_mean", "workers_busy", "queue_p95", "speech_s", "audio_s"):
        typer.echo(f"{name}: {', '.join(str(figure[name]) for figure in figures)}")
    held = most_held(rows)
    ratio = predicted / held if held else float("inf")
    typer.echo(
        f"predicted {predicted}, held {'' if bounded(rows) else 'not bounded, '}{held:.1f}, ratio {ratio:.2f}"
    )
    return 0 if near(predicted, rows) else 1


if __name__ == "__main__":
    sys.exit(main())
