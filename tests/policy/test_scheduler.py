"""The scheduler: urgent first, nobody starves, nothing is lost or done twice."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from echopanel.audio import Source
from echopanel.policy.scheduler import (
    DEFERRED_BATCH,
    LIVE_S,
    REMEMBERED_SESSIONS,
    Job,
    JobKind,
    Scheduler,
    SchedulerSettings,
    Sharing,
    Submitted,
    ids,
    key_of,
)

MIXED = Sharing(mixed=True)
FINAL, PARTIAL, DEFERRED = JobKind.FINAL, JobKind.PARTIAL, JobKind.DEFERRED
Key = tuple[str, Source, bool]
MIC, SYSTEM = Source.MIC, Source.SYSTEM
BOUNDS = {MIC: 4, SYSTEM: 2}
KEYS: list[Key] = list(itertools.product("abc", Source, (False, True)))


class Bench:
    """A scheduler with a made-up clock, and jobs by the short way."""

    def __init__(self, **settings: object) -> None:
        self.scheduler = Scheduler(SchedulerSettings(**settings))  # type: ignore[arg-type]
        self.now = 0.0
        self._ids = itertools.count()

    def job(self, session: str = "a", source: Source = MIC, kind: JobKind = FINAL, *, bucket: int = 1) -> Job:
        return Job(next(self._ids), session, source, kind, 2.0 * bucket, bucket, self.now)

    def submit(
        self, session: str = "a", source: Source = MIC, kind: JobKind = FINAL, *, bucket: int = 1
    ) -> Job:
        job = self.job(session, source, kind, bucket=bucket)
        assert self.scheduler.submit(job, self.now) == Submitted()
        return job

    def run(self, seconds: float = 0.0) -> list[Job]:
        """The next batch, run to its end."""
        batch = self.scheduler.next_batch(self.now)
        self.now += seconds
        if batch:
            self.scheduler.done(batch)
        return batch


@pytest.mark.parametrize("secondary", [SYSTEM, MIC])
def test_finals_before_partials_and_primary_before_secondary(secondary: Source) -> None:
    """The classes run in order, what was put off last, whichever source is the secondary one."""
    bench = Bench(max_batch=1, secondary=secondary)
    primary = MIC if secondary is SYSTEM else SYSTEM
    jobs = [
        bench.submit("f", secondary, DEFERRED),
        bench.submit("e", primary, DEFERRED),
        bench.submit("a", secondary, PARTIAL),
        bench.submit("b", primary, PARTIAL),
        bench.submit("c", secondary, FINAL),
        bench.submit("d", primary, FINAL),
    ]
    assert [bench.run()[0] for _ in jobs] == jobs[::-1]


def test_within_a_class_the_oldest_runs_first() -> None:
    """Sessions that were never served come in the order of their jobs."""
    bench = Bench(max_batch=1)
    jobs = []
    for session in "cab":
        jobs.append(bench.submit(session))
        bench.now += 0.1
    assert [bench.run()[0] for _ in jobs] == jobs


def test_order_within_a_source_is_kept() -> None:
    """A source's second job starts only when its first is done, even with calls to spare."""
    bench = Bench(max_running=4)
    first, second = bench.submit(), bench.submit(kind=PARTIAL)
    assert bench.scheduler.next_batch(0.0) == [first]
    assert bench.scheduler.next_batch(0.0) == []
    bench.scheduler.done([first])
    assert bench.scheduler.next_batch(0.0) == [second]


def test_live_speech_does_not_queue_behind_what_was_put_off() -> None:
    """Of one source both may run at once; what was put off is no backlog, and cancelled with the rest."""
    bench = Bench(max_running=2)
    old = bench.submit(kind=DEFERRED)
    assert bench.scheduler.next_batch(0.0) == [old]
    assert (bench.scheduler.queued("a", MIC), bench.scheduler.backlog_seconds) == (0, 0.0)
    older, final = bench.submit(kind=DEFERRED), bench.submit()
    assert bench.scheduler.next_batch(0.0) == [final]
    assert bench.scheduler.cancel("a", MIC) == [older]


