"""Hearing utterances through streams: what breaks is heard again from the start of the utterance."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from echopanel.asr.increments import Heard
from echopanel.asr.provider import DecodeOptions, Hypothesis, Increment
from echopanel.audio import SAMPLE_RATE
from echopanel.engine.speech import Speech
from echopanel.engine.streams import OpenStream, Streams
from echopanel.errors import ModelUnavailable, ProviderError, TranscriptionFailed
from echopanel.policy.backoff import Backoff

TRIES = 3
PATIENCE_S = 1.0
# So much at once, that a recogniser that is slow is not asked for what it cannot do in time.
PIECE = SAMPLE_RATE
BACKOFF = Backoff(base=0.5, cap=8.0)

OnText = Callable[
    [str, float], None
]  # the text so far, and the second of the utterance before which it was said


class Hearing:
    """The stream of one source. `on_trouble` is told of failures that are made good."""

    def __init__(
        self,
        streams: Streams,
        options: DecodeOptions,
        on_trouble: Callable[[str], None],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._streams = streams
        self._options = options
        self._on_trouble = on_trouble
        self._chance = chance
        self._stream: OpenStream | None = None
        self._heard = Heard()
        self._on_text: OnText = lambda _text, _until: None

    def __repr__(self) -> str:
        return f"<Hearing {self._stream!r}>"

    async def hear(self, speech: Speech, on_text: OnText) -> Hypothesis:
        """The text of an utterance, once that is over; meanwhile `on_text` is told of what there is.

        Raises:
            Busy: there is no stream for this source now.
            TranscriptionFailed: trying again did not help, or would not.
        """
        tries = 1 if speech.utterance.deferred else TRIES
        self._on_text = on_text
        for attempt in range(tries):
            last = attempt == tries - 1
            try:
                hypothesis = await self._attempt(speech)
            except ModelUnavailable as error:
                raise TranscriptionFailed(str(error)) from error
            except TranscriptionFailed as error:
                if last:
                    raise
                problem = str(error)
            else:
                # What swallowed words once would do so again, if it is the audio that makes it.
                if not hypothesis.doubt or attempt or last:
                    return hypothesis
                self.close()
                problem = hypothesis.doubt
            self._on_trouble(f"{problem}; trying once more")
            await asyncio.sleep(BACKOFF.delay(attempt, self._chance()))
        raise AssertionError("the last try returns or raises")

    async def rest(self) -> None:
        """Let the model do what must not disturb speech."""
        stream = self._stream
        if stream is None:
            return
        try:
            await stream.rest()
        except (TranscriptionFailed, ModelUnavailable) as error:
            self._broken(stream, error)

    def close(self) -> None:
        """Let go of the stream; the next utterance opens another."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    async def _attempt(self, speech: Speech) -> Hypothesis:
        self._heard = Heard()
        if self._stream is None:
            self._stream = await self._streams.open(self._options, self._hear)
        stream = self._stream
        try:
            await self._feed(stream, speech)
            hypothesis = await stream.finish()
        except (TranscriptionFailed, ModelUnavailable) as error:
            self._broken(stream, error)
            raise
        self._streams.worked(stream)
        return hypothesis

    async def _feed(self, stream: OpenStream, speech: Speech) -> None:
        position = speech.utterance.start
        while position < speech.limit or not speech.over:
            if position >= speech.limit:
                await speech.grown.wait(PATIENCE_S)
                continue
            end = min(speech.limit, position + PIECE)
            await stream.feed(speech.read(position, end))
            position = end

    def _hear(self, increment: Increment) -> None:
        self._heard.add(increment)
        self._on_text(self._heard.text, increment.until)

    def _broken(self, stream: OpenStream, error: ProviderError) -> None:
        self._streams.failed(stream, error)
        self.close()
