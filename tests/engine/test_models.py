"""Models in memory: loaded once however many ask, kept while used, and a failure has a reason."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from echopanel.asr.fake import Fake, Script
from echopanel.asr.provider import (
    Capabilities,
    DecodeOptions,
    Hypothesis,
    Model,
    ModelSpec,
)
from echopanel.audio import Chunk
from echopanel.engine.metrics import Metrics
from echopanel.engine.models import ModelHost, ModelRegistry, WarmUp
from echopanel.errors import ModelUnavailable, TranscriptionFailed
from echopanel.policy.lifecycle import ModelState
from tests.engine.rig import LOUD_VAD, SPEC

LOAD_ONLY = WarmUp(1, 16)
WARM = WarmUp(2, 16)


class Counting:
    """A model that notes what it is asked."""

    def __init__(self, error: Exception | None) -> None:
        self.batches: list[int] = []
        self.closed = 0
        self._error = error

    def transcribe(self, chunks: Sequence[Chunk], options: Sequence[DecodeOptions]) -> list[Hypothesis]:
        if self._error is not None:
            raise self._error
        self.batches.append(len(chunks))
        return [Hypothesis("hm")] * len(chunks)

    def close(self) -> None:
        self.closed += 1


class Shelf:
    """A provider that counts loads and can be told to wait or to fail."""

    capabilities: Capabilities = Fake().capabilities

    def __init__(self) -> None:
        self.loads = 0
        self.models: list[Counting] = []
        self.sizes: dict[str, int] = {}
        self.error: Exception | None = None
        self.warm_up_error: Exception | None = None
        self.go = threading.Event()
        self.go.set()

    def size(self, spec: ModelSpec) -> int:
        if spec.name == "unknown":
            raise ModelUnavailable(spec.name, "there is no such model", "take another")
        return self.sizes.get(spec.name, 10)

    def load(self, spec: ModelSpec) -> Model:
        self.loads += 1
        self.go.wait()
        if self.error is not None:
            raise self.error
        self.models.append(Counting(self.warm_up_error))
        return self.models[-1]


def registry(shelf: Shelf | Fake, limit: int = 100) -> ModelRegistry:
    """Models of one provider."""
    return ModelRegistry(lambda name: shelf, Metrics(), limit, LOUD_VAD)


def named(name: str) -> ModelSpec:
    """Another model."""
    return replace(SPEC, name=name)


async def nothing() -> None:
    """There is room."""


async def test_a_lease_loads_warms_and_keeps() -> None:
    """Inside the block the model is ready, behind it it may go."""
    shelf = Shelf()
    models = registry(shelf)
    async with models.lease(SPEC, WARM) as host:
        assert (host.state, host.loaded, host.ready) == (ModelState.READY, True, True)
        assert host.model is shelf.models[0]
        assert host.load_s is not None
        assert host.warmup_s is not None
        await models.unload_all()
        assert host.ready
    await models.unload_all()
    assert (host.state, host.loaded) == (ModelState.UNINITIALIZED, False)
    assert shelf.models[0].closed == 1


async def test_many_askers_cause_one_load() -> None:
    """They all get the same model."""
    shelf = Shelf()
    shelf.go.clear()
    models = registry(shelf)
    leases = [models.lease(SPEC, WARM) for _ in range(5)]
    entering = [asyncio.create_task(lease.__aenter__()) for lease in leases]
    await asyncio.sleep(0)
    assert models.host(SPEC).state is ModelState.LOADING
    shelf.go.set()
    hosts = await asyncio.gather(*entering)
    assert shelf.loads == 1
    assert {id(host.model) for host in hosts} == {id(shelf.models[0])}
    assert hosts[0].life.leases == 5
    for lease in leases:
        await lease.__aexit__(None, None, None)
    assert hosts[0].life.leases == 0


@pytest.mark.parametrize(("level", "batches"), [(1, []), (2, [1, 1]), (3, [1, 1, 4, 4] * 3)])
async def test_warm_up_levels(level: int, batches: list[int]) -> None:
    """1 only loads, 2 infers once of each kind, 3 goes through all sizes."""
    shelf = Shelf()
    async with registry(shelf).lease(SPEC, WarmUp(level, 4)):
        assert shelf.models[0].batches == batches


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModelUnavailable("scripted", "the file is gone", "get it back"), "the file is gone; get it back"),
        (RuntimeError("CUDA out of memory"), "RuntimeError: CUDA out of memory"),
    ],
)
async def test_a_model_that_cannot_be_loaded_says_why(error: Exception, reason: str) -> None:
    """Whatever the plug-in raises; no lease remains, and it may be tried again."""
    shelf = Shelf()
    shelf.error = error
    models = registry(shelf)
    with pytest.raises(ModelUnavailable, match=reason):
        async with models.lease(SPEC, WARM):
            pass
    host = models.host(SPEC)
    assert host.state is ModelState.FAILED
    assert reason in host.error
    assert host.life.leases == 0
    with pytest.raises(ModelUnavailable, match=reason):
        host.model  # noqa: B018 - the property raises
    shelf.error = None
    async with models.lease(SPEC, WARM):
        assert host.ready


async def test_a_model_that_does_not_exist_has_failed() -> None:
    """Also what is known before loading is a reason that health can tell."""
    models = registry(Shelf())
    with pytest.raises(ModelUnavailable, match="no such model; take another"):
        async with models.lease(named("unknown"), WARM):
            pass
    assert models.host(named("unknown")).state is ModelState.FAILED


@pytest.mark.parametrize("error", [TranscriptionFailed("no kernel"), ValueError("no kernel")])
async def test_a_model_that_cannot_be_warmed_up_is_closed(error: Exception) -> None:
    """It would fail in sessions as well."""
    shelf = Shelf()
    shelf.warm_up_error = error
    models = registry(shelf)
    with pytest.raises(ModelUnavailable, match=r"its first inference failed: .*no kernel"):
        async with models.lease(SPEC, WARM):
            pass
    assert (shelf.models[0].closed, models.host(SPEC).loaded) == (1, False)


async def test_a_load_that_was_interrupted_can_be_tried_again() -> None:
    """Whoever asked goes away while the weights are read."""
    shelf = Shelf()
    shelf.go.clear()
    models = registry(shelf)
    asking = asyncio.create_task(models.lease(SPEC, WARM).__aenter__())
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert models.host(SPEC).state is ModelState.FAILED
    shelf.go.set()
    async with models.lease(SPEC, WARM) as host:
        assert host.ready


async def test_the_least_recently_used_makes_room() -> None:
    """What nobody uses is unloaded, oldest use first, and no more than needed."""
    shelf = Shelf()
    shelf.sizes = {"a": 40, "b": 40, "c": 40}
    models = registry(shelf)
    for name in "ab":
        async with models.lease(named(name), LOAD_ONLY) as host:
            host.model  # noqa: B018 - using it is what counts
    async with models.lease(named("c"), LOAD_ONLY):
        assert [models.host(named(name)).loaded for name in "abc"] == [False, True, True]


async def test_what_is_in_use_stays() -> None:
    """A newcomer that does not fit beside leased models is refused with what to do."""
    shelf = Shelf()
    shelf.sizes = {"big": 90}
    models = registry(shelf, limit=95)
    async with models.lease(SPEC, LOAD_ONLY):
        with pytest.raises(ModelUnavailable, match="does not fit into 0 MB beside the models in use; raise"):
            async with models.lease(named("big"), LOAD_ONLY):
                pass
    async with models.lease(named("big"), LOAD_ONLY):
        assert not models.host(SPEC).loaded


async def test_two_newcomers_do_not_count_on_the_same_room() -> None:
    """One gets it, the other is refused; the limit holds."""
    shelf = Shelf()
    shelf.sizes = {"a": 60, "b": 60}
    models = registry(shelf)

    async def use(name: str, done: asyncio.Event) -> None:
        async with models.lease(named(name), LOAD_ONLY):
            await done.wait()

    done = asyncio.Event()
    using = [asyncio.create_task(use(name, done)) for name in "ab"]
    finished, _ = await asyncio.wait(using, return_when=asyncio.FIRST_COMPLETED)
    done.set()
    results = await asyncio.gather(*using, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), ModelUnavailable]
    assert finished == {using[1]}


async def test_the_key_is_the_whole_specification() -> None:
    """The same name on another device or in another number format is another model."""
    models = registry(Shelf())
    specs = [SPEC, replace(SPEC, device="cuda"), replace(SPEC, compute_type="float16")]
    assert len({id(models.host(spec)) for spec in specs}) == 3
    assert models.host(replace(SPEC)) is models.host(SPEC)


async def test_renewed_weights_are_used_from_then_on() -> None:
    """Those in which a call may hang are let go without being closed."""
    shelf = Shelf()
    async with registry(shelf).lease(SPEC, WARM) as host:
        await host.renew()
        assert host.model is shelf.models[1]
        assert shelf.models[0].closed == 0
        shelf.error = OSError("no such file")
        with pytest.raises(ModelUnavailable, match="no such file"):
            await host.renew()
        assert host.model is shelf.models[1]


async def test_the_state_is_a_metric() -> None:
    """1 for the state that it is in."""
    metrics = Metrics()
    host = ModelHost(Fake(Script()), SPEC, metrics)

    def state(name: str) -> float | None:
        labels = {"model": SPEC.name, "state": name}
        return metrics.registry.get_sample_value("echopanel_model_state", labels)

    await host.load(LOAD_ONLY, LOUD_VAD, nothing)
    assert (state("ready"), state("loading")) == (1, 0)
    await host.unload()
    assert (state("ready"), state("uninitialized")) == (0, 1)
