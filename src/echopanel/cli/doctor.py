"""`echopanel doctor`: is everything in order, and how many live sources does this machine carry?"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from echopanel.cli import exits, options
from echopanel.errors import AudioError

if TYPE_CHECKING:
    from echopanel.asr.provider import ModelSpec
    from echopanel.cli.checks import Check
    from echopanel.config import Settings
    from echopanel.engine.advisor import Survey
    from echopanel.engine.calibration import Calibration, Specimen

WIDTH = 120  # of the tables where there is no terminal
# Recordings of speech that packages carry, and that may be on this machine.
RECORDINGS = (("moonshine_voice", "assets/two_cities.wav"),)
LEAST_SPEECH_S = 20.0
NO_SPEECH = (
    "there is no speech to time models on; name a recording with --speech,"
    " or `pip install 'echopanel[doctor]'`"
)
DISTURBED_BELOW = 0.8
DISTURBED = "Other programs used the processor meanwhile; the figures hold for when they do not."

Fresh = Annotated[bool, typer.Option("--fresh", help="Measure again what was measured before.")]
Measure = Annotated[bool, typer.Option(help="Time the installed models where that was not done yet.")]
SpeechFile = Annotated[
    Path | None,
    typer.Option("--speech", metavar="FILE", help="Recording to time models on, 20 s or more of speech."),
]
Json = Annotated[bool, typer.Option("--json", help="Print everything as JSON.")]


def doctor(
    fresh: Fresh = False,
    measure: Measure = True,
    speech: SpeechFile = None,
    as_json: Json = False,
    data_dir: options.DataDir = None,
    config: options.Config = None,
) -> int:
    """Check this machine, and measure what it carries.

    Looks at all that a server needs, with the settings that `serve` would use, and times each installed model
    on a few seconds of speech. Figures are remembered until machine, versions or model change; the server
    bounds its sessions by them. Ends with 1 if a check failed, 0 if there are only warnings.

    \b
    Examples:
      echopanel doctor
      echopanel doctor --fresh --speech meeting.wav
      echopanel doctor --no-measure --json
    """
    from echopanel.cli.checks import Verdict, checks
    from echopanel.config import load_settings
    from echopanel.engine.advisor import survey

    settings = load_settings({"store.data_dir": data_dir}, config)
    found = survey()
    done = list(checks(settings, found))
    if measure:
        done += _measure(settings, found, speech, fresh=fresh)
        found = survey()
    if as_json:
        typer.echo(to_json(done, found))
    else:
        _show(done, found)
    failed = any(one.verdict is Verdict.FAILED for one in done)
    return exits.ExitCode.FAILED if failed else exits.ExitCode.OK


def _measure(settings: Settings, found: Survey, speech: Path | None, *, fresh: bool) -> list[Check]:
    """Time what is not known yet and remember it; models that cannot be used are failed checks."""
    from echopanel.cli.checks import Check, Verdict
    from echopanel.config.libraries import tune_libraries
    from echopanel.engine.calibration import calibrate_apart
    from echopanel.engine.calibrations import Calibrations

    tune_libraries()
    known = Calibrations(found.machine)
    specimen: Specimen | None = None
    troubles = []
    for spec in specs(settings, found):
        if not fresh and known.find(spec) is not None:
            continue
        specimen = specimen or find_specimen(speech)
        if specimen is None:
            return [Check("speed", Verdict.WARNING, NO_SPEECH)]
        typer.echo(f"timing {spec.provider} {spec.name} on {specimen.name}", err=True)
        measured = calibrate_apart(spec, found.machine.cores, specimen)
        if measured.problem:
            troubles.append(Check(f"model {spec.name}", Verdict.FAILED, measured.problem))
        else:
            known.keep(measured)
    return troubles


def specs(settings: Settings, found: Survey) -> Iterator[ModelSpec]:
    """The installed models, as a server with these settings would load them."""
    from echopanel.engine.advisor import placement
    from echopanel.server.specs import model_spec

    base = model_spec(settings)
    for offer in found.offers:
        if offer.installed:
            device, compute_type = placement(found, offer.provider) or (base.device, base.compute_type)
            yield replace(
                base,
                provider=offer.provider,
                name=offer.model,
                path=None,
                device=device,
                compute_type=compute_type,
            )
    if base.path is not None:
        yield base


def find_specimen(named: Path | None) -> Specimen | None:
    """Speech to time models on: the file that is named, or a package's recording; None: there is none.

    Raises:
        AudioError: the file cannot be read, or is too short.
    """
    import numpy as np

    from echopanel.audio import SAMPLE_RATE
    from echopanel.client.media import decode
    from echopanel.engine.calibration import Specimen

    path = named or _recording()
    if path is None:
        return None
    samples = np.concatenate([np.zeros(0, np.float32), *decode(path)])
    if len(samples) < LEAST_SPEECH_S * SAMPLE_RATE:
        raise AudioError(f"{path}: {len(samples) / SAMPLE_RATE:.0f} s; name {LEAST_SPEECH_S:.0f} s or more")
    return Specimen(path.name, samples)


def _recording() -> Path | None:
    for package, name in RECORDINGS:
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            if (path := Path(folder, name)).is_file():
                return path
    return None


def to_json(done: Sequence[Check], found: Survey) -> str:
    """Checks and survey, as `GET /v1/capabilities` has it."""
    from echopanel.server.capabilities import describe

    return json.dumps({"checks": [asdict(one) for one in done]} | describe(found), indent=1)


def _show(done: Sequence[Check], found: Survey) -> None:
    from rich.console import Console
    from rich.table import Table

    from echopanel.cli.checks import Verdict

    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    colours = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "red"}
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, text in _machine(found):
        facts.add_row(name, "", text)
    for one in done:
        facts.add_row(one.name, f"[{colours[one.verdict]}]{one.verdict}[/]", options.printable(one.text))
    console.print(facts)
    if found.calibrations:
        console.print()
        console.print(_carried(found.calibrations))
    console.print()
    if any(one.undisturbed < DISTURBED_BELOW for one in found.calibrations):
        console.print(DISTURBED, soft_wrap=True)
    console.print(_advice(found), soft_wrap=True)


def _machine(found: Survey) -> Iterator[tuple[str, str]]:
    machine = found.machine
    yield "machine", f"{machine.system} on {machine.architecture}"
    yield (
        "processor",
        f"{machine.processor}: {machine.cores} cores, {' '.join(machine.instructions) or 'plain'}",
    )
    yield "memory", f"{machine.ram_bytes / 1e9:.1f} GB"
    for gpu in machine.cuda:
        yield "CUDA", f"{gpu.name}, {gpu.memory_bytes / 1e9:.1f} GB" if gpu.memory_bytes else gpu.name
    if machine.metal:
        yield "Metal", "yes"


def _carried(calibrations: Sequence[Calibration]) -> object:
    from rich.table import Table

    table = Table()
    for heading in (
        "provider",
        "model",
        "device",
        "RTF",
        "memory MB",
        "loads in s",
        "live sources",
        "undisturbed %",
    ):
        table.add_column(heading, justify="left" if heading in ("provider", "model", "device") else "right")
    for one in calibrations:
        spec = one.model
        table.add_row(
            spec.provider,
            spec.name,
            f"{spec.device} {spec.compute_type} x{spec.threads}",
            f"{one.rtf:.3f}",
            f"{one.memory_bytes / 1e6:.0f}",
            f"{one.load_s:.1f}",
            str(one.sources),
            f"{one.undisturbed:.0%}".rstrip("%"),
        )
    return table


def _advice(found: Survey) -> str:
    from echopanel.policy.advice import Nothing

    advice = found.advice
    better = (
        f"\nBetter: {advice.better.provider} {advice.better.model}; get it with {advice.better.get}"
        if advice.better
        else ""
    )
    if isinstance(advice, Nothing):
        return f"No model can be recommended: {advice.reason}{better}"
    return (
        f"Recommended: {advice.provider} {advice.model}, because of {advice.reason};"
        f" text every {advice.chunk_s:g} s under load\n"
        f"Use it with: echopanel serve --provider {advice.provider} --model {advice.model}{better}"
    )
