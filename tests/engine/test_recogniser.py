"""The one queue: every job ends in exactly one way, and no failure of a model or a caller takes it down."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from echopanel.asr.fake import Script
from echopanel.asr.provider import DecodeOptions, Model
from echopanel.audio import Chunk, Source
from echopanel.engine.excerpt import Excerpt
from echopanel.engine.recogniser import QueueFull, Request, Superseded
from echopanel.errors import ModelUnavailable, TranscriptionFailed
from echopanel.machine.starvation import Turns
from echopanel.policy.scheduler import JobKind, Sharing
from tests.engine.rig import OneModel, Rig, rigged, soon, speech


def value(rig: Rig, name: str) -> float:
    """A metric as Prometheus would see it."""
    found = rig.metrics.registry.get_sample_value(f"echopanel_{name}")
    assert found is not None
    return found


def poisoned(chunk: Chunk) -> str:
    """What the model says, unless the chunk is very loud."""
    if chunk.samples.max() > 0.9:
        raise RuntimeError("poison")
    return "fine"


async def test_a_chunk_becomes_a_hypothesis() -> None:
    """The future has what the model heard; nothing is queued or running afterwards."""
    async with rigged() as rig:
        hypothesis = await rig.ask()
        assert hypothesis.text == "w0l32 w1l32 w2l32 w3l32"
        assert (rig.recogniser.depth, rig.recogniser.backlog_s) == (0, 0)
        assert rig.recogniser.reading().rtf_last > 0
        assert rig.recogniser.last_call_s is not None


async def test_what_waits_together_is_decoded_together() -> None:
    """Jobs of several sessions share a call, one session never has two in it."""
    async with rigged(Script(hang=lambda call: call == 0)) as rig:
        first = rig.ask(session="a")
        others = [rig.ask(session=name) for name in "bcdabcd"]
        rig.fake.release()
        await asyncio.gather(first, *others)
        assert [len(call) for call in rig.calls] == [1, 4, 3]
        assert value(rig, "batch_size_sum") == 8


async def test_a_model_that_loops_gets_one_chunk_a_call() -> None:
    """Nobody waits until others' words are there too."""
    async with rigged(Script(hang=lambda call: call == 0)) as rig:
        rig.models.max_batch = 1
        rig.recogniser.sharing = Sharing(mixed=True)
        futures = [rig.ask(session=name) for name in "abcd"]
        rig.fake.release()
        await asyncio.gather(*futures)
        assert [len(call) for call in rig.calls] == [1, 1, 1, 1]


async def test_finals_of_a_source_are_decoded_in_order() -> None:
    """However many workers there are, a source's jobs do not overtake each other."""
    ended: list[int] = []
    async with rigged(workers=3, max_batch=1) as rig:
        futures = [rig.ask() for _ in range(6)]
        for number, future in enumerate(futures):
            future.add_done_callback(lambda _, number=number: ended.append(number))  # type: ignore[misc]
        await asyncio.gather(*futures)
    assert ended == [0, 1, 2, 3, 4, 5]


async def test_a_newer_partial_takes_the_place_of_a_waiting_one() -> None:
    """The older is told, counted and never computed; so is a partial when the final comes."""
    async with rigged(Script(hang=lambda call: call == 0)) as rig:
        busy = rig.ask(JobKind.PARTIAL)
        older, newer = rig.ask(JobKind.PARTIAL), rig.ask(JobKind.PARTIAL)
        with pytest.raises(Superseded):
            await older
        final = rig.ask(JobKind.FINAL)
        with pytest.raises(Superseded):
            await newer
        rig.fake.release()
        await asyncio.gather(busy, final)
        assert len(rig.calls) == 2
        assert value(rig, "superseded_total") == 2


async def test_a_full_queue_refuses_at_once() -> None:
    """Beyond the bound of a source nothing is taken; other sources are not concerned."""
    async with rigged(Script(hang=lambda call: call == 0), bound=2) as rig:
        taken = [rig.ask() for _ in range(3)]  # one runs, two wait
        with pytest.raises(QueueFull):
            rig.ask()
        taken += [rig.ask(source=Source.SYSTEM), rig.ask(session="other")]
        assert rig.recogniser.queued("s", Source.MIC) == 2
        rig.fake.release()
        await asyncio.gather(*taken)


async def test_audio_is_taken_when_its_turn_comes() -> None:
    """A job that waited covers what was said meanwhile."""
    async with rigged(Script(hang=lambda call: call == 0)) as rig:
        seconds = 1.0

        def newest() -> Excerpt:
            return Excerpt(Chunk(Source.MIC, 0, speech(seconds)), DecodeOptions(), 0)

        first = rig.ask(session="other")
        late = rig.recogniser.submit(Request("s", Source.MIC, JobKind.PARTIAL, seconds, newest))
        seconds = 2.0
        rig.fake.release()
        await asyncio.gather(first, late)
        assert rig.calls[1][0].seconds == 2.0


