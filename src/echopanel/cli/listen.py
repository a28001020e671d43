"""`echopanel listen`: microphone and loudspeakers to a server, with live captions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from echopanel.cli import live, options, output
from echopanel.errors import ConfigError, DeviceError

if TYPE_CHECKING:
    from echopanel.capture.devices import Device
    from echopanel.capture.recorder import Recorder
    from echopanel.cli.captions import Shown
    from echopanel.client.meeting import Meeting
    from echopanel.transcript import Transcript, TranscriptEvent
    from echopanel.wire.messages import Stopped

NONE = "none"
SILENT_S = 10.0
FLOOR_DB = -60.0
BARS = " ▁▂▃▄▅▆▇█"


def listen(
    mic: Annotated[
        str | None, typer.Option(metavar="NAME", help="Microphone, as --list shows it, or `none`.")
    ] = None,
    system: Annotated[
        str | None, typer.Option(metavar="NAME", help="Loudspeakers to listen to, or `none`.")
    ] = None,
    list_devices: Annotated[bool, typer.Option("--list", help="List the devices and exit.")] = False,
    url: Annotated[str, typer.Option(help="Address of the server.")] = "http://127.0.0.1:8765",
    token: options.Token = None,
    language: options.Language = None,
    title: Annotated[str, typer.Option(help="Title of the session.")] = "",
    target: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="File for the transcript; else one named by the time."
        ),
    ] = None,
    kind: options.Format = "txt",
    force: options.Force = False,
    show_bleed: options.ShowBleed = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON event a line, as in docs/protocol.md.")
    ] = False,
) -> int:
    """Listen to microphone and loudspeakers, and show captions.

    Without options the system's default devices. Ctrl-C stops listening, waits for the rest of the text
    and writes the transcript into a file; a second Ctrl-C ends at once. docs/listen.md has what each system
    needs.

    \b
    Examples:
      echopanel listen
      echopanel listen --list
      echopanel listen --mic none --system "Built-in Audio"
      echopanel listen --title "Weekly meeting" --format md --output meeting.md
    """
    if list_devices:
        _print_devices()
        return 0
    from echopanel.client.meeting import connect

    began = datetime.now(UTC)
    path = target or Path(f"meeting-{began.astimezone():%Y-%m-%d-%H%M%S}.{kind}")
    output.check_free(path, force=force)
    chosen = _choose(mic, system)
    sources = tuple(device.source for device in chosen)
    # What waits longer than the client keeps audio would be too old to show; a device cannot wait.
    meeting = connect(url, sources=sources, token=token, language=language, title=title, overflow="drop")
    heard: list[TranscriptEvent] = []
    stopped = None
    try:
        stopped, code = asyncio.run(_listen(chosen, meeting, heard, as_json=as_json, show_bleed=show_bleed))
    finally:
        if stopped is not None or heard:  # worth keeping also where the connection was lost for good
            transcript = _transcript(stopped, heard, title, began)
            _save(transcript, path, kind, force=force, show_bleed=show_bleed)
    return code


def _print_devices() -> None:
    from echopanel.audio import Source
    from echopanel.capture import sound

    found = sound.devices()
    for source, heading in ((Source.MIC, "--mic"), (Source.SYSTEM, "--system")):
        for device in (one for one in found if one.source is source):
            mark = "*" if device.default else " "
            typer.echo(
                f"{heading:<8} {mark} {options.printable(device.name)}  [{options.printable(device.key)}]"
            )
    if not found:
        typer.echo("no devices", err=True)


def _choose(mic: str | None, system: str | None) -> list[Device]:
    """The devices to record; a default that is not there is left out, as long as the other one is.

    Raises:
        ConfigError: both sources are `none`.
        DeviceError: a device that was named is not there, or no default is.
    """
    from echopanel.audio import Source
    from echopanel.capture import sound
    from echopanel.capture.devices import choose

    wanted = {Source.MIC: mic, Source.SYSTEM: system}
    if set(wanted.values()) == {NONE}:
        raise ConfigError("--mic, --system", NONE, "leaves nothing to listen to")
    found = sound.devices()
    chosen: list[Device] = []
    missing: list[DeviceError] = []
    for source, name in wanted.items():
        if name == NONE:
            continue
        try:
            chosen.append(choose(found, source, name))
        except DeviceError as error:
            if name is not None:
                raise
            missing.append(error)
    if not chosen:
        raise missing[0]
    for lack in missing:
        typer.echo(f"listening to {chosen[0].source} only: {lack}", err=True)
    return chosen


async def _listen(
    devices: Sequence[Device],
    meeting: Meeting,
    heard: list[TranscriptEvent],
    *,
    as_json: bool,
    show_bleed: bool,
) -> tuple[Stopped, int]:
    from echopanel.capture.recorder import Recorder
    from echopanel.cli.captions import display, json_line
    from echopanel.transcript import Final, Gap, Revision

    recorders: list[Recorder] = []
    with display(
        tuple(device.source for device in devices),
        as_json=as_json,
        show_bleed=show_bleed,
        footer=lambda: _levels(recorders),
    ) as show:

        def keep(event: Shown) -> None:
            if isinstance(event, Final | Revision | Gap):
                heard.append(event)
            show(event)

        recorders += [Recorder(device, show) for device in devices]
        stopped, code = await live.run(meeting, _record(recorders, meeting), keep)
    if as_json:
        json_line(stopped)
    else:
        live.summarise(stopped.coverage)
    return stopped, code


async def _record(recorders: Sequence[Recorder], meeting: Meeting) -> None:
    async with asyncio.TaskGroup() as group:
        for recorder in recorders:
            group.create_task(recorder.run(meeting))


def _levels(recorders: Sequence[Recorder]) -> str:
    """How loud the sources are, and which of them is suspiciously silent."""
    now = time.monotonic()
    shown = []
    for recorder in recorders:
        level_db = max(FLOOR_DB, recorder.meter.level_db(now))
        bar = BARS[round((1 - level_db / FLOOR_DB) * (len(BARS) - 1))] if level_db < 0 else BARS[-1]
        silent_s = recorder.meter.silent_s(now)
        hint = f" no sound for {silent_s:.0f} s" if silent_s >= SILENT_S else ""
        shown.append(f"{recorder.device.source} {bar}{hint}")
    return "   ".join(shown)


def _transcript(
    stopped: Stopped | None, events: Sequence[TranscriptEvent], title: str, began: datetime
) -> Transcript:
    """What was heard; the ledgers come with the end of the session, if that came."""
    from dataclasses import replace

    from echopanel.transcript import Transcript

    text = replace(Transcript.fold(events), title=title, created=began.astimezone())
    return text if stopped is None else replace(text, session=stopped.session, coverage=stopped.coverage)


def _save(transcript: Transcript, path: Path, kind: str, *, force: bool, show_bleed: bool) -> None:
    from echopanel.store.export import Format, export

    if transcript.segments:
        text = export(transcript, Format(kind), show_bleed=show_bleed)
        output.write(path, text, force=force)
    else:
        typer.echo("nothing was said: no transcript written", err=True)
