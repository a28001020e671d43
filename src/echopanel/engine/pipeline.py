"""One source: frames -> endpoints -> jobs -> words -> events."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from echopanel.asr.provider import Hypothesis, HypothesisWord
from echopanel.asr.vad import VadStream
from echopanel.audio import AudioFrame, Chunk, Source, pcm16_to_float, to_samples
from echopanel.engine.asking import Asking
from echopanel.engine.events import HEARD_AGAIN, NO_SPEECH, Event, Trouble
from echopanel.engine.haste import Haste
from echopanel.engine.lag import Lag
from echopanel.engine.lead import LEAD_S, LeftContext
from echopanel.engine.listener import Listener
from echopanel.engine.metrics import Metrics
from echopanel.engine.options import PipelineOptions
from echopanel.engine.pace import Pace
from echopanel.engine.recogniser import QueueFull, Recogniser, Superseded
from echopanel.engine.recovery import Past, Range, first_waiting
from echopanel.engine.signal import Signal
from echopanel.engine.utterance import Utterance
from echopanel.errors import TranscriptionFailed
from echopanel.policy.clock import SessionClock
from echopanel.policy.endpoint import (
    EndpointEvent,
    EndpointSettings,
    Hurry,
    SpeechEnded,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from echopanel.policy.ledger import Ledger
from echopanel.transcript import Final, Gap, GapStatus, Revision, Segment

RECOGNISER_FAILED = "recogniser_failed"
OVERLOAD = "overload"
Read = Callable[[int, int], Awaitable[bytes]]  # s16le audio of [start, end), from the journal


class Pipeline:
    """Turns one source's audio into events, in order. Lives on the event loop."""

    def __init__(
        self,
        session: str,
        source: Source,
        options: PipelineOptions,
        *,
        recogniser: Recogniser,
        vad: VadStream,
        endpoint: EndpointSettings,
        clock: SessionClock,
        metrics: Metrics,
        pace: Callable[[], Pace],
        emit: Callable[[Event], None],
    ) -> None:
        self.session = session
        self.source = source
        self.shed: list[Range] = []
        self._haste = Haste()
        self.progressed = Signal()
        self._partials = options.partials
        self._clock = clock
        self._metrics = metrics
        self._pace = pace
        self._emit = emit
        self._listener = Listener(source, vad, endpoint, clock, on_endpoint=self._handle, on_loss=self._lost)
        self._context = LeftContext()
        self._asking = Asking(
            session,
            self._listener,
            options,
            recogniser=recogniser,
            context=self._context,
            pace=pace,
            heard=self._heard,
            retrying=lambda error: emit(Trouble(source, f"{error}; trying once more", given_up=False)),
        )
        self._open: Utterance | None = None
        self._count = 0
        self._lag = Lag()
        self._closing: asyncio.Queue[Utterance] = asyncio.Queue()
        self._finishing: Utterance | None = None
        self._last: Utterance | None = None
        self._repairing = asyncio.Lock()

    def __repr__(self) -> str:
        state = f"speaking since {self._open.start}" if self._open else "silent"
        return f"<Pipeline {self.session}/{self.source} at {self.end} [{state}, {self.closing} closing]>"

    @property
    def end(self) -> int:
        """Sample index behind the newest sample taken."""
        return self._listener.end

    @property
    def ledger(self) -> Ledger:
        """What became of every sample."""
        return self._listener.ledger

    @property
    def speaking(self) -> bool:
        """Whether an utterance is open."""
        return self._open is not None

    @property
    def closing(self) -> int:
        """Utterances that have ended and are not final yet."""
        return self._closing.qsize()

    @property
    def hasty(self) -> int:
        """Segments that were heard in haste and not heard again yet."""
        return len(self._haste)

    @property
    def handled(self) -> int:
        """Sample index before which nothing waits; what was put off does not hold up what came behind it."""
        return first_waiting(self.ledger, self.shed)

    @property
    def lag_s(self) -> float | None:
        """Arrival of the newest shown audio until it was shown."""
        return self._lag.seconds

    # --- audio in -----------------------------------------------------------------------------

    def feed(self, frame: AudioFrame) -> None:
        """Take a frame that begins at or behind `end`; what lies between is a hole."""
        self._lag.arrived(frame.end)
        pace = self._pace()
        awaited = pace.live and self._partials  # nobody waits for what is put off, or for a recording's text
        self._listener.hurry(pace.hurry if awaited else Hurry.NONE)
        self._listener.feed(frame)
        self._ask_for_partial()

    def restore(self, past: Past, context: bytes) -> None:
        """Go on behind the last final of an earlier process; feed it what the journal has from there.

        `context`: the s16le audio of `past.context`, as left context of what comes.
        """
        self.shed = self._listener.restore(past, context)
        self._count = past.count
        for segment in sorted(past.finals, key=lambda one: one.start_sample):  # what was put off came later
            self._context.restore(segment, self._clock.at(self.source, segment.start_sample))

    async def flush(self) -> None:
        """Close an open utterance here and wait until all audio taken so far is final or put off."""
        self._listener.cut()
        await self.settle()

    async def settle(self) -> None:
        """Wait until every utterance that has ended is final or put off."""
        if self._last is not None:
            await self._last.done.wait()

    def lose_until(self, sample: int, reason: str) -> None:
        """Audio up to `sample` was captured but never came."""
        self._listener.lose_until(sample, reason)

    async def run(self) -> None:
        """Emit finals in order, until cancelled."""
        while True:
            self._finishing = utterance = await self._closing.get()
            try:
                await self._finish(utterance)
            finally:
                self._finishing = None
                utterance.done.set()
                self.progressed.notify()

    async def repair(self, read: Read, *, give_up: bool) -> None:
        """Recognise what was put off, one range after the other; `read` has its audio.

        What fails once more is lost if `give_up`; else it is put off again, as is what finds no room. What is
        said meanwhile does not wait. Whoever calls this while another call is under way waits for that first.
        """
        async with self._repairing:
            for _ in range(len(self.shed)):
                start, end = self.shed[0]
                utterance = await self._journaled(read, start, end)
                utterance.last_try = give_up
                self._asking.final(utterance)
                await self._finish(utterance)
                self.shed.remove((start, end))

    async def improve(self, read: Read) -> None:
        """Recognise again what was heard in haste longest ago.

        A text that fails to be better, or fails, stays as it is.
        """
        async with self._repairing:
            passage = self._haste.take()
            if passage is None:
                return
            utterance = await self._journaled(read, passage.start, passage.end)
            self._asking.final(utterance)
            with contextlib.suppress(QueueFull, TranscriptionFailed):
                hypothesis = await self._final(utterance)
                words = utterance.finish(hypothesis, passage.end)
                if words and " ".join(word.text for word in words) != passage.text:
                    segment = self._segment(utterance, words, passage.end, hypothesis)
                    self._emit(Revision(passage.ids, (segment,), HEARD_AGAIN))

    async def _journaled(self, read: Read, start: int, end: int) -> Utterance:
        first = max(0, start - to_samples(LEAD_S))
        chunk = Chunk(self.source, first, pcm16_to_float(await read(first, end)))
        self._count += 1
        return Utterance(f"{self.source}-{self._count}", self.source, start, end, deferred=True, chunk=chunk)

    # --- endpoints -------------------------------------------------------------------------------

    def _handle(self, event: EndpointEvent) -> None:
        match event:
            case SpeechStarted(at):
                self._started(at)
            case SpeechPaused(at):
                self._paused(at)
            case SpeechResumed():
                self._resumed()
            case SpeechEnded(at):
                self._ended(at)

    def _lost(self, start: int, end: int, reason: str) -> None:
        self._metrics.dropped_samples.labels(reason).inc(end - start)
        self._emit(Gap(self.source, start, end, reason, GapStatus.LOST))

    def _started(self, at: int) -> None:
        self._count += 1
        self._open = Utterance(f"{self.source}-{self._count}", self.source, at, covered=at, cut=at)

    def _paused(self, at: int) -> None:
        """Decode now what may be all of it: if it is, the final is there when the endpoint comes.

        Where there is no time for that, it is shown at least.
        """
        utterance = self._opened()
        utterance.paused_at = at
        pace = self._pace()
        if pace.live and pace.speculate and self._asking.queued == 0:
            utterance.speculation = self._asking.speculative(utterance, at)
        else:
            self._ask_for_partial()

    def _resumed(self) -> None:
        utterance = self._opened()
        utterance.paused_at = None
        utterance.speculation = None

    def _ended(self, at: int) -> None:
        utterance = self._opened()
        utterance.end = at
        utterance.chunk = self._listener.chunk(utterance.start, at)
        utterance.decided_at = time.monotonic()
        self._open = None
        pace = self._pace()
        if not pace.live or self._behind_s > pace.late_s:
            utterance.speculation, utterance.put_off = None, OVERLOAD
            self._close(utterance)
            return
        speculation = utterance.speculation
        started = self._asking.queued == 0
        if speculation is None or not (speculation.done() or started):
            utterance.speculation = None
            self._asking.final(utterance)
        self._close(utterance)

    @property
    def _behind_s(self) -> float:
        """Seconds since what has no text yet was said, 0 for a recording: nobody waits for its text."""
        waiting = self._finishing if self._partials else None
        return 0.0 if waiting is None else time.monotonic() - waiting.decided_at

    def _close(self, utterance: Utterance) -> None:
        self._closing.put_nowait(utterance)
        self._last = utterance

    def _opened(self) -> Utterance:
        assert self._open is not None, "the endpointer ends only what it started"
        return self._open

    def _ask_for_partial(self) -> None:
        utterance, pace = self._open, self._pace()
        if utterance is None or not (self._partials and pace.live):
            return
        if utterance.due(self.end, pace.interval_s):
            self._asking.partial(utterance)

    # --- text out -----------------------------------------------------------------------------------

    def _heard(self, utterance: Utterance, done: asyncio.Future[Hypothesis]) -> None:
        """A decode came back while the utterance is open: show it."""
        if done.cancelled() or done.exception() is not None or utterance.end is not None:
            return
        hypothesis = done.result()
        self._asking.learn(hypothesis)
        if not utterance.doubted and utterance.led and self._context.echoed(hypothesis, deferred=False):
            utterance.doubted = True  # "And so my fellow Americans." again for the first of "Ask not"
            return
        changed = utterance.agreement.changes
        partial = utterance.partial(hypothesis, utterance.covered, self._clock)
        self._metrics.tail_changes.inc(utterance.agreement.changes - changed)
        if partial is not None and self._partials:
            self._emit(partial)
            lag_s = self._lag.shown(utterance.covered)
            if lag_s is not None:
                self._metrics.shown_seconds.observe(lag_s)

    async def _finish(self, utterance: Utterance) -> None:
        assert utterance.end is not None
        if utterance.put_off:
            self._shed(utterance, utterance.put_off)
            return
        try:
            hypothesis = await self._final(utterance)
        except QueueFull:
            self._shed(utterance, "backlog_full")
        except TranscriptionFailed as error:
            self._emit(Trouble(self.source, str(error), given_up=True))
            self._shed(utterance, RECOGNISER_FAILED)
        else:
            self._finalise(utterance, utterance.end, hypothesis)

    async def _final(self, utterance: Utterance) -> Hypothesis:
        """The final words; those that the lead made up, perhaps, are asked for again without one.

        Raises:
            QueueFull: too many jobs of this source wait.
            TranscriptionFailed: also the retry failed.
        """
        hypothesis = await self._decoded(utterance)
        if not self._context.misled(hypothesis, led=utterance.led, deferred=utterance.deferred):
            return hypothesis
        utterance.alone = True
        utterance.speculation = None
        self._asking.final(utterance)
        return await self._decoded(utterance)

    async def _decoded(self, utterance: Utterance) -> Hypothesis:
        """The speculative decode when it held and worked, else the final one.

        Raises:
            QueueFull: too many jobs of this source wait.
            TranscriptionFailed: also the retry failed.
        """
        if utterance.speculation is not None:
            with contextlib.suppress(TranscriptionFailed, Superseded):
                return await utterance.speculation
            self._asking.final(utterance)
        if utterance.asked is None:
            raise QueueFull
        try:
            return await utterance.asked
        except Superseded:
            raise TranscriptionFailed("the session was ended") from None

    def _finalise(self, utterance: Utterance, end: int, hypothesis: Hypothesis) -> None:
        self._asking.learn(hypothesis)
        words = utterance.finish(hypothesis, end)
        if not words:
            self.ledger.silence(utterance.start, end)
            if utterance.deferred:
                self._emit(Gap(self.source, utterance.start, end, NO_SPEECH, GapStatus.SILENCE))
            withdrawal = utterance.withdrawal(self._clock)
            if withdrawal is not None:
                self._emit(withdrawal)
            return
        segment = self._segment(utterance, words, end, hypothesis)
        self.ledger.transcribe(utterance.start, end)
        self._metrics.words.inc(len(segment.words))
        if utterance.hasty:
            self._haste.note(segment)
        if not utterance.deferred:
            self._metrics.final_seconds.observe(time.monotonic() - utterance.decided_at)
            self._lag.shown(end)
        self._emit(Final(segment))

    def _segment(
        self, utterance: Utterance, words: list[HypothesisWord], end: int, hypothesis: Hypothesis
    ) -> Segment:
        """The words of an utterance in their place; what comes next has them as left context."""
        vague = not hypothesis.words
        self._context.note(utterance.start, words, deferred=utterance.deferred, vague=vague)
        language = hypothesis.language or self._asking.language
        return utterance.segment(words, end, self._clock, language)

    def _shed(self, utterance: Utterance, reason: str) -> None:
        assert utterance.end is not None
        if utterance.last_try and reason == RECOGNISER_FAILED:
            self._listener.lose(utterance.start, utterance.end, reason)
            return
        self.shed.append((utterance.start, utterance.end))
        if not utterance.deferred:
            self._emit(Gap(self.source, utterance.start, utterance.end, reason, GapStatus.PENDING))