async def test_a_failed_final_is_tried_once_more() -> None:
    """One exception costs a retry, which is counted; the caller gets the text."""
    async with rigged(Script(fail=lambda call: call == 0)) as rig:
        assert (await rig.ask()).text
        assert rig.recogniser.errors == 1
        assert value(rig, "retries_total") == 1
        assert value(rig, "recogniser_errors_total") == 1
        assert (await rig.ask()).text


async def test_a_final_that_fails_twice_is_given_back() -> None:
    """There is no third try, and the next job is not harmed."""
    async with rigged(Script(fail=lambda call: call < 2)) as rig:
        with pytest.raises(TranscriptionFailed, match="call 1 fails by script"):
            await rig.ask()
        assert len(rig.calls) == 2
        assert (await rig.ask()).text


async def test_a_failed_partial_is_not_tried_again() -> None:
    """The next one comes anyway."""
    async with rigged(Script(fail=lambda call: call == 0)) as rig:
        with pytest.raises(TranscriptionFailed):
            await rig.ask(JobKind.PARTIAL)
        assert len(rig.calls) == 1


async def test_a_retry_keeps_its_place() -> None:
    """A failed final comes before later ones of its source."""
    ended: list[str] = []
    async with rigged(Script(fail=lambda call: call == 0)) as rig:
        for name in ("first", "second", "third"):
            rig.ask().add_done_callback(lambda _, name=name: ended.append(name))  # type: ignore[misc]
        await soon(lambda: len(ended) == 3)
    assert ended == ["first", "second", "third"]


async def test_one_bad_chunk_does_not_spoil_its_batch() -> None:
    """What shared a call with a chunk that makes the model fail is tried again without it."""
    async with rigged(Script(hang=lambda call: call == 0, text=poisoned)) as rig:
        busy = rig.ask(session="busy")
        good = [rig.ask(session=name) for name in "abc"]
        bad = rig.ask(session="bad", samples=speech(1.0, level=1.0))
        rig.fake.release()
        with pytest.raises(TranscriptionFailed, match="poison"):
            await bad
        assert [one.text for one in await asyncio.gather(busy, *good)] == ["fine"] * 4


async def test_a_call_without_audio_harms_nobody() -> None:
    """When a caller cannot give its audio, its own job fails; the others in the batch go on."""
    async with rigged(Script(hang=lambda call: call == 0)) as rig:

        def gone() -> Excerpt:
            raise IndexError("no longer held")

        busy, good = rig.ask(session="busy"), rig.ask(session="good")
        bad = rig.recogniser.submit(Request("bad", Source.MIC, JobKind.PARTIAL, 1.0, gone))
        last = rig.ask(session="last")
        rig.fake.release()
        with pytest.raises(TranscriptionFailed, match="no longer held"):
            await bad
        await asyncio.gather(busy, good, last)
        assert (await rig.ask(session="bad")).text


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call is late from the start, as far as it did not have to wait."""
    monkeypatch.setattr("echopanel.engine.patience.SLOWEST", -1.0)
    monkeypatch.setattr("echopanel.engine.patience.turns", Turns)


@pytest.mark.usefixtures("hasty")
async def test_a_stuck_worker_is_replaced_and_its_job_tried_again() -> None:
    """The watchdog gives the call up; another thread has the final; the late answer changes nothing."""
    async with rigged(Script(hang=lambda call: call == 0), stuck_after_s=-10.0) as rig:
        future = rig.ask()
        await soon(lambda: len(rig.calls) == 1)
        assert rig.recogniser.stuck() == 1
        assert [worker.name for worker in rig.recogniser.check_workers()] == ["recogniser-1"]
        assert (await future).text
        rig.fake.release()
        assert (await rig.ask()).text
        assert (rig.recogniser.replaced, rig.recogniser.stuck()) == (1, 0)
        assert rig.recogniser.replaced_lately
        assert value(rig, "workers_replaced_total") == 1
        assert rig.models.said == ["hung", "worked", "worked"]


async def test_a_call_that_waits_for_a_processor_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given as much longer as it had to wait; then it counts as stuck all the same."""
    waited = 0.0
    monkeypatch.setattr("echopanel.engine.patience.UNKNOWN_RTF", 0.0)
    monkeypatch.setattr("echopanel.engine.patience.turns", lambda: Turns(waited=waited))
    async with rigged(Script(hang=lambda call: call == 0), stuck_after_s=0.02) as rig:
        future = rig.ask()
        await soon(lambda: rig.recogniser.stuck() == 1)
        waited = 1000.0
        assert (rig.recogniser.stuck(), rig.recogniser.check_workers()) == (0, [])
        waited = 0.0
        assert rig.recogniser.stuck() == 1
        rig.fake.release()
        await future


