"""The only caller of `Model.transcribe`: threads that take one batch at a time.

Own threads rather than an executor, because a thread that hangs inside a model cannot be ended: it is
abandoned, its late answer ignored, and another takes its place.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from echopanel.asr.provider import DecodeOptions, Hypothesis, Model
from echopanel.audio import Chunk
from echopanel.errors import TranscriptionFailed


@dataclass(frozen=True, slots=True)
class Batch:
    """What one recogniser call gets."""

    model: Model
    chunks: tuple[Chunk, ...]
    options: tuple[DecodeOptions, ...]

    @property
    def seconds(self) -> float:
        """Audio in all chunks."""
        return sum(chunk.seconds for chunk in self.chunks)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended: hypotheses or an error, and the seconds it spent inside the model."""

    hypotheses: tuple[Hypothesis, ...]
    elapsed: float
    error: TranscriptionFailed | None = None


Done = Callable[["Worker", Outcome], None]


class Worker:
    """One thread. `done` is called on the event loop that made the worker."""

    def __init__(self, name: str, done: Done) -> None:
        self.name = name
        self._done = done
        self._loop = asyncio.get_running_loop()
        self._inbox: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self.busy_since: float | None = None
        self.abandoned = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        state = "abandoned" if self.abandoned else "idle" if self.busy_since is None else "busy"
        return f"<Worker {self.name} [{state}]>"

    @property
    def alive(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    def submit(self, batch: Batch, now: float) -> None:
        """Start a call; the worker must be idle."""
        self.busy_since = now
        self._inbox.put(batch)

    def abandon(self) -> None:
        """Ignore whatever this worker still says, and let its thread end when it can."""
        self.abandoned = True
        self._inbox.put(None)

    def join(self, timeout: float) -> bool:
        """Wait for the thread to end; False when it did not in time."""
        self._inbox.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (batch := self._inbox.get()) is not None:
            outcome = call(batch)
            try:
                self._loop.call_soon_threadsafe(self._finished, outcome)
            except RuntimeError:  # the loop has closed; nobody waits for this any more
                return

    def _finished(self, outcome: Outcome) -> None:
        self.busy_since = None
        if not self.abandoned:
            self._done(self, outcome)


def call(batch: Batch) -> Outcome:
    """Run one recogniser call; whatever it raises becomes a `TranscriptionFailed` in the outcome."""
    started = time.perf_counter()
    try:
        hypotheses = tuple(batch.model.transcribe(batch.chunks, batch.options))
        error = check(batch.chunks, hypotheses)
    except TranscriptionFailed as exc:
        hypotheses, error = (), exc
    except Exception as exc:  # noqa: BLE001 - a plug-in may raise anything; this frame is the seam
        hypotheses, error = (), TranscriptionFailed(f"{type(exc).__name__}: {exc}")
    return Outcome(hypotheses, time.perf_counter() - started, error)


def check(chunks: Sequence[Chunk], hypotheses: Sequence[Hypothesis]) -> TranscriptionFailed | None:
    """What is wrong with an answer, if anything."""
    if len(hypotheses) == len(chunks):
        return None
    return TranscriptionFailed(f"the model gave {len(hypotheses)} hypotheses for {len(chunks)} chunks")
