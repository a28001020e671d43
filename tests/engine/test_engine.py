"""The engine as a whole: when the model is loaded, what is done about stuck workers, the pace, the end."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from echopanel.asr.fake import Fake, Script
from echopanel.asr.provider import Capabilities, DecodeOptions
from echopanel.audio import Source, to_samples
from echopanel.engine.engine import scheduler_settings
from echopanel.engine.events import Event
from echopanel.engine.health import HealthStatus
from echopanel.engine.lead import LEAD_S
from echopanel.engine.options import PipelineOptions
from echopanel.engine.settings import EngineSettings, LoadStrategy
from echopanel.errors import ModelUnavailable
from echopanel.policy.clock import SessionClock
from echopanel.policy.lifecycle import ModelState
from echopanel.policy.load import LoadReading
from echopanel.transcript import Final
from tests.engine.rig import SPEC, engine_of, frames, install, said, silence, soon, speech


def settings(strategy: LoadStrategy = LoadStrategy.EAGER, **others: float) -> EngineSettings:
    """One worker."""
    return EngineSettings(SPEC, max_inference=1, load_strategy=strategy, **others)  # type: ignore[arg-type]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """What the engines of a test load."""
    fake = Fake()
    install(monkeypatch, fake)
    return fake


async def test_eager_is_ready_when_start_returns(fake: Fake) -> None:
    """And warm: the very instance has been used."""
    async with engine_of(fake, settings()) as engine:
        before = engine.ready
        await engine.start()
        assert (before, engine.ready) == (False, True)
        assert len(fake.models[0].calls) == 2


async def test_eager_fails_fast_with_the_reason(fake: Fake) -> None:
    """The start is over, and health knows why."""
    fake.script = Script(unavailable="the file is gone")
    async with engine_of(fake, settings()) as engine:
        with pytest.raises(ModelUnavailable, match="the file is gone; this is a test"):
            await engine.start()
        assert (await engine.health()).status is HealthStatus.FAILED
        assert not engine.ready


async def test_lazy_loads_with_the_first_who_asks(fake: Fake) -> None:
    """Sessions may come before; many ask, one load."""
    async with engine_of(fake, settings(LoadStrategy.LAZY)) as engine:
        await engine.start()
        assert (engine.ready, fake.models) == (True, [])
        await asyncio.gather(*(engine.load() for _ in range(5)))
        assert engine.host.state is ModelState.READY
        assert len(fake.models) == 1
        await engine.load()
        assert engine.host.life.leases == 1


async def test_lazy_goes_on_loading_when_the_asker_leaves(fake: Fake) -> None:
    """The next one finds it loaded."""
    async with engine_of(fake, settings(LoadStrategy.LAZY)) as engine:
        await engine.start()
        asking = asyncio.create_task(engine.load())
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await engine.load()
        assert (engine.host.ready, len(fake.models)) == (True, 1)


async def test_lazy_tries_again_after_a_failure(fake: Fake) -> None:
    """Each who asks is told the reason until it works."""
    script, fake.script = fake.script, Script(unavailable="no network")
    async with engine_of(fake, settings(LoadStrategy.LAZY)) as engine:
        await engine.start()
        for _ in range(2):
            with pytest.raises(ModelUnavailable, match="no network"):
                await engine.load()
        fake.script = script
        await engine.load()
        assert engine.host.ready


async def test_hybrid_loads_in_the_background(fake: Fake) -> None:
    """The start returns at once; it is ready when it is."""
    async with engine_of(fake, settings(LoadStrategy.HYBRID)) as engine:
        await engine.start()
        assert not engine.ready
        await soon(lambda: engine.ready)


async def test_hybrid_keeps_the_reason_of_a_failure(fake: Fake) -> None:
    """The server is up, health says what is wrong."""
    fake.script = Script(unavailable="no network")
    async with engine_of(fake, settings(LoadStrategy.HYBRID)) as engine:
        await engine.start()
        await soon(lambda: engine.host.state is ModelState.FAILED)
        report = await engine.health()
        assert report.status is HealthStatus.FAILED
        assert "no network" in report.reason
        assert not engine.ready


async def test_a_stuck_worker_is_replaced_and_speech_goes_on(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watchdog finds it by itself, health tells, the utterance is recognised, with fresh weights."""
    monkeypatch.setattr("echopanel.engine.engine.WATCH_S", 0.01)
    monkeypatch.setattr("echopanel.engine.patience.UNKNOWN_RTF", 0.0)
    events: list[Event] = []
    async with engine_of(fake, settings(warmup_level=1, stuck_after_s=0.05)) as engine:
        await engine.start()
        fake.models[0]._script = Script(hang=lambda call: call == 0)
        options = PipelineOptions(DecodeOptions(), partials=False)
        pipeline = engine.pipeline("s", Source.MIC, options, SessionClock(), events.append)
        running = asyncio.create_task(pipeline.run())
        for frame in frames(said(speech(1.0), silence(1.0))):
            pipeline.feed(frame)
        await pipeline.flush()
        await soon(lambda: len(fake.models) == 2)
        running.cancel()
        assert [type(event) for event in events] == [Final]
        report = await engine.health()
        assert (report.status, report.workers_replaced) == (HealthStatus.DEGRADED, 1)


