"""What the recogniser does next: one queue for the whole server."""

from __future__ import annotations

from bisect import insort
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from math import ceil, inf
from types import MappingProxyType

from echopanel.audio import Source

# Sessions whose last service is remembered. The one unserved for longest is forgotten: it ranks the same.
REMEMBERED_SESSIONS = 1000


class JobKind(StrEnum):
    """A final decides a finished utterance; a partial previews an open one and gives way to a newer one.

    What is deferred was put off before; it gives way to all that is said now.
    """

    FINAL = "final"
    PARTIAL = "partial"
    DEFERRED = "deferred"


# Of what was put off, a call takes at most so many chunks: whoever speaks meanwhile waits until it ends.
DEFERRED_BATCH = 4
# After live speech one call stays free of what was put off for so long.
LIVE_S = 10.0
_RANKS = {JobKind.FINAL: 0, JobKind.PARTIAL: 2, JobKind.DEFERRED: 4}


@dataclass(frozen=True, slots=True)
class Job:
    """One chunk to recognise.

    `id` grows with each new job. `seconds` is the audio's length; jobs of one `bucket` are about as long.
    Only jobs of one `family` can share a call. `submitted` is when it was first queued, on `now`'s clock.
    """

    id: int
    session: str
    source: Source
    kind: JobKind
    seconds: float
    bucket: int
    submitted: float
    family: int = 0


@dataclass(frozen=True, slots=True)
class Submitted:
    """What a submission did: the jobs it made pointless, and the job itself if there was no room for it."""

    superseded: tuple[Job, ...] = ()
    rejected: Job | None = None


@dataclass(frozen=True, slots=True)
class SchedulerSettings:
    """At most `max_running` calls of at most `max_batch` jobs at once; `bounds` are queued jobs per source.

    `secondary` is the source that yields to the other. Each `ageing_s` seconds of waiting lift a job by one
    class, of six: final, partial or deferred, primary or secondary.
    """

    max_running: int = 2
    max_batch: int = 16
    secondary: Source = Source.SYSTEM
    bounds: Mapping[Source, int] = field(
        default_factory=lambda: MappingProxyType({Source.MIC: 100, Source.SYSTEM: 50})
    )
    ageing_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Sharing:
    """Which jobs may share a call: `most` of them, of one kind and about as long unless `mixed`."""

    most: float = inf
    mixed: bool = False