def test_what_was_put_off_leaves_room_for_who_speaks_next() -> None:
    """Its calls are short, and while people speak one call stays free of it."""
    bench = Bench(max_running=2, max_batch=16)
    for i in range(20):
        bench.submit(f"old {i}", kind=DEFERRED)
    assert [len(bench.scheduler.next_batch(0.0)) for _ in range(3)] == [DEFERRED_BATCH, DEFERRED_BATCH, 0]
    bench = Bench(max_running=2)
    bench.submit("live")
    assert len(bench.run()) == 1
    for i in range(20):
        bench.submit(f"old {i}", kind=DEFERRED)
    assert [len(bench.scheduler.next_batch(bench.now)) for _ in range(2)] == [DEFERRED_BATCH, 0]
    assert len(bench.scheduler.next_batch(bench.now + LIVE_S)) == DEFERRED_BATCH


def test_a_batch_holds_one_kind_and_one_bucket() -> None:
    """Only jobs that cost about the same share a call."""
    bench = Bench(max_running=1)
    like = [bench.submit("a"), bench.submit("b", SYSTEM)]
    longer = bench.submit("c", bucket=2)
    partial = bench.submit("d", kind=PARTIAL)
    assert [bench.run(), bench.run(), bench.run(), bench.run()] == [like, [longer], [partial], []]


@pytest.mark.parametrize(
    ("max_running", "max_batch", "jobs", "sizes"),
    [(1, 16, 5, [5]), (2, 16, 5, [3, 2]), (4, 16, 2, [1, 1]), (2, 2, 9, [2, 2]), (1, 3, 0, [])],
)
def test_jobs_are_split_over_free_calls(
    max_running: int, max_batch: int, jobs: int, sizes: list[int]
) -> None:
    """No call takes all while another idles; none takes more than `max_batch`."""
    bench = Bench(max_running=max_running, max_batch=max_batch)
    for i in range(jobs):
        bench.submit(f"session {i}")
    batches = list(iter(lambda: bench.scheduler.next_batch(0.0), []))
    assert [len(batch) for batch in batches] == sizes
    assert bench.scheduler.running == len(sizes)


def test_a_newer_partial_supersedes_a_queued_one() -> None:
    """It is returned, so that its owner can be told; other sources keep theirs."""
    bench = Bench()
    other = bench.submit("a", SYSTEM, PARTIAL)
    old, new = bench.submit(kind=PARTIAL), bench.job(kind=PARTIAL)
    assert bench.scheduler.submit(new, 0.0) == Submitted(superseded=(old,))
    assert bench.scheduler.submit(old, 0.0) == Submitted(superseded=(old,))
    assert bench.scheduler.cancel("a", MIC) == [new]
    assert bench.scheduler.cancel("a", SYSTEM) == [other]


def test_a_final_supersedes_a_queued_partial() -> None:
    """What the partial would have shown, the final decides; a running partial is left to end."""
    bench = Bench()
    running = bench.submit(kind=PARTIAL)
    assert bench.scheduler.next_batch(0.0) == [running]
    queued, final = bench.submit(kind=PARTIAL), bench.job()
    assert bench.scheduler.submit(final, 0.0) == Submitted(superseded=(queued,))
    assert bench.scheduler.queued("a", MIC) == 1


def test_a_job_tried_again_takes_its_old_place() -> None:
    """It runs before younger jobs of its source and does not supersede a younger partial."""
    bench = Bench()
    first, second = bench.submit(), bench.submit()
    partial = bench.submit(kind=PARTIAL)
    assert bench.run() == [first]
    assert bench.scheduler.submit(first, bench.now) == Submitted()
    assert [bench.run() for _ in range(4)] == [[first], [second], [partial], []]


def test_no_call_has_more_chunks_than_are_wanted() -> None:
    """Fewer than it could have, where all would wait for its end."""
    bench = Bench(max_running=1)
    jobs = [bench.submit(name) for name in "abcd"]
    assert bench.scheduler.next_batch(0.0, Sharing(most=3)) == jobs[:3]


def test_a_mixed_call_takes_any() -> None:
    """Live jobs of all kinds and lengths, the most urgent first; but none of another family, none put off."""
    bench = Bench(max_running=2)
    partial, final = bench.submit("a", kind=PARTIAL), bench.submit("b", bucket=3)
    deferred = bench.submit("c", kind=DEFERRED)
    alone = replace(bench.job("d"), family=-1)
    bench.scheduler.submit(alone, 0.0)
    assert bench.scheduler.next_batch(1.0, MIXED) == [final, partial]
    assert bench.scheduler.next_batch(1.0, MIXED) == [alone]
    bench.scheduler.done([alone])
    assert bench.scheduler.next_batch(1.0, MIXED) == [deferred]


