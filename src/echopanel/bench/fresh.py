"""A fresh server in a process of its own, with a data directory of its own, for one measurement."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from echopanel.errors import EchoPanelError

START_WITHIN_S = 120.0
STOP_WITHIN_S = 20.0
ADDRESS = re.compile(r"https?://\S+")


@dataclass(frozen=True, slots=True)
class Target:
    """A server to measure; `pid` and `ready_s` (start of the process to READY) are None where unknown."""

    url: str
    pid: int | None = None
    ready_s: float | None = None
    token: str | None = None
    log: IO[bytes] | None = None

    def last_words(self) -> str:
        """The last line that the server wrote to its log, "" where there is none or it is not known."""
        return "" if self.log is None else _last_line(self.log)


@contextlib.asynccontextmanager
async def fresh_server(arguments: Sequence[str], sessions: int) -> AsyncIterator[Target]:
    """Start `echopanel serve` with room for `sessions`, wait for READY, and stop it at the end.

    Raises:
        EchoPanelError: it did not start; the message has its last words.
    """
    clock = asyncio.get_running_loop().time
    with tempfile.TemporaryDirectory(prefix="echopanel-bench-") as folder, tempfile.TemporaryFile() as log:
        began = clock()
        process = await asyncio.create_subprocess_exec(
            *command(Path(folder), arguments, sessions), stdout=asyncio.subprocess.PIPE, stderr=log
        )
        try:
            url = await _address(process, log)
            yield Target(url, process.pid, clock() - began, log=log)
        finally:
            await _stop(process)


def command(data: Path, arguments: Sequence[str], sessions: int) -> tuple[str, ...]:
    """The command line; `arguments` come last, so they may overrule what stands before."""
    return (
        *(sys.executable, "-m", "echopanel", "serve"),
        *("--port", "0", "--data-dir", str(data), "--log-level", "warning"),
        *("--set", f"limits.sessions={sessions}", "--set", f"limits.sessions_per_client={sessions}"),
        *arguments,
    )


async def _address(process: asyncio.subprocess.Process, log: IO[bytes]) -> str:
    """What the server prints once it is ready."""
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_WITHIN_S):
            while line := await process.stdout.readline():
                if match := ADDRESS.search(line.decode(errors="replace")):
                    return match.group()
            await process.wait()
    except TimeoutError:
        raise EchoPanelError(f"the server was not ready within {START_WITHIN_S:.0f} s") from None
    raise EchoPanelError(f"the server did not start: {_last_line(log) or f'exit {process.returncode}'}")


def _last_line(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_WITHIN_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
