"""One source with a streaming model: frames -> endpoints -> stream -> events. Stands in for `Pipeline`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from echopanel.asr.vad import VadStream
from echopanel.audio import AudioFrame, Chunk, Source, pcm16_to_float, to_samples
from echopanel.engine.captions import Captions
from echopanel.engine.events import Event
from echopanel.engine.hearing import Hearing
from echopanel.engine.listener import Listener
from echopanel.engine.metrics import Metrics
from echopanel.engine.options import PipelineOptions
from echopanel.engine.pipeline import RECOGNISER_FAILED
from echopanel.engine.recovery import Past, Range, first_waiting
from echopanel.engine.signal import Signal
from echopanel.engine.speech import Speech, SpeechQueue
from echopanel.engine.standin import StandIn
from echopanel.engine.streams import Streams
from echopanel.engine.utterance import Utterance
from echopanel.errors import Busy, TranscriptionFailed
from echopanel.policy.clock import SessionClock
from echopanel.policy.endpoint import (
    EndpointEvent,
    EndpointSettings,
    SpeechEnded,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from echopanel.policy.ledger import Ledger

# A text that comes later than this is no caption any more: what was said now comes first.
MAX_BEHIND_S = 30.0
# A source that is silent for so long gives its stream back.
IDLE_S = 30.0
# The endpointer cuts long speech where it was quiet, which a stream has heard already, so it is not let to.
NEVER_S = 600.0
LONGEST_S = 300.0


class StreamingPipeline:
    """Turns one source's audio into events, in order. Lives on the event loop."""

    def __init__(
        self,
        session: str,
        source: Source,
        options: PipelineOptions,
        *,
        streams: Streams,
        vad: VadStream,
        endpoint: EndpointSettings,
        clock: SessionClock,
        metrics: Metrics,
        emit: Callable[[Event], None],
        standin: StandIn | None = None,
    ) -> None:
        self.session = session
        self.source = source
        self.shed: list[Range] = []
        self.progressed = Signal()
        self._streams = streams
        self._captions = Captions(source, clock, metrics, emit, partials=options.partials)
        self._longest = to_samples(endpoint.max_utterance_s)
        endpoint = replace(endpoint, max_utterance_s=NEVER_S)
        self._listener = Listener(
            source, vad, endpoint, clock, on_endpoint=self._handle, on_loss=self._captions.lost
        )
        decode = replace(options.decode, word_timestamps=True)
        self._hearing = Hearing(streams, decode, self._captions.troubled, standin)
        self._queue = SpeechQueue()
        self._repairing = asyncio.Lock()
        self._count = 0
        streams.join(self)

    def __repr__(self) -> str:
        state = "speaking" if self._queue.open else "silent"
        name = f"StreamingPipeline {self.session}/{self.source}"
        return f"<{name} at {self.end} [{state}, {self.closing} closing]>"

    @property
    def end(self) -> int:
        """Sample index behind the newest sample taken."""
        return self._listener.end

    @property
    def ledger(self) -> Ledger:
        """What became of every sample."""
        return self._listener.ledger

    @property
    def closing(self) -> int:
        """Utterances that have ended and are not final yet."""
        return self._queue.closing

    @property
    def hasty(self) -> int:
        """Segments that were heard in haste: none."""
        return 0

    @property
    def handled(self) -> int:
        """Sample index before which nothing waits; what was put off does not hold up what came behind it."""
        return first_waiting(self.ledger, self.shed)

    @property
    def lag_s(self) -> float | None:
        """Arrival of the newest shown audio until it was shown."""
        return self._captions.lag.seconds

    @property
    def behind_s(self) -> float:
        """Seconds since the oldest utterance that is not final yet ended; 0 if there is none."""
        return self._queue.behind(time.monotonic())

    # --- audio in -----------------------------------------------------------------------------

    def feed(self, frame: AudioFrame) -> None:
        """Take a frame that begins at or behind `end`; what lies between is a hole."""
        self._captions.lag.arrived(frame.end)
        self._listener.feed(frame)
        speech = self._queue.open
        if speech is None or speech.utterance.paused_at is not None:
            return
        speech.grow(self._listener.scored)
        if self._listener.scored - speech.utterance.start >= self._longest:
            self._split(speech)

    def restore(self, past: Past, context: bytes) -> None:
        """Go on behind the last final of an earlier process; feed it what the journal has from there.

        `context`: the s16le audio of `past.context`, for the detector.
        """
        self.shed = self._listener.restore(past, context)
        self._count = past.count

    async def flush(self) -> None:
        """Close an open utterance here and wait until all audio taken so far is final or put off."""
        self._listener.cut()
        if self._queue.last is not None:
            await self._queue.last.utterance.done.wait()

    def lose_until(self, sample: int, reason: str) -> None:
        """Audio up to `sample` was captured but never came."""
        self._listener.lose_until(sample, reason)

    async def run(self) -> None:
        """Hear one utterance after the other, until cancelled."""
        try:
            while True:
                speech = await self._next()
                try:
                    await self._hear(speech)
                finally:
                    speech.utterance.done.set()
                    self._queue.remove(speech)
                    self.progressed.notify()
        finally:
            self._hearing.close()
            self._streams.leave(self)

    async def repair(self, read: Callable[[int, int], Awaitable[bytes]], *, give_up: bool) -> None:
        """Recognise what was put off, one range after the other; `read` has its audio.

        What fails once more is lost if `give_up`; else it is put off again, and nothing is tried while live
        speech waits. Whoever calls this while another call is under way waits for that one first.
        """
        async with self._repairing:
            for _ in range(len(self.shed)):
                if self._queue.closing and not give_up:
                    return
                start, end = self.shed[0]
                pcm = await read(start, end)
                del self.shed[0]
                utterance = self._new(start, end)
                utterance.deferred, utterance.last_try = True, give_up
                utterance.chunk = Chunk(self.source, start, pcm16_to_float(pcm))
                utterance.decided_at = time.monotonic()
                self._queue.add(Speech(utterance, end, self._listener))
                await utterance.done.wait()

    async def improve(self, read: Callable[[int, int], Awaitable[bytes]]) -> None:
        """Nothing is heard in haste here."""

    # --- endpoints -------------------------------------------------------------------------------

    def _handle(self, event: EndpointEvent) -> None:
        match event:
            case SpeechStarted(at):
                self._queue.add(Speech(self._new(at), at, self._listener))
            case SpeechPaused(at):
                speech = self._queue.opened()
                speech.utterance.paused_at = at
                speech.grow(at)
            case SpeechResumed():
                self._queue.opened().utterance.paused_at = None
            case SpeechEnded(at):
                self._end(self._queue.opened(), at)

    def _new(self, start: int, end: int | None = None) -> Utterance:
        self._count += 1
        return Utterance(f"{self.source}-{self._count}", self.source, start, end, covered=start)

    def _end(self, speech: Speech, at: int) -> None:
        utterance = speech.utterance
        utterance.end = at
        utterance.chunk = self._listener.chunk(utterance.start, at)
        utterance.decided_at = time.monotonic()
        self._queue.open = None
        speech.grow(at)

    def _split(self, speech: Speech) -> None:
        """Make a final of what is long enough, though somebody goes on speaking."""
        if self._listener.speaking_s > LONGEST_S:
            self._listener.cut()
            return
        at = self._listener.scored
        self._end(speech, at)
        self._listener.advance(at)
        self._queue.add(Speech(self._new(at), at, self._listener))

    # --- text out -----------------------------------------------------------------------------------

    async def _next(self) -> Speech:
        """The next utterance, as soon as it begins; meanwhile the stream may rest, or be given back."""
        if self._queue.first is None:
            await self._hearing.rest()
            try:
                async with asyncio.timeout(IDLE_S):
                    return await self._queue.wait()
            except TimeoutError:
                self._hearing.close()
        return await self._queue.wait()

    async def _hear(self, speech: Speech) -> None:
        utterance = speech.utterance
        if utterance.end == utterance.start:
            return
        if self._captions.partials and not utterance.deferred and self._late(utterance):
            self._put_off(utterance, "backlog_full")
            return
        try:
            hypothesis = await self._hearing.hear(speech, partial(self._captions.show, utterance))
        except Busy:
            await self._over(speech)
            self._put_off(utterance, "recogniser_busy")
        except TranscriptionFailed as error:
            await self._over(speech)
            self._captions.gave_up(error)
            self._put_off(utterance, RECOGNISER_FAILED)
        else:
            self._captions.finalise(utterance, hypothesis, self.ledger)

    def _late(self, utterance: Utterance) -> bool:
        return utterance.end is not None and time.monotonic() - utterance.decided_at > MAX_BEHIND_S

    async def _over(self, speech: Speech) -> None:
        """Only what has an end can be put off."""
        while not speech.over:
            await speech.grown.wait(IDLE_S)

    def _put_off(self, utterance: Utterance, reason: str) -> None:
        assert utterance.end is not None
        if utterance.last_try and reason == RECOGNISER_FAILED:
            self._listener.lose(utterance.start, utterance.end, reason)
            return
        self.shed.append((utterance.start, utterance.end))
        if not utterance.deferred:
            self._captions.pending(utterance.start, utterance.end, reason)
