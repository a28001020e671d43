"""One queue for the whole server: takes jobs, asks the scheduler what runs next, hands batches to workers."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from echopanel.asr.provider import Hypothesis, Model
from echopanel.audio import Source
from echopanel.engine.excerpt import Excerpt
from echopanel.engine.metrics import Metrics
from echopanel.engine.patience import Patience, Term
from echopanel.engine.worker import Batch, Outcome, Worker
from echopanel.errors import ModelUnavailable, TranscriptionFailed
from echopanel.policy.demand import Demand
from echopanel.policy.load import LoadMeter, LoadReading
from echopanel.policy.scheduler import ALIKE, Job, JobKind, Scheduler

log = structlog.get_logger(__name__)

# Chunks whose lengths round up to the same number of seconds / BUCKET_S are about as long.
BUCKET_S = 4.0
# Not all models know other languages.
ENGLISH = "en"
LATELY_S = 60.0
CLOSE_WITHIN_S = 5.0


class Models(Protocol):
    """Where jobs get their model from, and who wants to know how it did."""

    @property
    def waiting(self) -> bool:
        """Whether there is no model just now, but will be one soon."""
        ...

    @property
    def max_batch(self) -> int:
        """Chunks that a call takes gladly."""
        ...

    def pick(self, kind: JobKind, language: str | None) -> Model:
        """The model for a job.

        Raises:
            ModelUnavailable: there is none.
        """
        ...

    def worked(self, model: Model) -> None:
        """A call came back well."""
        ...

    def failed(self, model: Model, problem: str, *, hung: bool) -> None:
        """A call failed, or did not come back in time."""
        ...


class Superseded(Exception):
    """A newer job of the same source made this one pointless."""


class QueueFull(Exception):
    """The source has as many jobs waiting as it may have."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a pipeline wants recognised.

    `take` is called when the job's turn comes, so that a partial can cover what was said meanwhile; it
    raises LookupError when the audio is not held any more. `seconds` is the length at the time of asking.
    `language` is what is spoken, if that is known. `retrying` is told of a failure that is tried again.
    """

    session: str
    source: Source
    kind: JobKind
    seconds: float
    take: Callable[[], Excerpt]
    language: str | None = None
    retrying: Callable[[TranscriptionFailed], None] = lambda _: None


@dataclass(slots=True, eq=False)
class _Ticket:
    """A job on its way: what to recognise, who waits for it, and how often it was tried."""

    job: Job
    request: Request
    future: asyncio.Future[Hypothesis]
    tries: int = 0
    excerpt: Excerpt | None = None


@dataclass(slots=True)
class _Call:
    """A batch inside a worker; `jobs` are what the scheduler gave, also those that came to nothing."""

    worker: Worker
    jobs: list[Job]
    tickets: list[_Ticket]
    batch: Batch
    term: Term


class Recogniser:
    """Runs jobs on a model. Lives on one event loop; needs no locks."""

    def __init__(
        self,
        models: Models,
        scheduler: Scheduler,
        meter: LoadMeter,
        metrics: Metrics,
        *,
        workers: int,
        stuck_after_s: float,
    ) -> None:
        self._models = models
        self._scheduler = scheduler
        self._meter = meter
        self._workers = workers
        self.demand = Demand(workers)
        self._metrics = metrics
        self._patience = Patience(stuck_after_s)
        self._names = itertools.count(1)
        self._ids = itertools.count(1)
        self._idle = [self._new_worker() for _ in range(workers)]
        self._waiting: dict[int, _Ticket] = {}
        self._calls: dict[Worker, _Call] = {}
        self._lost_workers: list[Worker] = []
        self._last_call = 0.0
        self._last_replaced = -math.inf
        self._closed = False
        self.errors = 0
        self.sharing = ALIKE

    def __repr__(self) -> str:
        return f"<Recogniser {len(self._calls)} calls, {self._scheduler!r}>"

    @property
    def replaced(self) -> int:
        """How many workers were stuck or dead and had to be replaced."""
        return len(self._lost_workers)

    @property
    def replaced_lately(self) -> bool:
        """Whether a worker was replaced within the last minute."""
        return time.monotonic() - self._last_replaced < LATELY_S

    @property
    def last_call_s(self) -> float | None:
        """Seconds since the last call came back."""
        return round(time.monotonic() - self._last_call, 3) if self._last_call else None

    def stuck(self) -> int:
        """Workers that are dead or past their deadline right now."""
        return len(self._stuck())

    @property
    def depth(self) -> int:
        """Jobs waiting."""
        return self._scheduler.depth

    @property
    def backlog_s(self) -> float:
        """Seconds of audio in waiting jobs."""
        return self._scheduler.backlog_seconds

    def reading(self) -> LoadReading:
        """Load and RTF now."""
        return self._meter.reading(time.monotonic())

    @property
    def queue_s(self) -> float:
        """Seconds that the workers need for the jobs that wait."""
        return self.backlog_s * self._meter.cost / self._workers

    def queued(self, session: str, source: Source) -> int:
        """Jobs of one source that wait."""
        return self._scheduler.queued(session, source)

    def submit(self, request: Request) -> asyncio.Future[Hypothesis]:
        """Queue a chunk.

        The future raises `Superseded` when a newer job took its place, `TranscriptionFailed` when the model
        failed twice.

        Raises:
            QueueFull: the source's bound is reached; the audio was not taken.
        """
        now = time.monotonic()
        job = Job(
            id=next(self._ids),
            session=request.session,
            source=request.source,
            kind=request.kind,
            seconds=request.seconds,
            bucket=math.ceil(request.seconds / BUCKET_S),
            submitted=now,
            family=int(request.language == ENGLISH),
        )
        if job.kind is not JobKind.DEFERRED:
            self._meter.asked(job.seconds, now)
        submitted = self._scheduler.submit(job, now)
        self._supersede(submitted.superseded)
        if submitted.rejected is not None:
            raise QueueFull
        ticket = _Ticket(job, request, asyncio.get_running_loop().create_future())
        self._waiting[job.id] = ticket
        self._metrics.queue_depth.set(self._scheduler.depth)
        self._pump()
        return ticket.future

    def cancel(self, session: str, source: Source) -> None:
        """Forget what one source has waiting; running calls end by themselves and are ignored."""
        self._supersede(self._scheduler.cancel(session, source))

    def check_workers(self) -> list[Worker]:
        """Replace workers that are dead or past their deadline and try their jobs again; returns them."""
        bad = self._stuck()
        for call in bad:
            self._replace(call)
        return [call.worker for call in bad]

    def resume(self) -> None:
        """There is a model again."""
        self._pump()

    async def close(self) -> None:
        """End the worker threads; those that hang are left behind as daemons."""
        self._closed = True
        workers = [*self._idle, *self._calls]
        for ticket in list(self._waiting.values()):
            self._settle(ticket.job.id, TranscriptionFailed("the recogniser is closing"))
        async with asyncio.TaskGroup() as group:
            for worker in workers:
                group.create_task(asyncio.to_thread(worker.join, CLOSE_WITHIN_S))

    def _stuck(self) -> list[_Call]:
        now = time.monotonic()
        calls = self._calls.values()
        return [call for call in calls if not call.worker.alive or call.term.over(now, len(calls))]

    def _new_worker(self) -> Worker:
        return Worker(f"recogniser-{next(self._names)}", self._finished)

    def _pump(self) -> None:
        while self._idle and not self._closed and not self._models.waiting:
            now = time.monotonic()
            most = min(self.sharing.most, self._models.max_batch)
            jobs = self._scheduler.next_batch(now, replace(self.sharing, most=most))
            if not jobs:
                return
            self._start(jobs, now)

    def _start(self, jobs: list[Job], now: float) -> None:
        tickets = self._take(jobs, now)
        if not tickets:
            self._scheduler.done(jobs)
            return
        try:
            excerpts = [ticket.excerpt for ticket in tickets if ticket.excerpt is not None]
            chunks, options = tuple(one.chunk for one in excerpts), tuple(one.options for one in excerpts)
            model = self._models.pick(jobs[0].kind, tickets[0].request.language)
            batch = Batch(model, chunks, options)
        except ModelUnavailable as error:
            self._scheduler.done(jobs)
            self._failed(tickets, TranscriptionFailed(str(error)))
            return
        if jobs[0].kind is JobKind.DEFERRED:
            term = self._patience.deferred(batch.seconds, now)
        else:
            term = self._patience.live(batch.seconds, self._meter.cost, now)
        worker = self._idle.pop()
        self._calls[worker] = _Call(worker, jobs, tickets, batch, term)
        self._metrics.batch_size.observe(len(tickets))
        worker.submit(batch, now)

    def _take(self, jobs: list[Job], now: float) -> list[_Ticket]:
        """Fetch the audio of jobs whose turn has come; those that have none any more fail alone."""
        tickets: list[_Ticket] = []
        for ticket in [self._waiting[job.id] for job in jobs]:
            ticket.tries += 1
            self._metrics.queue_seconds.observe(now - ticket.job.submitted)
            try:
                ticket.excerpt = ticket.request.take()
            except LookupError as error:
                self._settle(ticket.job.id, TranscriptionFailed(f"there is no audio to recognise: {error}"))
                continue
            tickets.append(ticket)
        return tickets

    def _finished(self, worker: Worker, outcome: Outcome) -> None:
        call = self._calls.pop(worker)
        if self._closed:
            return
        self._idle.append(worker)
        now = self._last_call = time.monotonic()
        self._scheduler.done(call.jobs)
        self._measured(call, outcome.elapsed, now)
        self._metrics.decode_seconds.observe(outcome.elapsed)
        if outcome.error is None:
            self._models.worked(call.batch.model)
            for ticket, hypothesis in zip(call.tickets, outcome.hypotheses, strict=True):
                assert ticket.excerpt is not None, "what ran was taken before"
                self._settle(ticket.job.id, ticket.excerpt.heard(hypothesis))
        else:
            self._models.failed(call.batch.model, str(outcome.error), hung=False)
            self._failed(call.tickets, outcome.error)
        # Behind those who were just answered: their words are the left context of what they ask next.
        asyncio.get_running_loop().call_soon(self._pump)

    def _measured(self, call: _Call, elapsed: float, now: float) -> None:
        if call.jobs[0].kind is JobKind.DEFERRED:
            # Done in spare time, by the best model: it says nothing of what live speech costs.
            self._patience.deferred_took(call.batch.seconds, elapsed)
            return
        self._meter.called(call.batch.seconds, elapsed, now)
        for ticket in call.tickets:
            share = elapsed * ticket.job.seconds / sum(one.job.seconds for one in call.tickets)
            if ticket.job.kind is JobKind.PARTIAL:
                self.demand.partial(share)
            else:
                self.demand.final(ticket.job.seconds, share)

    def _failed(self, tickets: list[_Ticket], error: TranscriptionFailed) -> None:
        """Give each final its one retry; a partial needs none, the next one comes anyway."""
        self.errors += 1
        self._metrics.recogniser_errors.inc()
        log.warning("recogniser call failed", error=str(error), chunks=len(tickets))
        for ticket in tickets:
            if ticket.tries > 1 or ticket.job.kind is JobKind.PARTIAL:
                self._settle(ticket.job.id, error)
                continue
            self._metrics.retries.inc()
            ticket.request.retrying(error)
            self._retry(ticket)

    def _retry(self, ticket: _Ticket) -> None:
        # In a call of its own, so that a chunk that makes the model fail takes no other down again.
        ticket.job = replace(ticket.job, family=-ticket.job.id)
        submitted = self._scheduler.submit(ticket.job, time.monotonic())
        self._supersede(submitted.superseded)
        if submitted.rejected is not None:
            self._settle(ticket.job.id, TranscriptionFailed("failed, and no room in the queue to try again"))

    def _supersede(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            self._metrics.superseded.inc()
            self._settle(job.id, Superseded())

    def _replace(self, call: _Call) -> None:
        worker = call.worker
        log.error("worker stuck or dead; replaced", worker=worker.name, alive=worker.alive)
        worker.abandon()
        del self._calls[worker]
        self._lost_workers.append(worker)
        self._last_replaced = time.monotonic()
        self._metrics.workers_replaced.inc()
        self._idle.append(self._new_worker())
        self._scheduler.done(call.jobs)
        error = TranscriptionFailed("the recogniser did not answer in time")
        for other in self._calls.values():
            if other.batch.model is call.batch.model:
                other.term = other.term.hastened(time.monotonic())
        self._models.failed(call.batch.model, str(error), hung=True)
        self._failed(call.tickets, error)
        self._pump()

    def _settle(self, job_id: int, result: Hypothesis | Exception) -> None:
        ticket = self._waiting.pop(job_id)
        self._metrics.queue_depth.set(self._scheduler.depth)
        if ticket.future.done():
            return
        if isinstance(result, Exception):
            ticket.future.set_exception(result)
        else:
            ticket.future.set_result(result)