def test_above_the_bound_jobs_are_rejected() -> None:
    """The job comes back and nothing else changes; a superseded partial makes room."""
    bench = Bench(bounds=BOUNDS)
    bench.submit("a", SYSTEM)
    partial, final = bench.submit("a", SYSTEM, PARTIAL), bench.job("a", SYSTEM)
    assert bench.scheduler.submit(final, 0.0) == Submitted(superseded=(partial,))
    for kind in (FINAL, PARTIAL):
        job = bench.job("a", SYSTEM, kind)
        assert bench.scheduler.submit(job, 0.0) == Submitted(rejected=job)
    assert bench.scheduler.queued("a", SYSTEM) == 2
    bench.submit("b", SYSTEM)


def test_the_backlog_is_in_seconds_of_audio() -> None:
    """Queued jobs count, running ones do not; the representation is a log line."""
    bench = Bench(max_running=1)
    bench.submit("a", bucket=1)
    bench.submit("b", bucket=3)
    assert bench.scheduler.backlog_seconds == 8.0
    bench.scheduler.next_batch(0.0)
    assert repr(bench.scheduler) == "<Scheduler [1 running, 1 queued, 6.0s backlog]>"
    assert bench.scheduler.depth == 1


def test_only_a_running_batch_can_be_done() -> None:
    """A batch ends once, whole."""
    bench = Bench(max_running=1)
    jobs = [bench.submit("a"), bench.submit("b")]
    assert bench.scheduler.next_batch(0.0) == jobs
    with pytest.raises(ValueError, match="not a running batch"):
        bench.scheduler.done(jobs[:1])
    bench.scheduler.done(jobs)
    with pytest.raises(ValueError, match="not a running batch"):
        bench.scheduler.done(jobs)


@given(st.sampled_from([1, 2, 3]), st.sampled_from([1, 4]), st.integers(2, 6))
def test_sessions_share_evenly(max_running: int, max_batch: int, sessions: int) -> None:
    """While all have work, each gets as many calls as any other, give or take one, whoever came first."""
    bench = Bench(max_running=max_running, max_batch=max_batch)
    names = [f"s{i}" for i in range(sessions)]
    for name in names:
        for _ in range(40):
            bench.submit(name)
    served: Counter[str] = Counter()
    running: list[list[Job]] = []
    for _ in range(30):
        while batch := bench.scheduler.next_batch(bench.now):
            running.append(batch)
            served.update(job.session for job in batch)
            assert max(served.values()) - min(served[name] for name in names) <= 1
        bench.now += 0.1
        bench.scheduler.done(running.pop(0))


def test_two_sources_do_not_get_a_session_twice_its_share() -> None:
    """Fairness counts sessions, not sources, among jobs of one class."""
    bench = Bench(max_running=1, max_batch=1, ageing_s=1.0)
    for _ in range(20):
        bench.submit("two sources", SYSTEM)
    bench.now = 1.0  # lifts them to the class of fresh jobs of the primary source
    for _ in range(20):
        bench.submit("one source", MIC)
        bench.submit("two sources", MIC)
    served = Counter((job.session, job.source) for _ in range(20) for job in bench.run())
    assert served["one source", MIC] == 10
    assert served["two sources", SYSTEM] == 10


@pytest.mark.parametrize("kind", JobKind)
@pytest.mark.parametrize("source", Source)
def test_nobody_starves(kind: JobKind, source: Source) -> None:
    """A job runs within a bounded time, though ever new sessions bring more urgent work than can be done."""
    bench = Bench(max_running=1, max_batch=1, ageing_s=5.0)
    victim = bench.submit("victim", source, kind)
    for i in itertools.count():
        bench.submit(f"new {i}")
        bench.submit(f"also new {i}")
        if bench.run(seconds=0.1) == [victim]:
            break
        # All that was submitted up to six classes after it goes first, at half the rate it came in.
        assert bench.now < 2 * 6 * 5.0
        if kind is PARTIAL and i % 10 == 5:
            victim = bench.job("victim", source, kind)
            assert bench.scheduler.submit(victim, bench.now).superseded


def test_old_sessions_are_forgotten() -> None:
    """Memory does not grow with the number of sessions ever served."""
    bench = Bench()
    for i in range(REMEMBERED_SESSIONS + 10):
        bench.submit(f"session {i}")
        bench.run(seconds=0.1)
    assert len(bench.scheduler._served) == REMEMBERED_SESSIONS
    assert "session 9" not in bench.scheduler._served


