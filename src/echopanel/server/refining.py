"""Second passes that clients ask for: one at a time, and only while live audio leaves time for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import structlog

from echopanel.audio import to_seconds
from echopanel.engine.engine import Engine
from echopanel.engine.second_pass import SecondPass
from echopanel.errors import (
    EchoPanelError,
    ErrorCode,
    ModelUnavailable,
    Overloaded,
    SessionRunning,
)
from echopanel.server.keeper import Keeper
from echopanel.store.transcripts import Wish

log = structlog.get_logger(__name__)

# Passes that wait or run, and those that failed and are remembered.
MAX_WAITING = 8
MAX_FAILED = 100
RETRY_AFTER_S = 60.0
LOOK_AGAIN_S = 0.5

Plan = Callable[[str, str, str | None], SecondPass]


class PassState(StrEnum):
    """Where a second pass is, until its result is in the store."""

    WAITING = "waiting"
    RUNNING = "running"
    FAILED = "failed"


@dataclass(slots=True, eq=False)
class Pass:
    """A second pass: it has heard `heard_s` of `total_s` seconds; `error` is why it failed."""

    provider: str
    model: str
    total_s: float
    state: PassState = PassState.WAITING
    heard_s: float = 0.0
    error: str = ""


class Refinery:
    """Runs second passes. What was asked for is done also if the server is restarted meanwhile.

    `plan` says, given session, model and perhaps provider, what there is to do; it blocks.
    """

    def __init__(self, engine: Engine, keeper: Keeper, plan: Plan) -> None:
        self._engine = engine
        self._keeper = keeper
        self._plan = plan
        self._passes: dict[str, Pass] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._one = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<Refinery [{len(self._tasks)} to do]>"

    def get(self, session: str) -> Pass | None:
        """The second pass over a session that waits, runs or has failed."""
        return self._passes.get(session)

    async def begin(self, session: str, model: str, provider: str | None) -> Pass:
        """Begin with a second pass, behind those that were asked for earlier.

        Raises:
            UnknownSession, SessionRunning, NoRecording: there is nothing to be done.
            ModelUnavailable, ConfigError: the model cannot be used, with what to do.
            Overloaded: too many wait.
            StoreError: the disk does not do its part.
        """
        work = await self._work(session, model, provider)
        found = self._passes.get(session)
        if found is not None and found.state is not PassState.FAILED:
            raise SessionRunning(session, "a second pass over it is under way")
        if len(self._tasks) >= MAX_WAITING:
            raise Overloaded(ErrorCode.OVERLOADED, f"{MAX_WAITING} second passes wait", RETRY_AFTER_S)
        begun = self._enqueue(session, work)
        wish = Wish(begun.provider, begun.model)
        await self._keeper.store(self._keeper.transcripts.wish, session, wish)
        return begun

    async def take_up(self) -> None:
        """Begin again with what an earlier process was asked for and did not finish.

        Raises:
            StoreError: the data directory cannot be read.
        """
        for session, wish in (await self._keeper.store(self._keeper.transcripts.wishes)).items():
            try:
                self._enqueue(session, await self._work(session, wish.model, wish.provider))
            except EchoPanelError as error:
                begun = Pass(wish.provider, wish.model, 0.0)
                self._remember(session, begun)
                await self._failed(session, begun, str(error))

    async def _work(self, session: str, model: str, provider: str | None) -> SecondPass:
        """What there is to do, with a model that is here."""
        work = await self._keeper.store(self._plan, session, model, provider)
        if work.spec.path is not None:  # a directory of the server's is not a client's to name
            raise ModelUnavailable(model, "no such model", "take one out of the catalogue")
        await self._engine.check_installed(work.spec)
        return work

    def _enqueue(self, session: str, work: SecondPass) -> Pass:
        captured = sum(ledger.captured for ledger in work.live.coverage.values())
        begun = Pass(work.spec.provider, work.spec.name, round(to_seconds(captured), 3))
        self._remember(session, begun)
        task = asyncio.create_task(self._run(session, work, begun), name=f"second pass over {session}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return begun

    async def close(self) -> None:
        """End what runs; the next process begins with it again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _remember(self, session: str, begun: Pass) -> None:
        failed = [name for name, one in self._passes.items() if one.state is PassState.FAILED]
        for name in {session, *failed[:-MAX_FAILED]} & set(self._passes):
            del self._passes[name]
        self._passes[session] = begun

    async def _run(self, session: str, work: SecondPass, begun: Pass) -> None:
        def heard(seconds: float) -> None:
            begun.heard_s = round(seconds, 3)

        try:
            async with self._one:
                begun.state = PassState.RUNNING
                refined = await self._engine.refine(work, self._turn, heard)
            await self._keeper.store(self._keeper.transcripts.save_refined, session, refined)
        except EchoPanelError as error:
            await self._failed(session, begun, str(error))
        except Exception as error:
            log.exception("second pass failed", session=session)
            await self._failed(session, begun, f"the server failed, and its log has the cause: {error!r}")
        else:
            del self._passes[session]
            log.info("session refined", session=session, model=begun.model)

    async def _failed(self, session: str, begun: Pass, error: str) -> None:
        begun.state, begun.error = PassState.FAILED, error
        log.warning("second pass failed", session=session, model=begun.model, error=error)
        try:
            await self._keeper.store(self._keeper.transcripts.give_up_wish, session)
        except EchoPanelError as trouble:
            log.error("a second pass that failed will be tried again", session=session, error=str(trouble))

    async def _turn(self) -> None:
        """Wait while live audio needs the machine."""
        while not self._engine.idle:  # noqa: ASYNC110 - load falls without an event
            await asyncio.sleep(LOOK_AGAIN_S)