async def test_a_watchdog_outlives_weights_that_cannot_be_renewed(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old ones go on; the next stuck worker is replaced as well."""
    monkeypatch.setattr("echopanel.engine.engine.TICK_S", 0.01)
    async with engine_of(fake, settings(warmup_level=1, stuck_after_s=-10.0)) as engine:
        await engine.start()
        fake.script = Script(unavailable="gone")
        fake.models[0]._script = Script(hang=lambda call: call < 2)
        options = PipelineOptions(DecodeOptions(), partials=False)
        pipeline = engine.pipeline("s", Source.MIC, options, SessionClock(), lambda event: None)
        running = asyncio.create_task(pipeline.run())
        for frame in frames(said(speech(1.0), silence(1.0))):
            pipeline.feed(frame)
        await pipeline.flush()
        running.cancel()
        assert engine._recogniser.replaced == 2
        assert engine.host.ready


async def test_the_pace_follows_the_load_and_is_announced(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under load partials become rarer and nothing is decoded on a chance; who waits for changes is woken."""
    monkeypatch.setattr("echopanel.engine.engine.TICK_S", 0.01)
    async with engine_of(fake, settings()) as engine:
        await engine.start()
        idle = engine.status().chunk_interval_s
        monkeypatch.setattr(engine._recogniser, "reading", lambda: LoadReading(0.75, 0.1, 0.1, 0.1))
        async with asyncio.timeout(5.0):
            await engine.changed.wait(60.0)
        assert not engine.quality.pace.speculate
        monkeypatch.setattr(type(engine._recogniser), "backlog_s", property(lambda recogniser: 10_000.0))
        async with asyncio.timeout(5.0):
            await engine.changed.wait(60.0)
        status = engine.status()
        assert status.chunk_interval_s > idle
        assert status.load == 0.75
        assert engine.metrics.registry.get_sample_value("echopanel_load") == 0.75


async def test_queue_figures_are_per_source(fake: Fake) -> None:
    """How many jobs wait, and how many may."""
    async with engine_of(fake, settings(queue_bound_mic=7, queue_bound_system=3)) as engine:
        assert engine.queued("s", Source.MIC) == (0, 7)
        assert engine.queued("s", Source.SYSTEM) == (0, 3)


class Brief(Fake):
    """A provider whose models take ten seconds at a time."""

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, max_chunk_seconds=10.0)


async def test_no_utterance_is_longer_than_the_model_can_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with the speech before it, whatever the settings say."""
    brief = Brief()
    install(monkeypatch, brief)
    events: list[Event] = []
    async with engine_of(brief, settings()) as engine:
        await engine.start()
        options = PipelineOptions(DecodeOptions(), partials=False)
        pipeline = engine.pipeline("s", Source.MIC, options, SessionClock(), events.append)
        running = asyncio.create_task(pipeline.run())
        for frame in frames(said(speech(25.0), silence(1.0))):
            pipeline.feed(frame)
        await pipeline.flush()
        running.cancel()
    finals = [event.segment for event in events if isinstance(event, Final)]
    assert len(finals) == len(events) > 3
    assert max(one.end_sample - one.start_sample for one in finals) <= to_samples(10.0 - LEAD_S)


def test_the_scheduler_is_told_the_settings() -> None:
    """Limits and which source yields."""
    wanted = EngineSettings(
        SPEC, max_inference=3, max_batch=5, secondary_source=Source.MIC, queue_bound_mic=7
    )
    made = scheduler_settings(wanted)
    assert (made.max_running, made.max_batch, made.secondary) == (3, 5, Source.MIC)
    assert made.bounds == {Source.MIC: 7, Source.SYSTEM: 50}


async def test_closing_frees_the_model(fake: Fake) -> None:
    """Also when nothing was ever loaded, and while it loads in the background."""
    async with engine_of(fake, settings()) as engine:
        await engine.start()
    assert fake.models[0].closed
    async with engine_of(fake, settings()):
        pass
    async with engine_of(fake, settings(LoadStrategy.HYBRID)) as engine:
        await engine.start()