ALIKE = Sharing()


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A queued job; a partial has waited since the first of those whose place it took."""

    job: Job
    since: float


_Key = tuple[str, Source, bool]  # session, source, whether deferred: live speech does not queue behind that


class Scheduler:
    """Picks batches. Order within a source is kept, and a source never has two jobs of live speech running.

    Next is the most urgent class; within a class the session served least recently; then the oldest job.
    """

    def __init__(self, settings: SchedulerSettings | None = None) -> None:
        self._settings = settings or SchedulerSettings()
        self._queues: dict[_Key, list[_Waiting]] = {}
        self._running: dict[tuple[int, ...], tuple[Job, ...]] = {}
        self._busy: set[_Key] = set()
        self._served: dict[str, int] = {}  # session -> number of its last service; least recent first
        self._calls = count()
        self._live_at = -inf

    def __repr__(self) -> str:
        backlog = f"{self.backlog_seconds:.1f}s backlog"
        return f"<Scheduler [{self.running} running, {self.depth} queued, {backlog}]>"

    @property
    def running(self) -> int:
        """Batches running."""
        return len(self._running)

    @property
    def depth(self) -> int:
        """Jobs queued."""
        return sum(map(len, self._queues.values()))

    @property
    def backlog_seconds(self) -> float:
        """Seconds of audio in queued jobs of live speech."""
        live = (queue for (_, _, deferred), queue in self._queues.items() if not deferred)
        return sum(waiting.job.seconds for queue in live for waiting in queue)

    def queued(self, session: str, source: Source) -> int:
        """Jobs of one source's live speech that are queued."""
        return len(self._queues.get((session, source, False), ()))

    def submit(self, job: Job, now: float) -> Submitted:
        """Queue a job, also one that ran before and shall be tried again; it takes its place by `id`.

        Queued partials of its source that are older are superseded; a partial that is older than a queued one
        is superseded itself. Above the bound the job is rejected and nothing changes. A job tried again has
        waited since it was first submitted.
        """
        if job.kind is not JobKind.DEFERRED:
            self._live_at = now
        queue = self._queues.get(key_of(job), [])
        partials = [waiting for waiting in queue if waiting.job.kind is JobKind.PARTIAL]
        if job.kind is JobKind.PARTIAL and any(waiting.job.id > job.id for waiting in partials):
            return Submitted(superseded=(job,))
        superseded = [waiting for waiting in partials if waiting.job.id < job.id]
        kept = [waiting for waiting in queue if waiting not in superseded]
        if len(kept) >= self._settings.bounds[job.source]:
            return Submitted(rejected=job)
        inherited = superseded if job.kind is JobKind.PARTIAL else ()
        since = min([now, job.submitted, *(waiting.since for waiting in inherited)])
        insort(kept, _Waiting(job, since), key=lambda waiting: waiting.job.id)
        self._queues[key_of(job)] = kept
        return Submitted(superseded=tuple(waiting.job for waiting in superseded))

    def next_batch(self, now: float, sharing: Sharing = ALIKE) -> list[Job]:
        """Jobs to run together now, most urgent first; none when all calls are taken.

        They are of one kind and bucket, so that none waits for another that takes longer; or mixed: a call of
        four chunks costs far less than four calls. No call takes more than its share while others are free.
        """
        free = self._settings.max_running - len(self._running)
        heads = sorted(self._heads(now), key=lambda waiting: self._urgency(waiting, now))
        if free <= 0 or not heads:
            return []
        first = heads[0].job
        group = group_of(first, mixed=sharing.mixed)
        alike = [one.job for one in heads if group_of(one.job, mixed=sharing.mixed) == group]
        most = min(self._settings.max_batch, sharing.most, DEFERRED_BATCH if is_deferred(first) else inf)
        batch = alike[: int(min(ceil(len(heads) / free), most))]
        self._start(batch)
        return batch

    def done(self, batch: Sequence[Job]) -> None:
        """A batch ended, well or not.

        Raises:
            ValueError: no such batch is running.
        """
        if self._running.pop(ids(batch), None) is None:
            raise ValueError(f"not a running batch: {list(ids(batch))}")
        for job in batch:
            self._busy.discard(key_of(job))

    def cancel(self, session: str, source: Source) -> list[Job]:
        """Take all queued jobs of one source out; what runs, runs on until `done`."""
        keys = [(session, source, deferred) for deferred in (False, True)]
        return [waiting.job for key in keys for waiting in self._queues.pop(key, [])]

    def _heads(self, now: float) -> Iterator[_Waiting]:
        full = self._deferring >= self._most_deferring(now)
        for key, queue in self._queues.items():
            if key not in self._busy and not (full and queue[0].job.kind is JobKind.DEFERRED):
                yield queue[0]

    @property
    def _deferring(self) -> int:
        return sum(batch[0].kind is JobKind.DEFERRED for batch in self._running.values())

    def _most_deferring(self, now: float) -> int:
        """Calls that may hold what was put off."""
        most = self._settings.max_running
        return max(1, most - 1) if now - self._live_at < LIVE_S else most

    def _urgency(self, waiting: _Waiting, now: float) -> tuple[int, int, float, int]:
        job = waiting.job
        rank = _RANKS[job.kind] + (job.source is self._settings.secondary)
        # Not stopped at the most urgent class: else a stream of fresh urgent jobs could starve an old one.
        lifted = int(max(0.0, now - waiting.since) // self._settings.ageing_s)
        return rank - lifted, self._served.get(job.session, -1), waiting.since, job.id

    def _start(self, batch: list[Job]) -> None:
        self._running[ids(batch)] = tuple(batch)
        for job in batch:
            key = key_of(job)
            self._busy.add(key)
            del self._queues[key][0]
            if not self._queues[key]:
                del self._queues[key]
            self._note_served(job.session)

    def _note_served(self, session: str) -> None:
        self._served.pop(session, None)
        self._served[session] = next(self._calls)
        if len(self._served) > REMEMBERED_SESSIONS:
            del self._served[next(iter(self._served))]


def key_of(job: Job) -> _Key:
    """The queue of a job."""
    return job.session, job.source, is_deferred(job)


def is_deferred(job: Job) -> bool:
    """Whether it was put off before."""
    return job.kind is JobKind.DEFERRED


def group_of(job: Job, *, mixed: bool) -> Hashable:
    """Jobs of one group may share a call; `mixed`: also if they are of unlike kind and length."""
    return (is_deferred(job), job.family) if mixed else (job.kind, job.family, job.bucket)


def ids(jobs: Sequence[Job]) -> tuple[int, ...]:
    """The ids of some jobs, in order."""
    return tuple(job.id for job in jobs)
