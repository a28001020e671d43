"""The models that jobs go to: the first, a smaller one under load, a fallback while the first is broken."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Coroutine

import structlog

from echopanel.asr.provider import Model
from echopanel.asr.vad import SileroVad
from echopanel.engine.caller import Caller
from echopanel.engine.models import ModelHost, ModelRegistry, WarmUp, run_warm_up
from echopanel.engine.recogniser import ENGLISH
from echopanel.engine.settings import EngineSettings
from echopanel.errors import ModelUnavailable, TranscriptionFailed
from echopanel.policy.backoff import Backoff
from echopanel.policy.ladder import LEVELS
from echopanel.policy.scheduler import JobKind
from echopanel.policy.understudy import english_only

log = structlog.get_logger(__name__)

# So many calls in a row that fail are not the fault of what was said.
FAILURES = 3
# A model that was loaded again has to recognise a known sound within this time.
PROBE_S = 15.0
RESTART = Backoff(base=1.0, cap=60.0)
# Loading takes a processor; where a fallback stands ready, it has so long for the speech that waits.
FALLBACK_FIRST_S = 2.0
# A model that breaks again within this time is given more time before it is tried again.
AGAIN_S = 300.0
# Likewise a program that streams: it may have to be started, and read weights that fill a disk.
PROBE_STREAM_S = 180.0
# Jobs wait for the first model, where nothing stands in, for this many tries to load it again.
TRIES = 3


class Lineup:
    """Owns the leases of a server's models. `plan`, set from outside, says which of them are to be used.

    `fault` is what is wrong with the first model, "" while nothing is; `on_change` is told when that changes.
    """

    def __init__(
        self,
        registry: ModelRegistry,
        vad: SileroVad,
        settings: EngineSettings,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.first = registry.host(settings.model)
        self.smaller = None if settings.smaller is None else registry.host(settings.smaller)
        self.fallback = None if settings.fallback is None else registry.host(settings.fallback)
        self.plan = LEVELS[0]
        self.fault = ""
        self._registry = registry
        self._vad = vad
        self._warm_up = WarmUp(settings.warmup_level, settings.max_batch, settings.max_inference)
        self.on_change: Callable[[], None] = lambda: None
        self._chance = chance
        self._leases = contextlib.AsyncExitStack()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._records = {host: _Record() for host in self._hosts()}

    def __repr__(self) -> str:
        return f"<Lineup {self.first!r} [{self.fault or 'well'}], {self.smaller!r}, {self.fallback!r}>"

    # --- which model ------------------------------------------------------------------------------

    @property
    def waiting(self) -> bool:
        """Whether there is no model just now, but will be one soon."""
        wanted = self.plan.fallback or self._streams
        return self._out and not (wanted and self.fallback is not None and self.fallback.ready)

    @property
    def max_batch(self) -> int:
        """Chunks that a call takes gladly, whichever model gets it: where one loops, all wait for all."""
        hosts = (self._host(kind, ENGLISH) for kind in JobKind)
        return min(host.capabilities.max_batch for host in hosts)

    @property
    def _streams(self) -> bool:
        """Whether live speech goes to the first model by streams, and only what those fail at comes here."""
        return self.first.capabilities.streaming

    @property
    def _out(self) -> bool:
        """Whether the first model is broken and may soon be well again."""
        return bool(self.fault) and self._records[self.first].tries < TRIES

    def pick(self, kind: JobKind, language: str | None) -> Model:
        """The model for a job: what was put off gets the best.

        Raises:
            ModelUnavailable: there is none.
        """
        host = self._host(kind, language)
        if host is self.first and self._out:
            raise ModelUnavailable(self.first.spec.name, self.fault, "it is being loaded again")
        return host.model

    def stands_in(self, language: str | None) -> bool:
        """Whether a fallback stands ready that knows a language."""
        return self._can(self.fallback, language)

    def serving(self, language: str | None) -> str:
        """The name of the model that live speech goes to."""
        return self._host(JobKind.FINAL, language).spec.name

    def _host(self, kind: JobKind, language: str | None) -> ModelHost:
        if (self.plan.fallback or self._streams) and self._can(self.fallback, language):
            return self.fallback or self.first
        if self.plan.smaller and kind is not JobKind.DEFERRED and self._can(self.smaller, language):
            return self.smaller or self.first
        return self.first

    def _can(self, host: ModelHost | None, language: str | None) -> bool:
        """Whether a model stands ready and knows the language."""
        if host is None or not host.ready:
            return False
        return language == ENGLISH or not english_only(host.spec.name) or english_only(self.first.spec.name)

    @property
    def has_smaller(self) -> bool:
        """Whether a smaller model stands ready."""
        return self.smaller is not None and self.smaller.ready

    @property
    def at_best(self) -> bool:
        """Whether live speech goes to the first model."""
        return not (self.plan.fallback or (self.plan.smaller and self.has_smaller))

    @property
    def smaller_cost(self) -> float:
        """Time that the smaller model takes, as a share of that of the first: about as the weights."""
        if self.smaller is None or not self.smaller.ready or not self.first.size:
            return 1.0
        return min(1.0, max(self.smaller.size, 1) / self.first.size)

    # --- loading ------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Load and warm the first model; the others follow in the background.

        Raises:
            ModelUnavailable: it cannot be used, with what to do.
        """
        await self._leases.enter_async_context(self._registry.lease(self.first.spec, self._warm_up))
        self._start("others", self._load_others)

    async def _load_others(self) -> None:
        for host in {self.smaller: None, self.fallback: None}:
            if host is None or host.ready:
                continue
            try:
                await self._leases.enter_async_context(self._registry.lease(host.spec, self._warm_up))
            except ModelUnavailable as error:
                log.warning("no model to stand in", model=host.spec.name, error=str(error))
            self.on_change()

    async def close(self) -> None:
        """Let go of all models."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self._leases.aclose()

    # --- what breaks --------------------------------------------------------------------------------

    def worked(self, model: Model) -> None:
        """A call came back well."""
        host = self._holder(model)
        if host is not None:
            self._records[host].failures = 0

    def failed(self, model: Model, problem: str, *, hung: bool) -> None:
        """A call failed, or hangs. What hung one worker may hang the next as well."""
        host = self._holder(model)
        if host is None:
            return  # it was replaced meanwhile
        record = self._records[host]
        record.failures += 1
        if not hung and record.failures < FAILURES:
            return
        self._start(host.spec.name, lambda: self._restart(host))
        if host is self.first and not self.fault:
            self.fault = f"{host.spec.name} {'hangs' if hung else 'fails'}: {problem}"
            self.on_change()

    def _hosts(self) -> list[ModelHost]:
        return [host for host in (self.first, self.smaller, self.fallback) if host is not None]

    def _holder(self, model: Model) -> ModelHost | None:
        return next((host for host in self._hosts() if host.holds(model)), None)

    async def _restart(self, host: ModelHost) -> None:
        """Load a model anew until it recognises again; at once the first time, later ever more patiently."""
        record = self._records[host]
        again = record.broke(time.monotonic())
        record.tries = 0
        if host is not self.fallback and self.fallback is not None and self.fallback.ready:
            await asyncio.sleep(FALLBACK_FIRST_S)
        while not await self._revive(host, again + record.tries):
            record.tries += 1
            if record.tries == TRIES:
                self.on_change()
        record.failures = 0
        log.warning("model works again", model=host.spec.name)
        if host is self.first:
            self.fault = ""
        self.on_change()

    async def _revive(self, host: ModelHost, again: int) -> bool:
        if again:
            await asyncio.sleep(RESTART.delay(again - 1, self._chance()))
        try:
            # What streams has a process or connection for each source, and opens them anew by itself.
            if not host.capabilities.streaming:
                await host.renew()
            await self._probe(host)
        except (ModelUnavailable, TranscriptionFailed, TimeoutError) as error:
            log.error("model still broken", model=host.spec.name, error=str(error) or "no answer")
            return False
        return True

    async def _probe(self, host: ModelHost) -> None:
        """One inference, in a thread of its own: it may hang.

        Raises:
            TranscriptionFailed: it does not recognise.
            TimeoutError: it does not answer.
        """
        caller = Caller("probe")
        try:
            async with asyncio.timeout(PROBE_STREAM_S if host.capabilities.streaming else PROBE_S):
                await caller.call(run_warm_up, host.model, self._vad, WarmUp(2, 1))
        finally:
            caller.stop()

    def _start(self, name: str, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Do something in the background, unless it is being done."""
        task = self._tasks.get(name)
        if task is None or task.done():
            self._tasks[name] = asyncio.create_task(work(), name=f"model {name}")


class _Record:
    """How a model did: failed calls in a row, tries to load it again, and when it broke lately."""

    def __init__(self) -> None:
        self.failures = 0
        self.tries = 0
        self._broke: list[float] = []

    def broke(self, now: float) -> int:
        """It broke; returns how often that had happened lately."""
        self._broke = [at for at in self._broke if now - at < AGAIN_S]
        self._broke.append(now)
        return len(self._broke) - 1
