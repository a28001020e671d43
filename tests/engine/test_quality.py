"""What the ladder decides is in force at once, everywhere, and told to everybody who wants to know."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from math import inf, isclose

import pytest

from echopanel.asr.fake import Fake
from echopanel.asr.provider import DecodeOptions, ModelSpec
from echopanel.audio import Source
from echopanel.engine.engine import Engine
from echopanel.engine.events import Event
from echopanel.engine.options import PipelineOptions
from echopanel.engine.pace import LATE_S
from echopanel.engine.settings import EngineSettings
from echopanel.errors import ConfigError
from echopanel.policy.clock import SessionClock
from echopanel.policy.ladder import FAILED_OVER, LEVELS
from tests.engine.rig import SPEC, engine_of, frames, install, silence, soon, speech

SMALL = ModelSpec("fake", "small")
OPTIONS = PipelineOptions(DecodeOptions(), partials=False)


class Sized(Fake):
    """The scripted provider; one model is a quarter of the other."""

    def size(self, spec: ModelSpec) -> int:
        return 25 if spec == SMALL else 100


@pytest.fixture
async def engine(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    """A started engine that decides only when it is asked to."""
    fake = Sized()
    install(monkeypatch, fake)
    monkeypatch.setattr("echopanel.engine.engine.TICK_S", 1000.0)
    settings = EngineSettings(SPEC, smaller=SMALL, fallback=SMALL, max_inference=1, warmup_level=1)
    async with engine_of(fake, settings) as engine:
        await engine.start()
        await soon(lambda: engine._lineup.has_smaller)
        yield engine


def changes(engine: Engine, level: int) -> float:
    """How often a level was taken."""
    value = engine.metrics.registry.get_sample_value("echopanel_ladder_changes_total", {"level": str(level)})
    return value or 0.0


async def test_a_level_is_in_force_everywhere(engine: Engine) -> None:
    """The model, what it is taken to cost, the metric, the status, and who waits for changes."""
    quality, demand = engine.quality, engine._recogniser.demand
    told = engine.changed._event
    before = demand.load(10, 8.0)
    quality.force(2)
    assert told.is_set()
    assert engine._lineup.plan is LEVELS[2]
    assert isclose(demand.load(10, 8.0), before / 4)
    assert engine.metrics.registry.get_sample_value("echopanel_ladder_level") == 2
    status = engine.status()
    assert (status.level, status.plan, status.reason) == (2, "smaller model (small)", "forced by an operator")
    quality.force(0)
    assert isclose(demand.load(10, 8.0), before)
    assert (changes(engine, 2), changes(engine, 0)) == (1, 1)
    assert engine._lineup.plan is LEVELS[0]


async def test_a_level_that_stays_is_not_told_again(engine: Engine) -> None:
    """Only changes are events."""
    engine.quality.force(1)
    since = engine.quality.standing.since
    engine.quality.force(1)
    engine.quality.release()
    engine.quality.tick([])
    assert engine.quality.standing.since == since
    assert changes(engine, 1) == 1


async def test_only_a_secondary_source_beside_another_is_put_off(engine: Engine) -> None:
    """The microphone goes on, and so does a source that is all that a session has."""
    clock, events = SessionClock(), list[Event]()
    mic = engine.pipeline("s", Source.MIC, OPTIONS, clock, events.append, alone=False)
    system = engine.pipeline("s", Source.SYSTEM, OPTIONS, clock, events.append, alone=False)
    alone = engine.pipeline("t", Source.SYSTEM, OPTIONS, clock, events.append)
    paces = [pipeline._pace for pipeline in (mic, system, alone)]  # type: ignore[union-attr]
    assert [pace().live for pace in paces] == [True, True, True]
    engine.quality.force(3)
    assert [pace().live for pace in paces] == [True, False, True]
    assert not engine.idle
    engine.quality.force(0)
    assert [pace().live for pace in paces] == [True, True, True]
    assert engine.idle


async def test_a_fault_is_acted_upon_before_the_next_look_at_the_load(engine: Engine) -> None:
    """Captions are to go on within seconds."""
    lineup = engine._lineup
    broken = lineup.first.model
    lineup.failed(broken, "no answer", hung=True)
    assert lineup.plan is FAILED_OVER[0]
    assert engine.status().plan == "fallback model (small)"
    assert not engine.idle
    assert (await engine.health()).reason == "scripted hangs: no answer"
    await soon(lambda: not lineup.fault)
    assert lineup.plan is FAILED_OVER[0]


async def test_without_a_fallback_the_status_says_what_happens(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first model is loaded again, meanwhile speech waits."""
    monkeypatch.setattr(engine._lineup, "fallback", None)
    engine.quality.force(4)
    assert engine.status().plan == "scripted is being restarted"


async def test_who_speaks_is_what_the_load_is_forecast_by(engine: Engine) -> None:
    """On average over some seconds, in all and without those that can be put off."""
    quality = engine.quality
    for _ in range(20):
        quality.tick([False, True, True])
    demand, told = engine._recogniser.demand, quality.standing.loads
    assert told == pytest.approx(
        (demand.load(3, 4.0), demand.load(3, 8.0), demand.load(3, 8.0) / 4, demand.load(1, 8.0) / 4)
    )
    quality.tick([])
    assert quality.standing.loads[0] == pytest.approx(demand.load(3 * 19 / 20, 4.0))


async def test_open_utterances_are_counted(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that is silent, or gone, is not."""
    seen: list[list[bool]] = []
    monkeypatch.setattr(engine.quality, "tick", lambda speaking: seen.append(list(speaking)))
    monkeypatch.setattr("echopanel.engine.engine.TICK_S", 0.01)
    clock, events = SessionClock(), list[Event]()
    mic = engine.pipeline("s", Source.MIC, OPTIONS, clock, events.append, alone=False)
    system = engine.pipeline("s", Source.SYSTEM, OPTIONS, clock, events.append, alone=False)
    mic.feed(frames(silence(0.1))[0])
    for frame in frames(speech(1.0), Source.SYSTEM):
        system.feed(frame)
    engine._tasks.append(asyncio.create_task(engine._tick()))
    await soon(lambda: seen[-1:] == [[True]])


async def test_a_level_that_is_not_there(engine: Engine) -> None:
    """Nothing changes."""
    with pytest.raises(ConfigError):
        engine.quality.force(5)
    assert engine.quality.standing.plan is LEVELS[0]
    assert repr(engine.quality).startswith("<Quality <Ladder at 0 [automatic: nothing to do]> <ChunkInterval")


async def test_only_after_long_overload_what_is_late_is_put_off(engine: Engine) -> None:
    """Not for a burst on an idle server, and not where the ladder is off."""
    quality = engine.quality
    quality.tick([])
    assert quality.pace.late_s == inf
    quality.force(1)
    quality.tick([])
    assert quality.pace.late_s == inf
    quality.force(2)
    quality.tick([])
    assert quality.pace.late_s == LATE_S
    quality.switch_off()
    quality.tick([])
    assert quality.pace.late_s == inf
