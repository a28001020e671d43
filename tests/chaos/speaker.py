"""A client process for the fault injection: says recordings to a server and prints what comes back, as JSON.

    python -m tests.chaos.speaker URL SPEED SPOOL MIC SYSTEM

All waiting times of the client are divided by SPEED, as the recordings' are. Started again with the same
spool it goes on where it was.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import echopanel
from echopanel.client.events import as_json
from echopanel.client.media import decode
from echopanel.client.pacing import Pacer, play
from echopanel.policy.backoff import Backoff
from echopanel.wire.closing import is_retryable

LEAST_DEAD_S = 3.0  # a busy machine may need this long to answer


def resilience(speed: float) -> echopanel.Resilience:
    """The defaults in quick motion."""
    usual = echopanel.Resilience()
    return echopanel.Resilience(
        backoff=Backoff(usual.backoff.base / speed, usual.backoff.cap / speed),
        breaker_open_s=usual.breaker_open_s / speed,
        quick_failure_s=usual.quick_failure_s / speed,
        ping_s=max(usual.ping_s / speed, LEAST_DEAD_S / 2),
        dead_s=max(usual.dead_s / speed, LEAST_DEAD_S),
    )


def show(event: dict[str, object]) -> None:
    """One line on stdout, at once."""
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


async def speak(url: str, speed: float, spool: str, files: dict[str, Path]) -> None:
    """Say everything, whatever happens; the first connection is tried until it holds."""
    while True:
        meeting = echopanel.connect(
            url, sources=tuple(files), resilience=resilience(speed), spool=spool, open_timeout=5
        )
        try:
            await meeting.__aenter__()
            break
        except echopanel.EchoPanelError as error:
            if not is_retryable(error):
                raise
            await asyncio.sleep(0.1)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(listen(meeting))
            pacer = Pacer(speed, min(meeting.position(source) for source in files))
            async with asyncio.TaskGroup() as sending:
                for source, file in files.items():
                    sending.create_task(play(meeting, source, decode(file), pacer))
            show(as_json(await meeting.stop()))
    finally:
        await meeting.__aexit__(None, None, None)


async def listen(meeting: echopanel.Meeting) -> None:
    """Print every event."""
    async for event in meeting:
        show(as_json(event))


if __name__ == "__main__":
    _, address, pace, directory, mic, system = sys.argv
    asyncio.run(speak(address, float(pace), directory, {"mic": Path(mic), "system": Path(system)}))
