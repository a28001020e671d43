"""The ladder on a running server: quality gets worse step by step, and whole again; nothing is lost."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from echopanel.asr.fake import Fake, Script
from echopanel.audio import Source
from echopanel.policy.ladder import LEVELS
from echopanel.transcript import GapStatus
from echopanel.wire import messages as m
from tests.engine.rig import quarters, silence, soon
from tests.server.rig import Client, Served, serving, settings_of, talk

MIC, SYSTEM = Source.MIC, Source.SYSTEM
TOKEN = "correct-horse-battery"
QUICK = {"sustain_s": 0.2, "recover_s": 0.3, "dwell_s": 0.1}
HIGH, LOW = (5.0,) * 4, (0.0,) * 4


class Load:
    """What the server takes its load to be."""

    def __init__(self) -> None:
        self.told = LOW

    def __call__(self, *_: Any, **__: Any) -> tuple[float, ...]:
        return self.told


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    """The load of servers of the test, which look at it often."""
    load = Load()
    monkeypatch.setattr("echopanel.engine.quality.forecast", load)
    monkeypatch.setattr("echopanel.engine.engine.TICK_S", 0.02)
    return load


def levels(client: Client) -> list[int]:
    """The levels that the client was told of, one after the other; some if it reads slowly."""
    return [level for level, _ in itertools.groupby(flow.level for flow in client.of(m.Flow))]


async def at(client: Client, level: int) -> m.Flow:
    """Wait until the client is told of a level."""
    await client.until(lambda: levels(client)[-1:] == [level])
    return client.of(m.Flow)[-1]


def metric(served: Served, name: str, **labels: str) -> float | None:
    """A figure."""
    return served.server.engine.metrics.registry.get_sample_value(f"echopanel_{name}", labels)


async def said(client: Client, source: Source, level: float) -> None:
    """Say a second on a source, and see it become final."""
    before = len([one for one in client.segments if one.source is source])
    await client.speak(talk(level), source)
    await client.until(lambda: len([one for one in client.segments if one.source is source]) > before)


async def test_overload_takes_it_up_and_calm_back_and_nothing_is_lost(
    tmp_path: Path, fake: Fake, load: Load
) -> None:
    """0, 1, 2, 3 and back: the smaller model, then mic alone live; in the end all is there, and as before."""
    settings = settings_of(tmp_path, ladder=QUICK | {"smaller_model": "small"})
    async with serving(settings, fake) as served, served.started(MIC, SYSTEM, language="en") as client:
        await soon(lambda: len(fake.models) == 2)
        big, small = fake.models
        await said(client, SYSTEM, 0.1)
        load.told = (0.9, 1.1, 1.1, 0.5)
        await at(client, 2)
        before = len(big.calls)
        await said(client, MIC, 0.2)
        assert (len(big.calls), bool(small.calls)) == (before, True)
        load.told = HIGH
        assert (await at(client, 3)).plan == "second source later"
        await client.speak(talk(0.3), SYSTEM)
        await said(client, MIC, 0.4)
        gap = (await client.got(m.GapMessage)).gap
        assert (gap.source, gap.reason, gap.status) == (SYSTEM, "overload", GapStatus.PENDING)
        assert quarters(one.text for one in client.segments if one.source is SYSTEM) == [0, 1, 2, 3]
        load.told = LOW
        await at(client, 0)
        await client.until(lambda: len([one for one in client.segments if one.source is SYSTEM]) == 2)
        stopped = await client.stop()
        assert all((one.pending, one.lost) == (0, 0) for one in stopped.coverage.values())
        heard = {source: [one.text for one in client.segments if one.source is source] for source in Source}
        assert quarters(sorted(heard[SYSTEM])) == quarters(heard[MIC]) == [0, 1, 2, 3, 8, 9, 10, 11]
        assert served.server.engine.quality.standing.plan is LEVELS[0]
        assert metric(served, "ladder_level") == 0
        assert [metric(served, "ladder_changes_total", level=str(i)) for i in range(4)] == [1, 2, 2, 1]


async def test_what_was_heard_in_haste_is_heard_again(tmp_path: Path, fake: Fake, load: Load) -> None:
    """When there is time, or after stop; what is kept is the later text."""
    voice = ["Hasty."]
    fake.script = Script(text=lambda chunk: voice[0])

    async def hasty(client: Client, level: float) -> None:
        """Say something while there is no time for the first model."""
        voice[0], load.told = "Hasty.", (0.9, 1.1, 0.5, 0.5)
        await at(client, 2)
        await said(client, MIC, level)
        voice[0] = "Calm."

    settings = settings_of(tmp_path, ladder=QUICK | {"smaller_model": "small"})
    async with serving(settings, fake) as served:
        await soon(lambda: len(fake.models) == 2)
        async with served.started(MIC, language="en") as client:
            await hasty(client, 0.2)
            load.told = LOW
            await at(client, 0)
            first = (await client.got(m.RevisionMessage)).revision
            assert (first.replaces, first.reason) == ((client.segments[0].id,), "heard_again")
            await client.speak(
                silence(4.0)
            )  # what comes now has no left context, which the fake would not know
            await hasty(client, 0.4)
            stopped = await client.stop()
            _, last = client.of(m.RevisionMessage)
            assert last.revision.replaces == (client.segments[1].id,)
            assert (stopped.coverage[MIC].pending, stopped.coverage[MIC].lost) == (0, 0)
        kept = await served.http.get(f"/v1/sessions/{stopped.session}/transcript")
        assert [one["text"] for one in kept.json()["segments"]] == ["Calm.", "Calm."]


async def test_what_was_put_off_is_there_at_the_latest_after_stop(
    tmp_path: Path, fake: Fake, load: Load
) -> None:
    """Though the load never falls; a session with one source is never put off."""
    async with serving(settings_of(tmp_path), fake) as served:
        await served.http.post("/v1/ladder", json={"level": 3})
        async with served.started(MIC, SYSTEM) as client:
            await client.speak(talk(0.3), SYSTEM)
            await client.got(m.GapMessage)
            stopped = await client.stop()
            assert quarters(client.texts) == [0, 1, 2, 3]
            assert (stopped.coverage[SYSTEM].pending, stopped.coverage[SYSTEM].lost) == (0, 0)
        async with served.started(SYSTEM) as client:
            await said(client, SYSTEM, 0.5)
            assert client.of(m.GapMessage) == []
            await client.stop()


async def test_a_killed_model_and_captions_go_on_from_the_fallback(
    tmp_path: Path, fake: Fake, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of speech; when the first is well it takes over again. Nothing is lost or said twice."""
    monkeypatch.setattr("echopanel.engine.patience.UNKNOWN_RTF", 0.0)
    settings = settings_of(tmp_path, ladder=QUICK | {"fallback": "fake:spare"}, engine={"stuck_after_s": 0.3})
    async with serving(settings, fake) as served, served.started(language="en") as client:
        await soon(lambda: len(fake.models) == 2)
        first, spare = fake.models
        speech = talk(0.5)
        await client.speak(speech[:8000])
        await client.got(m.PartialMessage)
        first._script, fake.script = Script(hang=lambda call: True), Script(unavailable="still broken")
        await client.speak(speech[8000:])
        await client.got(m.FinalMessage)
        await said(client, MIC, 0.6)
        assert spare.calls
        flow = await at(client, 4)
        assert (flow.level, flow.plan) == (4, "fallback model (spare)")
        assert flow.reason == "scripted hangs: the recogniser did not answer in time"
        health = (await served.http.get("/health")).json()
        assert health["status"] in {"degraded", "deadlocked"}
        fake.script = Script()
        await at(client, 0)
        await said(client, MIC, 0.7)
        assert len(fake.models) == 3
        assert fake.models[-1].calls
        stopped = await client.stop()
        assert quarters(client.texts) == [*range(4), *range(8, 12), *range(16, 20)]
        assert (stopped.coverage[MIC].pending, stopped.coverage[MIC].lost) == (0, 0)
        assert metric(served, "ladder_changes_total", level="4") == 1


