"""A meeting on the terminal: audio is sent until it ends or Ctrl-C comes, and captions are shown."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING

import typer

from echopanel.cli import exits
from echopanel.cli.interrupts import interrupts

if TYPE_CHECKING:
    from echopanel.audio import Source
    from echopanel.cli.captions import Show
    from echopanel.client.meeting import Meeting
    from echopanel.transcript import Coverage
    from echopanel.wire.messages import Stopped

_NOTICE = "stopping: the rest of the text is coming; Ctrl-C again ends at once"


async def run(
    meeting: Meeting, sending: Coroutine[object, object, object], show: Show, *, wait_repair: bool = True
) -> tuple[Stopped, exits.ExitCode]:
    """Open a meeting, send until `sending` is through or Ctrl-C, and show everything up to its end.

    Args:
        meeting: not open yet.
        sending: sends the audio.
        show: told of every event.
        wait_repair: wait also for what the server has put off.

    Returns:
        The ledger, and INTERRUPTED where Ctrl-C came first.

    Raises:
        EchoPanelError: the meeting, or the sending, has failed for good.
    """
    with interrupts() as ctrl_c:
        try:
            async with meeting, asyncio.TaskGroup() as group:
                group.create_task(_show(meeting, show))
                finished = await ctrl_c.may_end(sending, _NOTICE)
                stopped = await meeting.stop(wait_repair=wait_repair)
        except BaseExceptionGroup as failures:
            raise _first(failures) from None
        finally:
            sending.close()
    return stopped, exits.ExitCode.OK if finished else exits.ExitCode.INTERRUPTED


def _first(failures: BaseExceptionGroup) -> BaseException:
    """What went wrong first, of tasks that were started together."""
    error = failures.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


async def _show(meeting: Meeting, show: Show) -> None:
    async for event in meeting:
        show(event)


def summarise(coverage: Mapping[Source, Coverage]) -> None:
    """Say on stderr what became of the audio."""
    from echopanel.audio import to_seconds

    for source, ledger in coverage.items():
        parts = {
            "text": ledger.transcribed,
            "silence": ledger.silence,
            "pending": ledger.pending,
            "lost": ledger.lost,
        }
        told = ", ".join(f"{to_seconds(samples):.1f} s {name}" for name, samples in parts.items() if samples)
        typer.echo(f"{source}: {to_seconds(ledger.captured):.1f} s sent: {told or 'nothing'}", err=True)
