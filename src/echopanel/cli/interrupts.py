"""Ctrl-C in a command with something to finish: the first ends what is under way, the second everything."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager

import typer

from echopanel.cli.exits import ExitCode

_SHOW_CURSOR = b"\x1b[?25h\n"


class Interrupts:
    """What the first Ctrl-C does. At first it cancels the task that runs the command."""

    def __init__(self) -> None:
        self.came = False
        self._loop = asyncio.get_running_loop()
        self._target: asyncio.Task[object] | None = asyncio.current_task()
        self._notice = ""

    def __repr__(self) -> str:
        return f"<Interrupts{' came' if self.came else ''}>"

    async def may_end(self, work: Coroutine[object, object, object], notice: str) -> bool:
        """Do `work`; False when Ctrl-C ended it. From now on Ctrl-C shows `notice`, also behind `work`."""
        task = self._target = asyncio.create_task(work)
        self._notice = notice
        try:
            await task
        except asyncio.CancelledError:
            if (current := asyncio.current_task()) is None or current.cancelling():
                raise  # not Ctrl-C: somebody ends all of this
            return False
        finally:
            self._target = None
        return True

    def take(self, *_: object) -> None:
        """Handle the first signal, which comes between any two instructions of the main thread."""
        signal.signal(signal.SIGINT, end_at_once)
        self.came = True
        self._loop.call_soon_threadsafe(self._act)

    def _act(self) -> None:
        if self._target is not None:
            self._target.cancel()
        if self._notice:
            typer.echo(self._notice, err=True)


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    """Handle Ctrl-C in this block; after the first, the second ends the process also behind the block.

    Raises:
        typer.Abort: Ctrl-C came before there was something to finish.
    """
    taken = Interrupts()
    before = signal.signal(signal.SIGINT, taken.take)
    try:
        yield taken
    except asyncio.CancelledError:
        if taken.came:
            raise typer.Abort from None
        raise
    finally:
        if not taken.came:
            signal.signal(signal.SIGINT, before)


def end_at_once(*_: object) -> None:
    """End the process whatever its threads and tasks wait for; what was written stays."""
    if sys.stdout.isatty():
        os.write(sys.stdout.fileno(), _SHOW_CURSOR)  # captions hide it
    os._exit(ExitCode.INTERRUPTED)
