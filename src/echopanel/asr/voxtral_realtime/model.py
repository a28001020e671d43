"""A model that is somewhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from echopanel.asr.increments import at_once
from echopanel.asr.provider import DecodeOptions, Hypothesis, Increment, Stream, check_lengths
from echopanel.asr.voxtral_realtime.connection import Connection
from echopanel.asr.voxtral_realtime.settings import RealtimeSettings
from echopanel.asr.voxtral_realtime.stream import RealtimeStream
from echopanel.audio import Chunk
from echopanel.errors import ModelUnavailable, TranscriptionFailed

MAX_SECONDS = 30.0


class RealtimeModel:
    """Servers that all have the same model."""

    def __init__(self, settings: RealtimeSettings) -> None:
        self._settings = settings
        self._closed = False

    def __repr__(self) -> str:
        return f"<RealtimeModel {self._settings.model_name} at {', '.join(self._settings.urls)}>"

    @property
    def routes(self) -> tuple[str, ...]:
        """The servers."""
        return self._settings.urls

    @property
    def capacity(self) -> int | None:
        """Only the servers know."""
        return None

    def open_stream(self, options: DecodeOptions, on_text: Callable[[Increment], None], route: str) -> Stream:
        """Connect to a server.

        Raises:
            ModelUnavailable: it does not want us.
            TranscriptionFailed: it cannot be reached.
        """
        return RealtimeStream(Connection(route, self._settings), self._settings, options, on_text)

    def transcribe(self, chunks: Sequence[Chunk], options: Sequence[DecodeOptions]) -> list[Hypothesis]:
        """One after the other, by the first server that works.

        Raises:
            TranscriptionFailed: the model is closed, a chunk is too long, or no server works.
        """
        if self._closed:
            raise TranscriptionFailed("the model is closed")
        check_lengths(chunks, MAX_SECONDS)
        return [self._hear(chunk, wanted) for chunk, wanted in zip(chunks, options, strict=True)]

    def close(self) -> None:
        """Refuse further calls; streams are closed by those who opened them."""
        self._closed = True

    def _hear(self, chunk: Chunk, options: DecodeOptions) -> Hypothesis:
        if not chunk.samples.any():
            return Hypothesis("", language=options.language, no_speech_prob=1.0)
        problems: list[str] = []
        for route in self.routes:
            try:
                return self._hear_at(route, chunk, options)
            except (ModelUnavailable, TranscriptionFailed) as error:
                problems.append(str(error))
        raise TranscriptionFailed("; ".join(problems))

    def _hear_at(self, route: str, chunk: Chunk, options: DecodeOptions) -> Hypothesis:
        stream = self.open_stream(options, lambda _: None, route)
        try:
            stream.feed(chunk.samples)
            heard = stream.finish()
        finally:
            stream.close()
        return at_once(heard, chunk, options)
