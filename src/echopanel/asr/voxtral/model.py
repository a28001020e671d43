"""A model that is a program: streams on processes of their own, chunks on one that stands by."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from echopanel.asr.increments import at_once
from echopanel.asr.provider import DecodeOptions, Hypothesis, Increment, Stream, check_lengths
from echopanel.asr.voxtral.pool import Pool
from echopanel.asr.voxtral.stream import VoxtralStream
from echopanel.audio import Chunk
from echopanel.errors import Busy, TranscriptionFailed

ROUTE = "this machine"
MAX_SECONDS = 30.0


class VoxtralModel:
    """The processes of one model directory."""

    def __init__(self, pool: Pool, interval_s: float) -> None:
        self._pool = pool
        self._interval_s = interval_s
        self._chunks = threading.Lock()  # one process is enough for chunks: nobody waits for them
        self._closed = False

    def __repr__(self) -> str:
        return f"<VoxtralModel {self._pool!r}>"

    @property
    def routes(self) -> tuple[str, ...]:
        """All processes run here."""
        return (ROUTE,)

    @property
    def capacity(self) -> int | None:
        """As many as there may be processes."""
        return self._pool.most

    def open_stream(self, options: DecodeOptions, on_text: Callable[[Increment], None], route: str) -> Stream:
        """A process for a source, at once if one stands by.

        Raises:
            Busy: all are used.
            ModelUnavailable: none can be started.
        """
        return VoxtralStream(self._pool.take(), self._interval_s, options, on_text, self._pool.end)

    def transcribe(self, chunks: Sequence[Chunk], options: Sequence[DecodeOptions]) -> list[Hypothesis]:
        """One after the other, on a process that is as fresh for each as for the first.

        Raises:
            TranscriptionFailed: the model is closed, a chunk is too long, or there is no process.
        """
        if self._closed:
            raise TranscriptionFailed("the model is closed")
        check_lengths(chunks, MAX_SECONDS)
        with self._chunks:
            return [self._hear(chunk, wanted) for chunk, wanted in zip(chunks, options, strict=True)]

    def close(self) -> None:
        """End all processes."""
        self._closed = True
        self._pool.close()

    def _hear(self, chunk: Chunk, options: DecodeOptions) -> Hypothesis:
        if not chunk.samples.any():
            return Hypothesis("", language=options.language, no_speech_prob=1.0)
        try:
            process = self._pool.borrow()
        except Busy as error:
            raise TranscriptionFailed(str(error)) from error
        stream = VoxtralStream(process, self._interval_s, options, lambda _: None, self._pool.end)
        try:
            stream.feed(chunk.samples)
            heard = stream.finish()
            stream.start_afresh()
        except TranscriptionFailed:
            stream.close()
            raise
        self._pool.put_back(process)
        return at_once(heard, chunk, options)