async def test_an_operator_forces_releases_and_switches_off(served: Served, load: Load) -> None:
    """Each answer says where it stands now, as GET does; sessions are told."""
    async with served.started() as client:
        calm = (await served.http.get("/v1/ladder")).json()
        assert (calm["level"], calm["mode"], calm["reason"]) == (0, "automatic", "")
        for level, name in [(1, "text comes less often"), (2, "smaller model (there is none)")]:
            answer = (await served.http.post("/v1/ladder", json={"level": level})).json()
            assert (answer["level"], answer["mode"], answer["plan"]["name"]) == (level, "forced", name)
            assert answer["plan"]["longest_s"] == 8.0
            assert answer["since"] > calm["since"]
            await at(client, level)
        assert client.of(m.Flow)[-1].reason == "forced by an operator"
        assert (await served.http.get("/v1/ladder")).json() == answer
        released = (await served.http.post("/v1/ladder", json={"level": "auto"})).json()
        assert (released["level"], released["mode"]) == (2, "automatic")
        off = (await served.http.post("/v1/ladder", json={"level": "off"})).json()
        assert (off["level"], off["mode"]) == (0, "off")
        await client.stop()


@pytest.mark.parametrize(
    "body", [{"level": 5}, {"level": -1}, {"level": "on"}, {"level": True}, {}, {"step": 1}]
)
async def test_what_is_no_level_is_refused(served: Served, body: dict[str, object]) -> None:
    """And changes nothing."""
    assert (await served.http.post("/v1/ladder", json=body)).status_code == 422
    assert (await served.http.get("/v1/ladder")).json()["mode"] == "automatic"


async def test_only_who_has_the_token_may(tmp_path: Path, fake: Fake) -> None:
    """Reading or setting."""
    async with serving(settings_of(tmp_path, server={"token": TOKEN}), fake) as served:
        nobody = {"Authorization": "Bearer wrong-horse-battery"}
        assert (await served.http.get("/v1/ladder", headers=nobody)).status_code == 401
        answer = await served.http.post("/v1/ladder", json={"level": 3}, headers=nobody)
        assert answer.status_code == 401
        assert (await served.http.get("/v1/ladder")).json()["level"] == 0


@pytest.mark.parametrize("section", [{"ladder": {"enabled": False}}, {"engine": {"adaptive": False}}])
async def test_where_quality_is_held_no_load_changes_it(
    tmp_path: Path, fake: Fake, load: Load, section: dict[str, dict[str, object]]
) -> None:
    """By the ladder's own setting, or the engine's."""
    load.told = HIGH
    sections = {"ladder": dict(QUICK)} | section
    async with serving(settings_of(tmp_path, **sections), fake) as served, served.started() as client:
        await client.got(m.Flow, 10)
        await said(client, MIC, 0.5)
        await client.stop()
        assert levels(client) == [0]
        assert (await served.http.get("/v1/ladder")).json()["mode"] == "off"
