"""The threads that call the model: whatever it does, an outcome comes back or the thread is given up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from echopanel.asr.provider import DecodeOptions, Hypothesis
from echopanel.audio import Chunk, Source
from echopanel.engine.worker import Batch, Outcome, Worker, call
from echopanel.errors import TranscriptionFailed
from tests.engine.rig import speech

Answer = Callable[[Sequence[Chunk]], list[Hypothesis]]


class Model:
    """Answers as it is told."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def transcribe(self, chunks: Sequence[Chunk], options: Sequence[DecodeOptions]) -> list[Hypothesis]:
        return self._answer(chunks)

    def close(self) -> None:
        pass


def batch(answer: Answer, chunks: int = 1) -> Batch:
    """Chunks of one second."""
    return Batch(Model(answer), (Chunk(Source.MIC, 0, speech(1.0)),) * chunks, (DecodeOptions(),) * chunks)


def echo(chunks: Sequence[Chunk]) -> list[Hypothesis]:
    """One word for each chunk."""
    return [Hypothesis("word") for _ in chunks]


class Desk:
    """Makes workers and takes their outcomes."""

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        self.outcomes: asyncio.Queue[tuple[Worker, Outcome]] = asyncio.Queue()

    def worker(self) -> Worker:
        """A new one."""
        self.workers.append(
            Worker("test", lambda worker, outcome: self.outcomes.put_nowait((worker, outcome)))
        )
        return self.workers[-1]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """All threads end with the test."""
    desk = Desk()
    yield desk
    for worker in desk.workers:
        assert await asyncio.to_thread(worker.join, 5.0)


async def test_an_outcome_comes_back_on_the_loop(desk: Desk) -> None:
    """One hypothesis a chunk, with the time that the call took; then the worker is idle again."""
    worker = desk.worker()
    worker.submit(batch(echo, 3), now=1.0)
    assert worker.busy_since == 1.0
    by, outcome = await desk.outcomes.get()
    assert by is worker
    assert [one.text for one in outcome.hypotheses] == ["word"] * 3
    assert outcome.error is None
    assert outcome.elapsed >= 0
    assert worker.busy_since is None


@pytest.mark.parametrize("error", [ValueError("no"), MemoryError(), RuntimeError("CUDA"), KeyError("x")])
def test_whatever_a_plug_in_raises_is_a_failed_transcription(error: Exception) -> None:
    """The kind of error is in the message, and no hypothesis comes with it."""

    def fail(chunks: Sequence[Chunk]) -> list[Hypothesis]:
        raise error

    outcome = call(batch(fail))
    assert isinstance(outcome.error, TranscriptionFailed)
    assert type(error).__name__ in str(outcome.error)
    assert outcome.hypotheses == ()


def test_a_failure_that_is_one_already_keeps_its_words() -> None:
    """The model's own sentence is not wrapped."""

    def fail(chunks: Sequence[Chunk]) -> list[Hypothesis]:
        raise TranscriptionFailed("out of tokens")

    assert str(call(batch(fail)).error) == "out of tokens"


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_wrong_number_of_answers_is_an_error(count: int) -> None:
    """Which hypothesis belongs to which chunk cannot be guessed."""
    outcome = call(batch(lambda chunks: [Hypothesis("word")] * count, chunks=2))
    assert str(outcome.error) == f"the model gave {count} hypotheses for 2 chunks"


async def test_an_abandoned_worker_says_nothing_more(desk: Desk) -> None:
    """The late answer of a call that was given up is ignored, and the thread ends."""
    release = threading.Event()

    def hang(chunks: Sequence[Chunk]) -> list[Hypothesis]:
        release.wait()
        return echo(chunks)

    stuck, other = desk.worker(), desk.worker()
    stuck.submit(batch(hang), now=0.0)
    stuck.abandon()
    release.set()
    assert await asyncio.to_thread(stuck.join, 5.0)
    other.submit(batch(echo), now=0.0)
    assert (await desk.outcomes.get())[0] is other
    assert desk.outcomes.empty()
    assert not stuck.alive
    assert repr(stuck) == "<Worker test [abandoned]>"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_thread_that_dies_is_seen(desk: Desk) -> None:
    """What is no Exception ends the thread; `alive` tells."""

    def leave(chunks: Sequence[Chunk]) -> list[Hypothesis]:
        raise KeyboardInterrupt

    worker = desk.worker()
    assert worker.alive
    worker.submit(batch(leave), now=0.0)
    assert await asyncio.to_thread(worker.join, 5.0)
    assert not worker.alive


def test_a_worker_survives_the_end_of_its_loop() -> None:
    """A call that ends after the event loop is over ends the thread without a word."""
    release = threading.Event()

    def hang(chunks: Sequence[Chunk]) -> list[Hypothesis]:
        release.wait()
        return echo(chunks)

    async def start() -> Worker:
        worker = Worker("test", lambda worker, outcome: None)
        worker.submit(batch(hang), now=0.0)
        return worker

    worker = asyncio.run(start())
    release.set()
    assert worker.join(5.0)
