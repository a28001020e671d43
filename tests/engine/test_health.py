"""Deep health: starting, ready, degraded, overloaded, deadlocked and failed look different."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from echopanel.asr.fake import Fake, Script
from echopanel.engine.health import Health, HealthReport, HealthStatus, rss_bytes
from echopanel.engine.models import ModelHost, WarmUp
from echopanel.errors import ModelUnavailable
from echopanel.policy.lifecycle import ModelState
from echopanel.policy.load import LoadReading
from tests.engine.rig import LOUD_VAD, SPEC, Rig, rigged, soon


@dataclass
class Patient:
    """A recogniser, a model host and who asks how they are."""

    rig: Rig
    host: ModelHost
    health: Health

    async def load(self) -> None:
        """Make the host ready; its own model is not the one that is probed."""

        async def nothing() -> None:
            pass

        await self.host.load(WarmUp(1, 16), LOUD_VAD, nothing)

    async def status(self) -> tuple[HealthStatus, str]:
        """What is reported."""
        report = await self.health.report()
        return report.status, report.reason


@asynccontextmanager
async def patient(
    script: Script | None = None,
    *,
    interval_s: float = 0.0,
    bound: int = 100,
    stuck_after_s: float = 60.0,
    provider: Fake | None = None,
) -> AsyncIterator[Patient]:
    """One that is asked afresh each time, unless told otherwise."""
    async with rigged(script, bound=bound, stuck_after_s=stuck_after_s) as rig:
        host = ModelHost(provider or Fake(), SPEC, rig.metrics)
        yield Patient(rig, host, Health(host, rig.models, rig.recogniser, interval_s))


async def test_before_the_model_is_loaded_it_is_starting() -> None:
    """And says at which step it is; nothing is probed."""
    async with patient() as p:
        assert await p.status() == (HealthStatus.STARTING, "the model is uninitialized")
        assert p.rig.calls == []


async def test_ready_with_all_figures() -> None:
    """The report names model and state, and has the times of loading and of the probe."""
    async with patient() as p:
        await p.load()
        report = await p.health.report()
        assert isinstance(report, HealthReport)
        assert (report.status, report.reason) == (HealthStatus.READY, "")
        assert (report.model_loaded, report.state) == (True, ModelState.READY)
        assert (report.provider, report.model) == (SPEC.provider, SPEC.name)
        assert (report.errors, report.workers_replaced, report.queue_depth) == (0, 0, 0)
        for seconds in (report.load_s, report.warmup_s, report.last_inference_s, report.probe_s):
            assert seconds is not None
            assert seconds >= 0
        assert report.rss_bytes > 10_000_000


async def test_a_failed_model_has_its_reason() -> None:
    """With what to do about it."""
    async with patient(provider=Fake(Script(unavailable="the file is gone"))) as p:
        with pytest.raises(ModelUnavailable):
            await p.load()
        status, reason = await p.status()
        assert status is HealthStatus.FAILED
        assert reason == "model 'scripted': the file is gone; this is a test"


async def test_a_probe_is_used_again_within_the_interval() -> None:
    """However often it is asked, also at once, the recogniser is asked once."""
    async with patient(interval_s=60.0) as p:
        await p.load()
        await asyncio.gather(*(p.status() for _ in range(5)))
        assert len(p.rig.calls) == 1


async def test_a_probe_goes_through_the_real_queue() -> None:
    """It waits for its turn behind what runs."""
    async with patient(Script(hang=lambda call: call == 0)) as p:
        await p.load()
        busy = p.rig.ask()
        asking = asyncio.create_task(p.status())
        await soon(lambda: p.rig.recogniser.depth == 1)
        p.rig.fake.release()
        assert (await asking)[0] is HealthStatus.READY
        await busy


async def test_another_answer_than_at_first_is_degraded() -> None:
    """Weights that were damaged since would answer otherwise."""
    answers = iter(["aah", "aah", "ooh"])
    async with patient(Script(text=lambda chunk: next(answers))) as p:
        await p.load()
        statuses = [(await p.status())[0] for _ in range(3)]
        assert statuses == [HealthStatus.READY, HealthStatus.READY, HealthStatus.DEGRADED]


async def test_a_recogniser_that_fails_is_degraded() -> None:
    """The probe failed twice, so sessions do as well; it recovers by itself."""
    async with patient(Script(fail=lambda call: call < 2)) as p:
        await p.load()
        status, reason = await p.status()
        assert status is HealthStatus.DEGRADED
        assert "call 1 fails by script" in reason
        assert (await p.status())[0] is HealthStatus.READY


async def test_a_full_queue_is_degraded() -> None:
    """The probe finds no room."""
    async with patient(Script(hang=lambda call: call == 0), bound=1) as p:
        await p.load()
        waiting = [p.rig.ask(session="health") for _ in range(2)]
        assert await p.status() == (HealthStatus.DEGRADED, "the queue is full")
        p.rig.fake.release()
        await asyncio.gather(*waiting)


async def test_no_answer_in_time_is_deadlocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also before the watchdog says so."""
    monkeypatch.setattr("echopanel.engine.health.PROBE_TIMEOUT_S", 0.01)
    async with patient(Script(hang=lambda call: call == 0)) as p:
        await p.load()
        status, reason = await p.status()
        assert status is HealthStatus.DEADLOCKED
        assert reason == "a test decode did not come back within 0.01 s"


async def test_a_stuck_worker_is_deadlocked_then_degraded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is replaced, and for a while after."""
    monkeypatch.setattr("echopanel.engine.health.PROBE_TIMEOUT_S", 0.01)
    async with patient(Script(hang=lambda call: call == 0), stuck_after_s=-10.0) as p:
        await p.load()
        busy = p.rig.ask()
        await soon(lambda: p.rig.recogniser.stuck() == 1)
        status, reason = await p.status()
        assert status is HealthStatus.DEADLOCKED
        assert reason.startswith("1 of the workers did not answer in time")
        p.rig.recogniser.check_workers()
        await busy
        monkeypatch.setattr("echopanel.engine.health.PROBE_TIMEOUT_S", 5.0)
        report = await p.health.report()
        assert (report.status, report.workers_replaced) == (HealthStatus.DEGRADED, 1)
        monkeypatch.setattr("echopanel.engine.recogniser.LATELY_S", 0.0)
        assert (await p.status())[0] is HealthStatus.READY


async def test_more_speech_than_can_be_recognised_is_overloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The figure is in the reason."""
    async with patient() as p:
        await p.load()
        monkeypatch.setattr(p.rig.recogniser, "reading", lambda: LoadReading(1.5, 0.5, 0.5, 0.5))
        status, reason = await p.status()
        assert status is HealthStatus.OVERLOADED
        assert "load 1.50" in reason


def test_resident_memory_is_that_of_this_process() -> None:
    """More than an interpreter with numpy takes, less than a machine has."""
    assert 10_000_000 < rss_bytes() < 100_000_000_000
