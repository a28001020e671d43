"""Deep health: does a known sound still give the known answer, through the same queue that speech takes?"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from echopanel.asr.provider import DecodeOptions, Hypothesis
from echopanel.audio import Chunk, Source
from echopanel.engine.excerpt import Excerpt
from echopanel.engine.models import ModelHost
from echopanel.engine.recogniser import ENGLISH, QueueFull, Recogniser, Request
from echopanel.engine.sounds import known_sound
from echopanel.engine.streams import Streams
from echopanel.errors import TranscriptionFailed
from echopanel.policy.lifecycle import ModelState
from echopanel.policy.scheduler import JobKind

PROBE_SESSION = "health"
PROBE_TIMEOUT_S = 5.0
# Two decodes of the same samples differ by rounding only.
LOGPROB_TOLERANCE = 0.05
OVERLOADED_ABOVE = 1.2
BEHIND_S = 2.0


class HealthStatus(StrEnum):
    """What an operator has to tell apart."""

    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"
    OVERLOADED = "overloaded"
    DEADLOCKED = "deadlocked"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The answer of `/health`; durations in seconds, memory in bytes."""

    status: HealthStatus
    reason: str
    model_loaded: bool
    state: str
    provider: str
    model: str
    load_s: float | None
    warmup_s: float | None
    last_inference_s: float | None
    probe_s: float | None
    errors: int
    workers_replaced: int
    queue_depth: int
    load: float
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class Probe:
    """One known-answer decode: when, how long, and what was wrong with it."""

    at: float
    seconds: float
    problem: str = ""
    timed_out: bool = False


class Serving(Protocol):
    """Which model recognises."""

    @property
    def fault(self) -> str:
        """What is wrong with the first one, "" if nothing is."""
        ...

    def serving(self, language: str | None) -> str:
        """The name of the one that live speech goes to."""
        ...


class Health:
    """Probes at most once an interval, however often it is asked."""

    def __init__(
        self,
        host: ModelHost,
        models: Serving,
        recogniser: Recogniser,
        interval_s: float,
        streams: Streams | None = None,
    ) -> None:
        self._host = host
        self._models = models
        self._recogniser = recogniser
        self._interval_s = interval_s
        self._streams = streams
        self._expected: dict[str, Hypothesis] = {}  # by model
        self._last: Probe | None = None
        self._probing = asyncio.Lock()

    async def report(self) -> HealthReport:
        """The state of the recogniser now; waits for a probe when the last one is too old."""
        if self._host.state is ModelState.READY and self._streams is None:
            await self._refresh()
        status, reason = self._judge()
        load = self._recogniser.reading().load
        return HealthReport(
            status=status,
            reason=reason,
            model_loaded=self._host.loaded,
            state=self._host.state.value,
            provider=self._host.spec.provider,
            model=self._host.spec.name,
            load_s=self._host.load_s,
            warmup_s=self._host.warmup_s,
            last_inference_s=self._recogniser.last_call_s,
            probe_s=None if self._last is None else round(self._last.seconds, 4),
            errors=self._recogniser.errors,
            workers_replaced=self._recogniser.replaced,
            queue_depth=self._recogniser.depth,
            load=round(load, 3),
            rss_bytes=rss_bytes(),
        )

    def _judge(self) -> tuple[HealthStatus, str]:
        match self._host.state:
            case ModelState.FAILED:
                return HealthStatus.FAILED, self._host.error
            case ModelState.READY:
                if self._streams is None:
                    return self._judge_running()
                if self._models.fault:  # another model stands in
                    return HealthStatus.DEGRADED, self._models.fault
                return judge_streams(self._streams)
        return HealthStatus.STARTING, f"the model is {self._host.state.value.replace('_', ' ')}"

    def _judge_running(self) -> tuple[HealthStatus, str]:
        load = self._recogniser.reading().load
        stuck = self._recogniser.stuck()
        if stuck:
            return (
                HealthStatus.DEADLOCKED,
                f"{stuck} of the workers did not answer in time and will be replaced",
            )
        if load > OVERLOADED_ABOVE:
            return HealthStatus.OVERLOADED, f"load {load:.2f}: more speech than this machine can recognise"
        probe = self._last
        if probe is not None and probe.timed_out:
            return HealthStatus.DEADLOCKED, probe.problem
        if self._models.fault:
            return HealthStatus.DEGRADED, self._models.fault
        if probe is not None and probe.problem:
            return HealthStatus.DEGRADED, probe.problem
        if self._recogniser.replaced_lately:
            return HealthStatus.DEGRADED, "a worker was stuck and has been replaced"
        return HealthStatus.READY, ""

    async def _refresh(self) -> None:
        async with self._probing:
            if self._last is None or time.monotonic() - self._last.at >= self._interval_s:
                self._last = await self._probe()

    async def _probe(self) -> Probe:
        started = time.monotonic()
        chunk = Chunk(Source.MIC, 0, known_sound())
        options = DecodeOptions(language=ENGLISH, final=False)
        request = Request(
            PROBE_SESSION,
            Source.MIC,
            JobKind.FINAL,
            chunk.seconds,
            lambda: Excerpt(chunk, options, 0),
            ENGLISH,
        )
        model = self._models.serving(ENGLISH)
        problem, timed_out = "", False
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                heard = await self._recogniser.submit(request)
            if model == self._models.serving(ENGLISH):
                problem = self._compare(heard, model)
        except TimeoutError:
            problem, timed_out = f"a test decode did not come back within {PROBE_TIMEOUT_S:g} s", True
        except QueueFull:
            problem = "the queue is full"
        except TranscriptionFailed as error:
            problem = f"a test decode failed: {error}"
        now = time.monotonic()
        return Probe(now, now - started, problem, timed_out)

    def _compare(self, heard: Hypothesis, model: str) -> str:
        """The first answer is the known one; weights that were damaged since would answer otherwise."""
        expected = self._expected.setdefault(model, heard)
        same = heard.text == expected.text
        close = abs(heard.avg_logprob - expected.avg_logprob) <= LOGPROB_TOLERANCE
        return "" if same and close else "a test decode gave another answer than after loading"


def judge_streams(streams: Streams) -> tuple[HealthStatus, str]:
    """How streams are doing: no test decode, which would cost a stream, but what they make of real speech."""
    if streams.failing:
        return HealthStatus.FAILED, f"no stream can be had: {streams.failing}"
    if streams.behind_s > BEHIND_S:
        return (
            HealthStatus.OVERLOADED,
            f"text is {streams.behind_s:.0f} s behind speech: slower than real time",
        )
    return HealthStatus.READY, ""


def rss_bytes() -> int:
    """Resident memory of this process; on macOS the peak, which is all it tells cheaply."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
