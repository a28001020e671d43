"""The program as its users run it: processes, pipes and signals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ECHOPANEL = (sys.executable, "-m", "echopanel")
PATIENCE_S = 120.0
# What is heard then depends on the audio alone, not on what else the machine does meanwhile.
FULL_QUALITY = ("--set", "engine.adaptive=false")

Json = dict[str, Any]


def environment() -> dict[str, str]:
    """This process's, without the settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ECHOPANEL_")}
    return kept | {"XDG_CONFIG_HOME": "/nonexistent"}


def echopanel(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*ECHOPANEL, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        env=environment(),
    )


@dataclass(frozen=True, slots=True)
class Server:
    """`echopanel serve`; `log` is where its log goes."""

    process: subprocess.Popen[str]
    url: str
    data_dir: Path
    log: Path

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rstrip("/").rpartition(":")[2])

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int:
        """End it; returns the exit code."""
        self.process.send_signal(sign)
        return self.process.wait(PATIENCE_S)


@contextmanager
def serving(data_dir: Path, *arguments: str) -> Iterator[Server]:
    """A server that is ready; it must end without an error in its log, unless it was killed."""
    data_dir.mkdir(parents=True, exist_ok=True)
    log = data_dir / "server.log"
    options = ("--data-dir", str(data_dir), "--log-level", "warning", "--log-format", "json")
    command = [*ECHOPANEL, "serve", *(() if "--port" in arguments else ("--port", "0")), *options, *arguments]
    with (
        log.open("a", encoding="utf-8") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment()
        ) as process,
    ):
        try:
            assert process.stdout is not None
            address = re.search(r"https?://\S+", process.stdout.readline())
            assert address is not None, log.read_text(encoding="utf-8")
            yield Server(process, address[0], data_dir, log)
            if process.poll() is None:
                process.terminate()
                assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()
    assert errors_in(log) == []


def errors_in(log: Path) -> list[str]:
    """Lines of a log that tell of a defect."""
    lines = log.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if '"level": "error"' in line or "Traceback" in line]


@dataclass(slots=True)
class Streaming:
    """`echopanel stream --json`: its events, and when each was read, on the monotonic clock."""

    process: subprocess.Popen[str]
    events: list[Json] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    stderr: str = ""

    def until(self, wanted: Callable[[Json], bool]) -> Json:
        """Read up to the first event that is wanted."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))
            self.times.append(time.monotonic())
            if wanted(self.events[-1]):
                return self.events[-1]
        raise AssertionError(f"it ended before: {self.finish()} {self.stderr}")

    def finish(self) -> int:
        """Read to the end; returns the exit code."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))
            self.times.append(time.monotonic())
        self.stderr = self.process.stderr.read()
        return self.process.wait(PATIENCE_S)

    def of(self, kind: str, source: str | None = None) -> list[Json]:
        """Events of one type, perhaps of one source only."""
        return [
            one for one in self.events if one["type"] == kind and (source is None or one["source"] == source)
        ]

    def text(self, source: str | None = None) -> str:
        """The final text."""
        return " ".join(final["text"] for final in self.of("final", source))

    def words(self, source: str | None = None) -> list[tuple[str, float, float]]:
        """The final words with their starts and ends in seconds."""
        return [
            (word["text"], word["start"], word["end"])
            for final in self.of("final", source)
            for word in final["words"]
        ]

    @property
    def began(self) -> float:
        """When the first sample counts as spoken: the connection was live."""
        live = (one["type"] == "link" and one["state"] == "live" for one in self.events)
        return next(at for at, found in zip(self.times, live, strict=True) if found)

    @property
    def ledgers(self) -> dict[str, Json]:
        """What became of the audio, by source."""
        ledgers: dict[str, Json] = self.of("stopped")[0]["coverage"]
        return ledgers


@contextmanager
def streaming(server: Server, *arguments: str | Path) -> Iterator[Streaming]:
    """A stream that is under way; it is killed if it has not ended by itself."""
    command = [*ECHOPANEL, "stream", *map(str, arguments), "--url", server.url, "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        try:
            yield Streaming(process)
        finally:
            process.kill()


def stream(server: Server, *arguments: str | Path) -> Streaming:
    """Stream to the end, which must be a good one."""
    with streaming(server, *arguments) as running:
        assert running.finish() == 0, running.stderr
        return running
