"""One measurement: sources that all talk at once to one server, and everything that can be seen meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from echopanel.audio import Source
from echopanel.bench.corpus import Recording
from echopanel.bench.fresh import Target
from echopanel.bench.overload import Reading, calm, told
from echopanel.bench.process import Sample, machine_cpu_s, usage_of, watch
from echopanel.bench.record import SessionRecord
from echopanel.bench.scrape import Scrape, scrape
from echopanel.bench.script import Script, Timing, compose, silence
from echopanel.bench.session import LiveSession
from echopanel.client.address import Address, live_url
from echopanel.errors import EchoPanelError

OPEN_AT_ONCE = 8
SETTLE_S = 0.5  # from the last `ready` to the first frame
LEVEL, INTERVAL = "echopanel_ladder_level", "echopanel_chunk_interval_seconds"
CALM_WITHIN_S = 240.0  # how long a server that had too much to do is watched behind the last session


@dataclass(frozen=True, slots=True)
class Load:
    """What to put on a server: `pairs` puts two sources, `mic` and `system`, into each session."""

    sources: int
    timing: Timing
    idle: int = 0
    pairs: bool = False
    frame_s: float = 0.1
    drain_s: float = 600.0
    language: str | None = None

    @property
    def sessions(self) -> int:
        """Sessions that this needs."""
        return len(self.groups()) + self.idle

    def groups(self) -> list[dict[Source, int]]:
        """Which source number is which channel of each session."""
        channels = (Source.MIC, Source.SYSTEM) if self.pairs else (Source.MIC,)
        return [
            dict(zip(channels, range(first, min(first + len(channels), self.sources)), strict=False))
            for first in range(0, self.sources, len(channels))
        ]


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU seconds so far: of the server, of this process, of the whole machine; None where unknown."""

    server: float | None
    client: float
    machine: float | None


@dataclass(slots=True, eq=False)
class Measurement:
    """What was seen. Times are on the event loop's clock; `begins` in seconds after `origin`.

    `readings` has the levels and intervals until the server had nothing left to do.
    """

    load: Load
    target: Target
    talking: list[SessionRecord]
    silent: list[SessionRecord]
    begins: list[Mapping[Source, float]]
    origin: float = 0.0
    finished: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    metrics: tuple[Scrape, Scrape] | None = None
    costs: tuple[Costs, Costs] | None = None


async def measure(target: Target, load: Load, recordings: Sequence[Recording]) -> Measurement:
    """Play `load` to a server.

    Raises:
        EchoPanelError: no session could be opened, or the server's process cannot be measured.
    """
    begins: list[Mapping[Source, float]] = [
        {channel: load.timing.begin(number, load.sources) for channel, number in group.items()}
        for group in load.groups()
    ]
    talking = [
        _session(load, {channel: _script(load, recordings, number) for channel, number in group.items()})
        for group in load.groups()
    ]
    silent = [_session(load, {Source.MIC: silence(load.timing.end)}) for _ in range(load.idle)]
    found = Measurement(load, target, [s.record for s in talking], [s.record for s in silent], begins)
    try:
        await _open([*talking, *silent], Address(live_url(target.url), target.token))
        await _play(found, talking, silent)
    finally:
        await asyncio.gather(*(session.close() for session in (*talking, *silent)))
    return found


def _script(load: Load, recordings: Sequence[Recording], number: int) -> Script:
    return compose(recordings, number, load.timing.end - load.timing.begin(number, load.sources))


def _session(load: Load, scripts: Mapping[Source, Script]) -> LiveSession:
    return LiveSession(scripts, load.frame_s, load.language)


async def _open(sessions: Sequence[LiveSession], address: Address) -> None:
    """Open all sessions; those refused are noted, unless all are."""
    gate = asyncio.Semaphore(OPEN_AT_ONCE)

    async def open_one(session: LiveSession) -> None:
        async with gate:
            try:
                await session.open(address)
            except EchoPanelError as error:
                session.record.trouble = str(error)

    async with asyncio.TaskGroup() as group:
        for session in sessions:
            group.create_task(open_one(session))
    if sessions and all(session.record.trouble for session in sessions):
        raise EchoPanelError(f"no session could be opened: {sessions[0].record.trouble}")


async def _play(found: Measurement, talking: Sequence[LiveSession], silent: Sequence[LiveSession]) -> None:
    clock = asyncio.get_running_loop().time
    before = await _scrape(found.target)
    costs = _costs(found.target)
    found.origin = clock() + SETTLE_S
    idle = [{Source.MIC: found.load.timing.begin(number, len(silent))} for number in range(len(silent))]
    watching = asyncio.create_task(_watch(found))
    try:
        async with asyncio.TaskGroup() as group:
            for session, offsets in zip((*talking, *silent), (*found.begins, *idle), strict=True):
                if not session.record.trouble:
                    starts = {channel: found.origin + offset for channel, offset in offsets.items()}
                    group.create_task(session.play(starts, found.load.drain_s))
    finally:
        watching.cancel()
    found.finished = clock()
    found.costs = (costs, _costs(found.target))
    after = await _scrape(found.target)
    found.metrics = (before, after) if before and after else None
    found.readings = told([*found.talking, *found.silent])
    await _watch_until_calm(found)


async def _watch_until_calm(found: Measurement) -> None:
    """Go on reading the level while it, or the interval, is not back to normal."""
    clock = asyncio.get_running_loop().time
    while not calm(found.readings) and clock() < found.finished + CALM_WITHIN_S:
        await asyncio.sleep(1.0)
        now = await _scrape(found.target)
        if now is None:
            return
        level, interval = now.value(LEVEL), now.value(INTERVAL)
        found.readings.append(Reading(clock(), int(level), interval))


async def _watch(found: Measurement) -> None:
    if found.target.pid is not None:
        await watch(found.target.pid, found.samples)


def _costs(target: Target) -> Costs:
    server = None if target.pid is None else usage_of(target.pid).cpu_s
    return Costs(server, time.process_time(), machine_cpu_s())


async def _scrape(target: Target) -> Scrape | None:
    """The server's metrics; None where it does not show them."""
    try:
        return await asyncio.to_thread(scrape, target.url, target.token)
    except EchoPanelError:
        return None
