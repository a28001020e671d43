"""Which model a job goes to, and what happens when one of them breaks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from echopanel.asr.fake import Fake, FakeModel, Script
from echopanel.asr.provider import Capabilities, Model, ModelSpec
from echopanel.engine.lineup import FAILURES, TRIES, Lineup
from echopanel.engine.metrics import Metrics
from echopanel.engine.models import ModelRegistry
from echopanel.engine.settings import EngineSettings
from echopanel.errors import ModelUnavailable
from echopanel.policy.backoff import Backoff
from echopanel.policy.ladder import FAILED_OVER, LEVELS
from echopanel.policy.scheduler import JobKind
from tests.engine.rig import LOUD_VAD, soon

FINAL, PARTIAL, DEFERRED = JobKind.FINAL, JobKind.PARTIAL, JobKind.DEFERRED
NEVER_AGAIN = Script(unavailable="the file is gone")
SIZES = {"base": 200, "tiny": 50, "tiny.en": 50}


class Shelf(Fake):
    """A provider with models of several sizes; `by_name` are those that were loaded last."""

    def __init__(self) -> None:
        super().__init__()
        self.by_name: dict[str, FakeModel] = {}
        self.missing: set[str] = set()

    def size(self, spec: ModelSpec) -> int:
        return SIZES[spec.name]

    def load(self, spec: ModelSpec) -> Model:
        if spec.name in self.missing:
            raise ModelUnavailable(spec.name, "not here")
        model = self.by_name[spec.name] = cast(FakeModel, super().load(spec))
        return model


class Looping(Fake):
    """A provider whose models take one chunk after the other."""

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, max_batch=1)


@dataclass
class Stage:
    """A line-up and what it loads from."""

    lineup: Lineup
    shelf: Shelf
    changes: list[str] = field(default_factory=list)

    def picked(self, kind: JobKind = FINAL, language: str | None = "en") -> str:
        """The name of the model that a job gets."""
        model = self.lineup.pick(kind, language)
        return next(name for name, one in self.shelf.by_name.items() if one is model)

    def break_first(self, *, hung: bool = True) -> None:
        self.lineup.failed(self.shelf.by_name["base"], "no answer", hung=hung)


@asynccontextmanager
async def staged(
    smaller: str | None = None, fallback: str | None = None, missing: str = "", first: str = "base"
) -> AsyncIterator[Stage]:
    """A loaded line-up."""
    shelf = Shelf()
    shelf.missing = {missing}
    registry = ModelRegistry(lambda _: shelf, Metrics(), 1 << 30, LOUD_VAD)
    specs = {name: ModelSpec("fake", name) for name in SIZES}
    settings = EngineSettings(
        specs[first],
        smaller=specs[smaller] if smaller else None,
        fallback=specs[fallback] if fallback else None,
        warmup_level=1,
    )
    lineup = Lineup(registry, LOUD_VAD, settings, chance=lambda: 0.5)
    stage = Stage(lineup, shelf)
    lineup.on_change = lambda: stage.changes.append(lineup.fault)
    await lineup.load()
    wanted = {first, smaller or first, fallback or first} - shelf.missing
    await soon(
        lambda: (
            shelf.by_name.keys() == wanted
            and all(host.ready for host in lineup._hosts() if host.spec.name in wanted)
        )
    )
    try:
        yield stage
    finally:
        shelf.release()
        await lineup.close()
        await registry.unload_all()
    assert all(model.closed for model in shelf.by_name.values())


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long before trying again."""
    monkeypatch.setattr("echopanel.engine.lineup.RESTART", Backoff(0.01, 0.01))
    monkeypatch.setattr("echopanel.engine.lineup.FALLBACK_FIRST_S", 0.01)


# --- which model -----------------------------------------------------------------------------------


async def test_the_plan_says_which_model_live_speech_goes_to() -> None:
    """What was put off gets the best there is, whatever the load."""
    async with staged("tiny", "tiny") as stage:
        for plan, live in zip(LEVELS, ("base", "base", "tiny", "tiny"), strict=True):
            stage.lineup.plan = plan
            assert [stage.picked(kind) for kind in (FINAL, PARTIAL, DEFERRED)] == [live, live, "base"]
        stage.lineup.plan = FAILED_OVER[0]
        assert [stage.picked(kind) for kind in JobKind] == ["tiny"] * 3
        assert stage.lineup.serving("en") == "tiny"


async def test_calls_are_as_large_as_the_model_in_use_takes_gladly() -> None:
    """One that loops keeps nobody waiting for others' words, and only while it is used."""
    async with staged("tiny", "tiny") as stage:
        assert stage.lineup.smaller is not None
        stage.lineup.smaller._provider = Looping()
        assert stage.lineup.max_batch == 16
        stage.lineup.plan = LEVELS[2]
        assert stage.lineup.max_batch == 1


@pytest.mark.parametrize("language", ["de", None])
async def test_a_model_that_knows_only_english_gets_nothing_else(language: str | None) -> None:
    """Neither another language nor one that nobody knows yet, where the first model knows many."""
    async with staged("tiny.en", "tiny.en") as stage:
        for plan in (LEVELS[2], FAILED_OVER[0]):
            stage.lineup.plan = plan
            assert (stage.picked(language="en"), stage.picked(language=language)) == ("tiny.en", "base")
        stage.lineup.plan = LEVELS[2]
        stage.break_first()
        with pytest.raises(ModelUnavailable, match="hangs: no answer"):
            stage.picked(language=language)