async def test_what_hung_one_call_may_hang_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are given a moment to come back, and not all of their time."""
    monkeypatch.setattr("echopanel.engine.patience.turns", Turns)
    monkeypatch.setattr("echopanel.engine.patience.HASTENED_S", -1.0)
    async with rigged(Script(hang=lambda call: call < 2), workers=2) as rig:
        first, second = rig.ask(session="a"), rig.ask(session="b")
        await soon(lambda: len(rig.calls) == 2)
        late, other = rig.recogniser._calls.values()
        late.term = replace(late.term, least_s=0.0, running_s=0.0)
        assert rig.recogniser.check_workers() == [late.worker]
        assert rig.recogniser.check_workers() == [other.worker]
        rig.fake.release()
        await asyncio.gather(first, second)


async def test_a_worker_in_time_is_left_alone() -> None:
    """A call within its deadline is not stuck."""
    async with rigged(Script(hang=lambda call: call == 0)) as rig:
        future = rig.ask()
        assert rig.recogniser.check_workers() == []
        assert rig.recogniser.stuck() == 0
        rig.fake.release()
        await future
        assert not rig.recogniser.replaced_lately


@pytest.mark.usefixtures("hasty")
async def test_a_job_that_hangs_twice_is_given_up() -> None:
    """Both threads are left behind, the queue goes on."""
    async with rigged(Script(hang=lambda call: call < 2), stuck_after_s=-10.0) as rig:
        future = rig.ask()
        for calls in (1, 2):
            await soon(lambda: len(rig.calls) == calls)  # noqa: B023 - used up within the turn
            rig.recogniser.check_workers()
        with pytest.raises(TranscriptionFailed, match="did not answer in time"):
            await future
        assert (await rig.ask()).text
        assert rig.recogniser.replaced == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_dead_worker_is_replaced_before_its_deadline() -> None:
    """A thread that ended cannot answer, so nobody waits for it."""

    def die(chunk: Chunk) -> str:
        if len(rig.calls) == 1:
            raise KeyboardInterrupt
        return "alive"

    async with rigged(Script(text=die)) as rig:
        future = rig.ask()
        await soon(lambda: rig.recogniser.stuck() == 1)
        rig.recogniser.check_workers()
        assert (await future).text == "alive"


async def test_jobs_of_an_ended_source_are_forgotten() -> None:
    """What waits is cancelled; what runs ends by itself."""
    async with rigged(Script(hang=lambda call: call == 0)) as rig:
        running, waiting, other = rig.ask(), rig.ask(), rig.ask(session="other")
        rig.recogniser.cancel("s", Source.MIC)
        with pytest.raises(Superseded):
            await waiting
        rig.fake.release()
        await asyncio.gather(running, other)


async def test_a_caller_that_went_away_is_no_problem() -> None:
    """A cancelled future is not answered; the queue goes on, with a failed call too."""
    async with rigged(Script(hang=lambda call: call == 0, fail=lambda call: call < 2)) as rig:
        gone = rig.ask()
        gone.cancel()
        rig.fake.release()
        assert (await rig.ask()).text


async def test_closing_ends_every_job(caplog: pytest.LogCaptureFixture) -> None:
    """What runs and what waits is told; the answer of a call that ends meanwhile is nobody's any more."""
    async with rigged(Script(hang=lambda call: call == 0)) as rig:
        futures = [rig.ask(), rig.ask()]
        await soon(lambda: len(rig.calls) == 1)
        closing = asyncio.create_task(rig.recogniser.close())
        for future in futures:
            with pytest.raises(TranscriptionFailed, match="closing"):
                await future
        rig.fake.release()
        await closing
    assert "ERROR" not in [record.levelname for record in caplog.records]


async def test_closing_does_not_wait_for_a_thread_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hung call is left behind."""
    monkeypatch.setattr("echopanel.engine.recogniser.CLOSE_WITHIN_S", 0.01)
    async with rigged(Script(hang=lambda call: call == 0)) as rig:
        future = rig.ask()
        await rig.recogniser.close()
        assert isinstance(future.exception(), TranscriptionFailed)


class Absent(OneModel):
    """No model."""

    def pick(self, kind: JobKind, language: str | None) -> Model:
        raise ModelUnavailable("tiny", "it is loading")


async def test_a_model_that_is_not_there_fails_the_job_only() -> None:
    """The queue works again once the model is back."""

    async with rigged() as rig:
        present, rig.recogniser._models = rig.recogniser._models, Absent(rig.model)
        with pytest.raises(TranscriptionFailed, match="it is loading"):
            await rig.ask()
        rig.recogniser._models = present
        assert (await rig.ask()).text
