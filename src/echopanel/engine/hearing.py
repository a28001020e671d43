"""Hearing utterances through streams: what breaks is heard again from the start of the utterance."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from echopanel.asr.increments import Heard
from echopanel.asr.provider import DecodeOptions, Hypothesis, Increment
from echopanel.audio import SAMPLE_RATE
from echopanel.engine.speech import Speech
from echopanel.engine.standin import StandIn
from echopanel.engine.streams import OpenStream, Streams
from echopanel.errors import ModelUnavailable, ProviderError, TranscriptionFailed
from echopanel.policy.backoff import Backoff

T = TypeVar("T")

TRIES = 3
PATIENCE_S = 1.0
# So much at once, that a recogniser that is slow is not asked for what it cannot do in time.
PIECE = SAMPLE_RATE
BACKOFF = Backoff(base=0.5, cap=8.0)

OnText = Callable[
    [str, float], None
]  # the text so far, and the second of the utterance before which it was said


class Hung(TranscriptionFailed):
    """A stream did not answer in time."""


class Opening(TranscriptionFailed):
    """A stream is not open yet; that is no failure."""


class Hearing:
    """The stream of one source. `on_trouble` is told of failures that are made good.

    Where there is a `standin` that can, nobody waits for a stream: it hears the utterance from its start.
    """

    def __init__(
        self,
        streams: Streams,
        options: DecodeOptions,
        on_trouble: Callable[[str], None],
        standin: StandIn | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._streams = streams
        self._options = options
        self._on_trouble = on_trouble
        self._standin = standin
        self._chance = chance
        self._stream: OpenStream | None = None
        self._opening: asyncio.Task[OpenStream] | None = None
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
        standin = self._standin
        if standin is None or not standin.able:
            return await self._persist(speech, on_text)
        if standin.wanted:
            self.close()
            return await standin.hear(speech, on_text)
        try:
            return await self._persist(speech, on_text)
        except Opening:
            problem = "the recogniser is not ready yet"
        except TranscriptionFailed as error:
            standin.failed(str(error), hung=isinstance(error, Hung))
            problem = str(error)
        self._on_trouble(f"{problem}; another model stands in")
        return await standin.hear(speech, on_text)

    async def _persist(self, speech: Speech, on_text: OnText) -> Hypothesis:
        """Hear an utterance by a stream; again from its start where that fails, unless another stands in."""
        tries = 1 if speech.utterance.deferred else TRIES
        self._on_text = on_text
        for attempt in range(tries):
            last = attempt == tries - 1
            try:
                hypothesis = await self._attempt(speech)
            except ModelUnavailable as error:
                raise TranscriptionFailed(str(error)) from error
            except TranscriptionFailed as error:
                if last or self._late_s is not None:
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
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.cancel()
            opening.add_done_callback(_close_opened)
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    async def _attempt(self, speech: Speech) -> Hypothesis:
        self._heard = Heard()
        stream = self._stream = self._stream or await self._opened()
        try:
            await self._feed(stream, speech)
            hypothesis = await self._soon(stream.finish())
        except (TranscriptionFailed, ModelUnavailable) as error:
            self._broken(stream, error)
            raise
        self._streams.worked(stream)
        if self._standin is not None:
            self._standin.worked()
        return hypothesis

    async def _opened(self) -> OpenStream:
        """A new stream. One that takes long to open is not given up: a later utterance will have it.

        Raises:
            Opening: another stands in meanwhile.
        """
        late = self._opening is not None
        if self._opening is None:
            opening = self._streams.open(self._options, self._hear)
            self._opening = asyncio.create_task(opening, name="open stream")
        if late and not self._opening.done() and self._late_s is not None:
            raise Opening
        try:
            stream = await self._soon(asyncio.shield(self._opening))
        except Hung:
            raise Opening from None
        except BaseException:
            self.close()
            raise
        self._opening = None
        return stream

    @property
    def _late_s(self) -> float | None:
        """How long to wait for a stream; None: as long as it takes, because nothing stands in."""
        return self._standin.late_s if self._standin is not None and self._standin.able else None

    async def _soon(self, work: Awaitable[T]) -> T:
        late_s = self._late_s
        try:
            async with asyncio.timeout(late_s):
                return await work
        except TimeoutError:
            raise Hung(f"the recogniser did not answer within {late_s:g} s") from None

    async def _feed(self, stream: OpenStream, speech: Speech) -> None:
        position = speech.utterance.start
        while position < speech.limit or not speech.over:
            if position >= speech.limit:
                await speech.grown.wait(PATIENCE_S)
                continue
            end = min(speech.limit, position + PIECE)
            await self._soon(stream.feed(speech.read(position, end)))
            position = end

    def _hear(self, increment: Increment) -> None:
        self._heard.add(increment)
        self._on_text(self._heard.text, increment.until)

    def _broken(self, stream: OpenStream, error: ProviderError) -> None:
        self._streams.failed(stream, error)
        self.close()


def _close_opened(opening: asyncio.Task[OpenStream]) -> None:
    """Nobody wants what was opened any more, nor why it was not."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