async def test_without_a_smaller_model_nothing_changes() -> None:
    """There is none, or it cannot be loaded: the first goes on, and costs what it costs."""
    for missing in ("", "tiny"):
        async with staged("tiny" if missing else None, missing=missing) as stage:
            stage.lineup.plan = LEVELS[2]
            assert stage.picked() == "base"
            assert not stage.lineup.has_smaller
            assert stage.lineup.smaller_cost == 1.0


async def test_a_model_costs_about_as_much_time_as_memory() -> None:
    """As long as nothing better is known."""
    async with staged("tiny") as stage:
        assert stage.lineup.has_smaller
        assert stage.lineup.smaller_cost == 0.25


# --- what breaks ------------------------------------------------------------------------------------


async def test_a_model_that_hangs_is_loaded_again_and_jobs_wait_for_it() -> None:
    """Where nothing stands in; the new weights are taken once they have recognised something."""
    async with staged() as stage:
        broken = stage.shelf.by_name["base"]
        stage.break_first()
        waited = stage.lineup.waiting
        assert stage.lineup.fault == "base hangs: no answer"
        await soon(lambda: not stage.lineup.fault)
        assert stage.changes == ["base hangs: no answer", ""]
        assert (waited, stage.lineup.waiting) == (True, False)
        assert stage.picked() == "base"
        assert stage.shelf.by_name["base"] is not broken
        assert len(stage.shelf.by_name["base"].calls) == 2


async def test_a_few_failures_in_a_row_are_a_fault_single_ones_are_not() -> None:
    """What was said may make one call fail; a call that works in between starts the count again."""
    async with staged() as stage:
        for _ in range(3):
            for _ in range(FAILURES - 1):
                stage.break_first(hung=False)
            stage.lineup.worked(stage.shelf.by_name["base"])
        assert stage.lineup.fault == ""
        for _ in range(FAILURES):
            stage.break_first(hung=False)
        assert stage.lineup.fault == "base fails: no answer"
        await soon(lambda: not stage.lineup.fault)


async def test_the_fallback_stands_in_while_the_first_is_broken() -> None:
    """Nobody waits, once the plan says so; the first is tried again all the time."""
    async with staged(fallback="tiny") as stage:
        stage.shelf.script = NEVER_AGAIN
        stage.break_first()
        stage.lineup.plan = FAILED_OVER[0]
        assert not stage.lineup.waiting
        assert stage.picked() == "tiny"
        await soon(lambda: stage.lineup._records[stage.lineup.first].tries > TRIES)
        stage.shelf.script = Script()
        await soon(lambda: not stage.lineup.fault)
        assert stage.picked() == "tiny"
        stage.lineup.plan = LEVELS[0]
        assert stage.picked() == "base"


async def test_the_fallback_has_the_processor_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading may wait, speech may not; where nothing stands in, speech waits for the loading."""
    monkeypatch.setattr("echopanel.engine.lineup.FALLBACK_FIRST_S", 3600.0)
    async with staged(fallback="tiny") as stage, staged() as alone:
        for one in (stage, alone):
            one.break_first()
        await soon(lambda: not alone.lineup.fault)
        assert stage.lineup.fault
        stage.lineup.plan = FAILED_OVER[0]
        assert stage.picked() == "tiny"


async def test_new_weights_that_do_not_recognise_are_no_cure() -> None:
    """They are loaded again until they do."""
    async with staged() as stage:
        stage.shelf.script = Script(fail=lambda call: True)
        stage.break_first()
        await soon(lambda: len(stage.shelf.models) > 2)
        assert stage.lineup.fault
        stage.shelf.script = Script()
        await soon(lambda: not stage.lineup.fault)


async def test_new_weights_that_hang_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread is left behind."""
    monkeypatch.setattr("echopanel.engine.lineup.PROBE_S", 0.2)
    async with staged() as stage:
        stage.shelf.script = Script(hang=lambda call: True)
        stage.break_first()
        await soon(lambda: len(stage.shelf.models) > 2)
        stage.shelf.script = Script()
        await soon(lambda: not stage.lineup.fault)


async def test_jobs_do_not_wait_for_ever() -> None:
    """After some tries they get the old weights, so that they fail and are put off; who waits is told."""
    async with staged() as stage:
        stage.shelf.script = NEVER_AGAIN
        stage.break_first()
        await soon(lambda: len(stage.changes) == 2)
        assert stage.lineup.fault
        assert not stage.lineup.waiting
        assert stage.picked() == "base"


async def test_what_broke_lately_is_tried_again_more_patiently() -> None:
    """A model that recognises the known sound and breaks on speech does not come back at once for ever."""
    async with staged() as stage:
        record = stage.lineup._records[stage.lineup.first]
        assert [record.broke(now) for now in (0.0, 10.0, 20.0, 1000.0)] == [0, 1, 2, 0]


async def test_another_model_that_breaks_is_loaded_again_without_a_word() -> None:
    """The first works; and what is said of weights that were replaced meanwhile does not matter."""
    async with staged("tiny") as stage:
        broken = stage.shelf.by_name["tiny"]
        stage.lineup.failed(broken, "no answer", hung=True)
        assert not stage.lineup.fault
        await soon(lambda: stage.shelf.by_name["tiny"] is not broken)
        stage.lineup.failed(broken, "no answer", hung=True)
        stage.lineup.worked(broken)
        assert not stage.lineup.fault
        assert repr(stage.lineup).startswith("<Lineup <ModelHost fake/base")
