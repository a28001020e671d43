"""A whole benchmark: for each number of sources, some measurements on fresh servers or on a given one."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from echopanel.bench.corpus import Recording, load_corpus
from echopanel.bench.figures import Figures, medians
from echopanel.bench.fresh import Target, fresh_server
from echopanel.bench.offline import faster_whisper, offline_errors
from echopanel.bench.play import Load, measure
from echopanel.bench.reference import spoken_words, whisper_normaliser
from echopanel.bench.summary import Reference, Run, summarise

Report = Callable[[str], None]
DECIMALS = 4


@dataclass(frozen=True, slots=True)
class Speech:
    """What is played: the recordings of a corpus that are of these kinds, and their language."""

    corpus: Path
    kinds: tuple[str, ...] = ("read",)
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure: the same speech under each load, `repeat` times.

    `given` is a running server; without it each measurement gets a fresh one, started with `arguments`.
    `offline` names the model whose offline errors are to be known too.
    """

    speech: Speech
    loads: tuple[Load, ...]
    given: Target | None = None
    arguments: tuple[str, ...] = ()
    repeat: int = 1
    offline: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The medians for one load, and the runs they come from."""

    figures: Figures
    runs: tuple[Run, ...]


async def bench(plan: Plan, report: Report) -> list[Result]:
    """Measure everything that `plan` asks for, one after the other.

    Raises:
        AudioError: the corpus cannot be used.
        EchoPanelError: a server did not start, or opened no session.
    """
    recordings = load_corpus(plan.speech.corpus, plan.speech.kinds)
    reference = _reference(plan, recordings, report)
    results = []
    for load in plan.loads:
        runs = [await _run(plan, load, recordings, reference, report) for _ in range(plan.repeat)]
        results.append(Result(medians([run.figures for run in runs]), tuple(runs)))
    return results


def _reference(plan: Plan, recordings: Sequence[Recording], report: Report) -> Reference:
    normalise = whisper_normaliser()
    words = {recording.name: spoken_words(recording, normalise) for recording in recordings}
    if plan.offline is None:
        return Reference(words, normalise)
    report(
        f"offline: {plan.offline} on {sum(recording.seconds for recording in recordings):.0f} s of recordings"
    )
    transcribe = faster_whisper(plan.offline, plan.speech.language)
    errors = offline_errors(recordings, words, normalise, transcribe)
    share = sum(map(sum, errors.values())) / max(sum(map(len, errors.values())), 1)
    report(f"offline: {share:.2%} of {sum(map(len, errors.values()))} words wrong")
    return Reference(words, normalise, errors)


async def _run(
    plan: Plan, load: Load, recordings: Sequence[Recording], reference: Reference, report: Report
) -> Run:
    silent = f" and {load.idle} silent ones" if load.idle else ""
    report(f"{load.sources} sources{silent}: {load.timing.end:.0f} s")
    async with _server(plan, load) as target:
        found = await measure(target, load, recordings)
        last_words = target.last_words()
    run = summarise(found, reference)
    for trouble in run.troubles:
        report(f"trouble: {trouble}")
    if run.troubles and last_words:
        report(f"the server's last words: {last_words}")
    return run


@contextlib.asynccontextmanager
async def _server(plan: Plan, load: Load) -> AsyncIterator[Target]:
    if plan.given is not None:
        yield plan.given
        return
    async with fresh_server(plan.arguments, load.sessions) as target:
        yield target


def to_json(results: Sequence[Result]) -> str:
    """A list of rows: the figures, `recordings` (errors, words of each), `runs` where there are several.

    `levels` has one list a run: when, in seconds, which level of degradation was taken.
    """
    return json.dumps([_row(result) for result in results], indent=1) + "\n"


def _row(result: Result) -> dict[str, object]:
    row: dict[str, object] = dict(_rounded(result.figures))
    if len(result.runs) > 1:
        row["runs"] = [_rounded(run.figures) for run in result.runs]
    return row | {
        "troubles": sorted({trouble for run in result.runs for trouble in run.troubles}),
        "recordings": _recordings(result.runs),
        "levels": [[[round(at, 1), level] for at, level in run.levels] for run in result.runs],
    }


def _rounded(figures: Figures) -> Figures:
    return {
        name: value if value is None or value == int(value) else round(value, DECIMALS)
        for name, value in figures.items()
    }


def _recordings(runs: Sequence[Run]) -> dict[str, list[int]]:
    """Errors and words of each recording over all runs."""
    sums: dict[str, list[int]] = {}
    for run in runs:
        for name, (errors, words) in run.recordings.items():
            before = sums.get(name, [0, 0])
            sums[name] = [before[0] + errors, before[1] + words]
    return sums
