"""Real processes with a network between them, and what a schedule does to them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.judge import Heard, Json
from tests.chaos.schedule import (
    Change,
    CutNetwork,
    Fault,
    KillClient,
    KillServer,
    Schedule,
    SuspendClient,
)
from tests.e2e.programs import ECHOPANEL, environment, errors_in
from tests.helpers.proxy import CALM, Proxy, Weather, proxied

PATIENCE_S = 300.0
LONGEST_S = 400.0  # what cuts and waiting may add, in seconds of audio
QUICK_START = ("--log-format", "json", "--set", "model.warmup=1", "--set", "engine.stuck_after_s=60")


@dataclass
class ServerProcess:
    """`echopanel serve` on one data directory; each start takes a new port."""

    data_dir: Path
    process: asyncio.subprocess.Process | None = None
    port: int = 0

    @property
    def log(self) -> Path:
        """Where its processes log."""
        return self.data_dir / "server.log"

    async def start(self) -> None:
        """Return when it is ready."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        options = ("--port", "0", "--data-dir", str(self.data_dir), "--log-level", "warning")
        with self.log.open("a", encoding="utf-8") as errors:
            self.process = await asyncio.create_subprocess_exec(
                *(*ECHOPANEL, "serve", *options, *QUICK_START),
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env=environment(),
            )
        assert self.process.stdout is not None
        ready = (await self.process.stdout.readline()).decode()
        address = re.search(r":(\d+)/", ready)
        assert address is not None, self.log.read_text(encoding="utf-8")
        self.port = int(address[1])

    async def end(self, sign: signal.Signals) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(sign)
        return await self.process.wait()


@dataclass
class ClientProcess:
    """`tests.chaos.speaker` with one spool. `lives` has the events of each of its processes."""

    url: str
    speed: float
    spool: Path
    files: Mapping[str, Path]
    lives: list[list[Json]] = field(default_factory=list)
    process: asyncio.subprocess.Process | None = None
    stderr: bytes = b""
    live: asyncio.Event = field(default_factory=asyncio.Event)
    _reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start a process, the first or another one."""
        arguments = (self.url, str(self.speed), str(self.spool), *map(str, self.files.values()))
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.chaos.speaker", *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(),
            limit=2**20,
        )
        self.lives.append([])
        self._reading = asyncio.create_task(self._read(self.process, self.lives[-1]))

    async def _read(self, process: asyncio.subprocess.Process, events: list[Json]) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        async for line in process.stdout:
            with contextlib.suppress(ValueError):  # the last line of a killed process is a torn one
                events.append(json.loads(line))
                if events[-1].get("state") == "live":
                    self.live.set()
        self.stderr += await process.stderr.read()

    async def kill(self) -> None:
        """`kill -9`; returns when it is gone."""
        self.send(signal.SIGKILL)
        await self.wait()

    def send(self, sign: signal.Signals) -> None:
        """Send a signal, if it still lives."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(sign)

    async def wait(self) -> int:
        """Its exit code, when all it said was read."""
        assert self.process is not None
        assert self._reading is not None
        await self._reading
        return await self.process.wait()

    @property
    def ended(self) -> bool:
        """Whether it is gone."""
        return self.process is not None and self.process.returncode is not None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a meeting went: the last client's events, those of killed ones, and what else is amiss."""

    heard: Heard
    earlier: tuple[Heard, ...]
    amiss: tuple[str, ...]
    seconds: float


class Rig:
    """A server, a network and a client, and the hand that breaks them."""

    def __init__(self, server: ServerProcess, proxy: Proxy, client: ClientProcess) -> None:
        self.server = server
        self.proxy = proxy
        self.client = client
        self._turns = {kind: asyncio.Lock() for kind in ("server", "network", "client")}

    async def run(self, schedule: Schedule) -> Outcome:
        """One meeting from the first word to the last, with everything in between."""
        began = time.monotonic()
        errors = len(errors_in(self.server.log))
        await self.client.start()
        async with asyncio.timeout(PATIENCE_S + LONGEST_S / self.client.speed):
            await self.client.live.wait()
            zero = time.monotonic()
            async with asyncio.TaskGroup() as group:
                for at, fault in schedule.faults:
                    due = zero + at / self.client.speed
                    group.create_task(self._do(due, fault))
            code = await self.client.wait()
        amiss = errors_in(self.server.log)[errors:]
        if code != 0:
            amiss.append(f"the client ended with {code}: {self.client.stderr.decode()[-500:]}")
        lives = [Heard(tuple(events)) for events in self.client.lives]
        return Outcome(lives[-1], tuple(lives[:-1]), tuple(amiss), time.monotonic() - began)

    async def _do(self, due: float, fault: Fault) -> None:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        async with self._turns[_part_of(fault)]:
            if not self.client.ended:
                await self._break(fault)

    async def _break(self, fault: Fault) -> None:
        """Break something, and mend it in time."""
        speed = self.client.speed
        match fault:
            case KillServer(down_s):
                await self.server.end(signal.SIGKILL)
                await asyncio.sleep(down_s / speed)
                await self.server.start()
                self.proxy.target = self.server.port
            case CutNetwork(for_s, hole):
                self.proxy.change(Weather(hole=hole, down=not hole))
                if not hole:
                    self.proxy.cut()
                await asyncio.sleep(for_s / speed)
                self.proxy.cut()
                self.proxy.change(CALM)
            case SuspendClient(for_s):
                self.client.send(signal.SIGSTOP)
                await asyncio.sleep(for_s / speed)
                self.client.send(signal.SIGCONT)
            case KillClient(down_s):
                await self.client.kill()
                await asyncio.sleep(down_s / speed)
                await self.client.start()
            case Change(weather, cuts):
                self.proxy.cuts += cuts
                self.proxy.change(weather)
                if cuts:
                    self.proxy.cut()


def _part_of(fault: Fault) -> str:
    """What a fault breaks: one part is broken in one way at a time."""
    match fault:
        case KillServer():
            return "server"
        case CutNetwork() | Change():
            return "network"
        case SuspendClient() | KillClient():
            return "client"


@asynccontextmanager
async def serving(data_dir: Path) -> AsyncIterator[ServerProcess]:
    """A server that is ready; it is killed in the end."""
    server = ServerProcess(data_dir)
    await server.start()
    try:
        yield server
    finally:
        await server.end(signal.SIGKILL)


@asynccontextmanager
async def rigged(
    server: ServerProcess, directory: Path, files: Mapping[str, Path], speed: float, seed: int
) -> AsyncIterator[Rig]:
    """A network and a client for a server; both end with it."""
    proxy = Proxy(server.port, random.Random(seed), most_bytes=150_000)
    async with proxied(proxy):
        client = ClientProcess(proxy.url, speed, directory / "spool", files)
        try:
            yield Rig(server, proxy, client)
        finally:
            if client.process is not None and not client.ended:
                client.send(signal.SIGCONT)
                await client.kill()