class Ledger(RuleBasedStateMachine):
    """Everything submitted is at any time in exactly one place, and in order."""

    def __init__(self) -> None:
        super().__init__()
        self.settings = SchedulerSettings(max_running=2, max_batch=3, bounds=BOUNDS)
        self.scheduler = Scheduler(self.settings)
        self.ids = itertools.count()
        self.now = 0.0
        self.where: dict[int, str] = {}
        self.jobs: dict[int, Job] = {}
        self.running: list[list[Job]] = []
        self.started: dict[Key, list[int]] = {}
        self.retries: set[int] = set()
        self.live_at = -LIVE_S

    @rule(
        session=st.sampled_from("abc"),
        source=st.sampled_from(Source),
        kind=st.sampled_from(JobKind),
        bucket=st.integers(1, 2),
    )
    def submit(self, session: str, source: Source, kind: JobKind, bucket: int) -> None:
        self.put(Job(next(self.ids), session, source, kind, 1.0, bucket, self.now))

    def put(self, job: Job) -> None:
        waiting = self.queued(key_of(job))
        self.live_at = self.live_at if job.kind is DEFERRED else self.now
        submitted = self.scheduler.submit(job, self.now)
        self.where[job.id], self.jobs[job.id] = "queued", job
        for old in submitted.superseded:
            assert old.kind is PARTIAL
            assert self.where[old.id] == "queued"
            self.where[old.id] = "superseded"
        if submitted.rejected is not None:
            assert submitted.rejected == job
            assert waiting == BOUNDS[job.source]
            self.where[job.id] = "rejected"

    @rule(mixed=st.booleans())
    def start(self, mixed: bool) -> None:
        startable = len(self.running) < self.settings.max_running and bool(self.eligible())
        batch = self.scheduler.next_batch(self.now, Sharing(mixed=mixed))
        assert bool(batch) == startable
        if not batch:
            return
        assert len(batch) <= self.settings.max_batch
        if mixed:
            assert len({job.kind is DEFERRED for job in batch}) == 1
        else:
            assert len({(job.kind, job.bucket) for job in batch}) == 1
        for job in batch:
            assert self.where[job.id] == "queued"
            self.where[job.id] = "running"
            if job.id not in self.retries:
                self.started.setdefault(key_of(job), []).append(job.id)
        self.running.append(batch)

    def eligible(self) -> list[Key]:
        busy = {key_of(job) for batch in self.running for job in batch}
        full = len([batch for batch in self.running if batch[0].kind is DEFERRED]) >= (
            1 if self.now - self.live_at < LIVE_S else 2
        )
        return [key for key in KEYS if key not in busy and self.queued(key) and not (full and key[2])]

    def queued(self, key: Key) -> int:
        return sum(key_of(self.jobs[i]) == key for i, where in self.where.items() if where == "queued")

    @rule(index=st.integers(0, 1), again=st.booleans())
    def finish(self, index: int, again: bool) -> None:
        if index < len(self.running):
            batch = self.running.pop(index)
            self.scheduler.done(batch)
            for job in batch:
                self.where[job.id] = "done"
                if again and job.id not in self.retries:
                    self.retries.add(job.id)
                    self.put(job)

    @rule(session=st.sampled_from("abc"), source=st.sampled_from(Source))
    def cancel(self, session: str, source: Source) -> None:
        for job in self.scheduler.cancel(session, source):
            assert self.where[job.id] == "queued"
            self.where[job.id] = "cancelled"

    @rule(seconds=st.sampled_from([0.1, 1.0, 7.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def everything_is_in_one_place(self) -> None:
        count = Counter(self.where.values())
        assert count["queued"] == self.scheduler.depth
        assert self.scheduler.backlog_seconds == sum(self.queued(key) for key in KEYS if not key[2])
        assert count["running"] == sum(map(len, self.running))
        assert self.scheduler.running == len(self.running) <= self.settings.max_running

    @invariant()
    def bounds_hold(self) -> None:
        for session, source, deferred in KEYS:
            assert self.queued((session, source, deferred)) <= BOUNDS[source]
            assert deferred or self.scheduler.queued(session, source) == self.queued((session, source, False))

    @invariant()
    def a_source_runs_one_job_at_a_time_in_order(self) -> None:
        keys = [key_of(job) for batch in self.running for job in batch]
        assert len(keys) == len(set(keys))
        assert all(started == sorted(started) for started in self.started.values())


Ledger.TestCase.settings = examples(stateful_step_count=60, max_examples=60, deadline=None)
TestLedger = Ledger.TestCase


def test_ids_are_in_order() -> None:
    """A batch is known by the ids of its jobs."""
    bench = Bench()
    assert ids([bench.job(), bench.job()]) == (0, 1)
