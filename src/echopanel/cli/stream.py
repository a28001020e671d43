"""`echopanel stream`: recordings to a server as if they were live."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from echopanel.cli import live, options

if TYPE_CHECKING:
    from echopanel.audio import Samples, Source
    from echopanel.cli.captions import Show
    from echopanel.client.meeting import Meeting


def stream(
    mic: Annotated[
        Path,
        typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="Recording for the source `mic`."),
    ],
    system: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE2", exists=True, dir_okay=False, help="Recording for the source `system`."
        ),
    ] = None,
    url: Annotated[str, typer.Option(help="Address of the server.")] = "http://127.0.0.1:8765",
    speed: Annotated[
        float, typer.Option(min=0, help="Times as fast as real time; 0 as fast as the server takes it.")
    ] = 1.0,
    token: options.Token = None,
    language: options.Language = None,
    show_bleed: options.ShowBleed = False,
    title: Annotated[str | None, typer.Option(help="Title of the session; else the file's name.")] = None,
    spool: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            file_okay=False,
            help="Keep audio in DIR until the server has it; run again after a crash, it goes on there.",
        ),
    ] = None,
    wait_repair: options.WaitRepair = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON event a line, as in docs/protocol.md.")
    ] = False,
) -> int:
    """Send recordings to a server as if live, and show captions.

    Ends when everything is final text. Ctrl-C stops sending and waits for the rest of the text; a second
    Ctrl-C ends at once.

    \b
    Examples:
      echopanel stream meeting.wav
      echopanel stream me.wav others.wav --speed 4
      echopanel stream meeting.wav --json | jq -r 'select(.type == "final").text'
      echopanel stream meeting.wav --spool ./meeting.spool
      ECHOPANEL_TOKEN=correct-horse echopanel stream meeting.wav --url https://example.org:8765
    """
    from echopanel.audio import Source
    from echopanel.cli.captions import display
    from echopanel.client.meeting import connect

    files = {Source.MIC: mic} | ({Source.SYSTEM: system} if system else {})
    meeting = connect(
        url, sources=tuple(files), token=token, language=language, title=title or mic.name, spool=spool
    )
    shown = partial(display, tuple(files), as_json=as_json, show_bleed=show_bleed)
    return asyncio.run(_stream(files, meeting, speed, shown, as_json=as_json, wait_repair=wait_repair))


async def _stream(
    files: Mapping[Source, Path],
    meeting: Meeting,
    speed: float,
    shown: Callable[[], AbstractContextManager[Show]],
    *,
    as_json: bool,
    wait_repair: bool,
) -> int:
    from echopanel.cli.captions import json_line
    from echopanel.client.media import decode, duration

    for file in files.values():
        duration(file)  # what cannot be read is known before a session begins
    blocks = {source: decode(file) for source, file in files.items()}
    with shown() as show:
        sending = _send(meeting, blocks, speed)
        stopped, code = await live.run(meeting, sending, show, wait_repair=wait_repair)
    if as_json:
        json_line(stopped)
    else:
        live.summarise(stopped.coverage)
    return code


async def _send(meeting: Meeting, blocks: Mapping[Source, Iterable[Samples]], speed: float) -> None:
    """Send all sources side by side, at `speed` times real time."""
    from echopanel.client.pacing import Pacer, play

    pacer = Pacer(speed, min(meeting.position(source) for source in blocks))
    async with asyncio.TaskGroup() as group:
        for source, source_blocks in blocks.items():
            group.create_task(play(meeting, source, source_blocks, pacer))
