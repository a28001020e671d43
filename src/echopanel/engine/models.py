"""Models in memory: loading once however many ask, warming up, sharing, and making room."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

import structlog

from echopanel.asr.provider import Capabilities, DecodeOptions, Model, ModelSpec, Provider
from echopanel.asr.registry import Providers
from echopanel.asr.vad import SileroVad
from echopanel.audio import Chunk, Source
from echopanel.engine.metrics import Metrics
from echopanel.engine.sounds import known_sound
from echopanel.engine.worker import Batch, Outcome, call
from echopanel.errors import ModelUnavailable, TranscriptionFailed
from echopanel.policy.lifecycle import Lifecycle, ModelEvent, ModelState, Resident, evictions

P = ParamSpec("P")
T = TypeVar("T")

log = structlog.get_logger(__name__)

# Context sizes (seconds of speech) and batch sizes that the highest warm-up level runs through.
WARM_SECONDS = (1.0, 4.0, 12.0)
PARTIAL = DecodeOptions(language="en", final=False)
FINAL = DecodeOptions(language="en", word_timestamps=True)


@dataclass(frozen=True, slots=True)
class WarmUp:
    """`level` 1: only load; 2: one real inference of each kind; 3: all sizes of chunks and batches.

    `at_once`: so many calls together, as the workers will make them.
    """

    level: int
    max_batch: int
    at_once: int = 1


class ModelHost:
    """One model from nothing to ready and back."""

    def __init__(self, provider: Provider, spec: ModelSpec, metrics: Metrics) -> None:
        self.spec = spec
        self.error = ""
        self.size = 0  # bytes that the weights take in memory, about; known once they are wanted
        self.load_s: float | None = None
        self.warmup_s: float | None = None
        self.used_at = time.monotonic()
        self.life = Lifecycle()
        self._provider = provider
        self._metrics = metrics
        self._model: Model | None = None
        self._flight = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<ModelHost {self.spec.provider}/{self.spec.name} {self.life!r}>"

    @property
    def capabilities(self) -> Capabilities:
        """What its provider can do."""
        return self._provider.capabilities

    @property
    def state(self) -> ModelState:
        """Where it is in its life."""
        return self.life.state

    @property
    def ready(self) -> bool:
        """Whether it can be used now."""
        return self.life.state is ModelState.READY

    @property
    def loaded(self) -> bool:
        """Whether the weights are in memory."""
        return self._model is not None

    @property
    def model(self) -> Model:
        """The weights, ready to be used.

        Raises:
            ModelUnavailable: they are not.
        """
        if self._model is None or not self.ready:
            raise ModelUnavailable(self.spec.name, f"it is {self.state}", self.error)
        self.used_at = time.monotonic()
        return self._model

    def holds(self, model: Model) -> bool:
        """Whether these are its weights now."""
        return self._model is model

    async def load(self, warm_up: WarmUp, vad: SileroVad, make_room: Callable[[], Awaitable[None]]) -> None:
        """Load and warm up in a thread. Callers that come meanwhile wait for the same load.

        Raises:
            ModelUnavailable: with what to do.
        """
        async with self._flight:
            if self.ready:
                return
            self._advance(ModelEvent.LOAD)
            try:
                self.size = await asyncio.to_thread(self._provider.size, self.spec)
                await make_room()
                await self._fill(warm_up, vad)
            except BaseException as error:
                self.error = str(error) or "loading was interrupted"
                self._advance(ModelEvent.FAIL)
                log.info("model unavailable", model=self.spec.name, error=self.error)
                raise
            self._advance(ModelEvent.WARM)

    async def _fill(self, warm_up: WarmUp, vad: SileroVad) -> None:
        model, self.load_s = await asyncio.to_thread(timed, load_from, self._provider, self.spec)
        self._model = model
        self._advance(ModelEvent.LOADED)
        try:
            _, self.warmup_s = await asyncio.to_thread(timed, run_warm_up, model, vad, warm_up)
        except TranscriptionFailed as error:
            self._model = None
            await asyncio.to_thread(model.close)
            raise ModelUnavailable(self.spec.name, f"its first inference failed: {error}") from error

    async def renew(self) -> None:
        """Load the weights once more and use the new ones from now on.

        A call that hangs inside the old ones may hold them for ever, so they are let go without being closed.

        Raises:
            ModelUnavailable: they cannot be loaded again; the old ones stay.
        """
        async with self._flight:
            if self.ready:
                self._model = await asyncio.to_thread(load_from, self._provider, self.spec)
                log.warning("model loaded again", model=self.spec.name)

    async def unload(self) -> None:
        """Free the weights; nothing happens when there are none.

        Raises:
            Leased: somebody uses them.
        """
        async with self._flight:
            if self._model is None:
                return
            self._advance(ModelEvent.UNLOAD)
            model, self._model = self._model, None
            await asyncio.to_thread(model.close)
            self._advance(ModelEvent.UNLOADED)

    def _advance(self, event: ModelEvent) -> None:
        self.life.advance(event)
        log.info("model", model=self.spec.name, provider=self.spec.provider, state=self.state.value)
        for state in ModelState:
            self._metrics.model_state.labels(self.spec.name, state.value).set(state is self.state)


class ModelRegistry:
    """The models of a server, by (provider, name, device, compute type), within a memory limit."""

    def __init__(self, providers: Providers, metrics: Metrics, limit_bytes: int, vad: SileroVad) -> None:
        self._providers = providers
        self._metrics = metrics
        self._limit_bytes = limit_bytes
        self._vad = vad
        self._hosts: dict[ModelSpec, ModelHost] = {}
        self._entering = asyncio.Lock()  # two newcomers must not count on the same room

    def __repr__(self) -> str:
        return f"<ModelRegistry {list(self._hosts.values())}>"

    def host(self, spec: ModelSpec) -> ModelHost:
        """The place of a model, loaded or not.

        Raises:
            ConfigError: the provider is not there.
        """
        if spec not in self._hosts:
            self._hosts[spec] = ModelHost(self._providers(spec.provider), spec, self._metrics)
        return self._hosts[spec]

    @contextlib.asynccontextmanager
    async def lease(self, spec: ModelSpec, warm_up: WarmUp) -> AsyncIterator[ModelHost]:
        """Use a model: it is loaded if need be, others make room, and it stays until the end of the block.

        Raises:
            ModelUnavailable: it cannot be loaded, or what is in use leaves no room.
        """
        host = self.host(spec)
        host.life.lease()
        try:
            async with self._entering:
                await host.load(warm_up, self._vad, partial(self._make_room, host))
            yield host
        finally:
            host.life.release()

    async def unload_all(self) -> None:
        """Free everything that nobody uses."""
        for host in self._hosts.values():
            if not host.life.leases:
                await host.unload()

    async def _make_room(self, newcomer: ModelHost) -> None:
        while victims := self._victims(newcomer):
            await victims[0].unload()

    def _victims(self, newcomer: ModelHost) -> list[ModelHost]:
        """Models that have to go, the first one first; who is leased meanwhile is no longer among them."""
        loaded = {str(host.spec): host for host in self._hosts.values() if host.loaded}
        residents = [
            Resident(name, host.size, host.used_at, host.life.leases > 0) for name, host in loaded.items()
        ]
        names = evictions(residents, newcomer.size, self._limit_bytes)
        if names is None:
            raise ModelUnavailable(
                newcomer.spec.name,
                f"it does not fit into {self._limit_bytes / 1e6:.0f} MB beside the models in use",
                "raise model.memory_mb or choose a smaller model",
            )
        return [loaded[name] for name in names]


def load_from(provider: Provider, spec: ModelSpec) -> Model:
    """Load a model; whatever a plug-in raises becomes a `ModelUnavailable`."""
    try:
        return provider.load(spec)
    except ModelUnavailable:
        raise
    except Exception as error:
        raise ModelUnavailable(spec.name, f"{type(error).__name__}: {error}") from error


def timed(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[T, float]:
    """What `work` returns, and the seconds it took."""
    started = time.monotonic()
    return work(*args, **kwargs), round(time.monotonic() - started, 3)


def run_warm_up(model: Model, vad: SileroVad, warm_up: WarmUp) -> None:
    """Let the very instance do what sessions will ask of it: their first chunk shall cost no more.

    Raises:
        TranscriptionFailed: the model cannot do it.
    """
    if warm_up.level < 2:
        return
    vad.stream().push(known_sound(1.0))
    for outcome in _outcomes(_warm_up_batches(model, warm_up), warm_up.at_once):
        if outcome.error is not None:
            raise outcome.error


def _outcomes(batches: Sequence[Batch], at_once: int) -> Iterator[Outcome]:
    """One after the other in this very thread, as it may be one that nobody waits for; else in several."""
    if at_once == 1:
        yield from map(call, batches)
        return
    with ThreadPoolExecutor(at_once, "warm-up") as pool:
        yield from pool.map(call, batches)


def _warm_up_batches(model: Model, warm_up: WarmUp) -> list[Batch]:
    seconds = WARM_SECONDS if warm_up.level >= 3 else WARM_SECONDS[:1]
    counts = (1, warm_up.max_batch) if warm_up.level >= 3 else (1,)
    return [
        Batch(model, (Chunk(Source.MIC, 0, known_sound(length)),) * count, (options,) * count)
        for length in seconds
        for count in counts
        for options in (PARTIAL, FINAL)
    ]
