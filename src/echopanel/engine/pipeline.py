"""One source: frames -> endpoints -> jobs -> words -> events."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from echopanel.asr.provider import DecodeOptions, Hypothesis
from echopanel.asr.vad import VadStream
from echopanel.audio import AudioFrame, Chunk, Source, pcm16_to_float, to_samples, to_seconds
from echopanel.engine.buffer import AudioBuffer
from echopanel.engine.metrics import Metrics
from echopanel.engine.recogniser import QueueFull, Recogniser, Request, Superseded
from echopanel.engine.recovery import Past, Range, rebuild_ledger
from echopanel.engine.signal import Signal
from echopanel.engine.utterance import Utterance
from echopanel.errors import TranscriptionFailed
from echopanel.policy.clock import SessionClock
from echopanel.policy.endpoint import (
    Endpointer,
    EndpointEvent,
    EndpointSettings,
    EndReason,
    SpeechEnded,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from echopanel.policy.ledger import Ledger
from echopanel.policy.scheduler import JobKind
from echopanel.transcript import Final, Gap, GapStatus, Partial

RECOGNISER_FAILED = "recogniser_failed"
# Less audio than this says nothing yet.
MIN_PARTIAL_S = 0.4


@dataclass(frozen=True, slots=True)
class Trouble:
    """The recogniser failed twice on a range; the client is told."""

    source: Source
    message: str


Event = Partial | Final | Gap | Trouble


@dataclass(frozen=True, slots=True)
class Pace:
    """How eagerly the engine works just now; replaced as a whole when the load changes."""

    interval_s: float
    speculate: bool


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """What a session asked for."""

    decode: DecodeOptions
    partials: bool = True


class Pipeline:
    """Turns one source's audio into events, in order. Lives on the event loop.

    The voice activity detector runs here too, on the loop: a 100 ms frame costs it well under a millisecond,
    less than handing it to a thread and back.
    """

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
        self.ledger = Ledger()
        self.shed: list[Range] = []
        self.progressed = Signal()
        self._options = options
        self._recogniser = recogniser
        self._vad = vad
        self._endpointer = Endpointer(endpoint)
        self._clock = clock
        self._metrics = metrics
        self._pace = pace
        self._emit = emit
        self._buffer = AudioBuffer()
        self._silent_from = 0
        self._open: Utterance | None = None
        self._count = 0
        self._arrivals: deque[tuple[int, float]] = deque(maxlen=600)
        self._lag_s: float | None = None
        self._closing: asyncio.Queue[Utterance] = asyncio.Queue()
        self._announced: frozenset[Range] = frozenset()
        self._repairing = asyncio.Lock()

    def __repr__(self) -> str:
        state = f"speaking since {self._open.start}" if self._open else "silent"
        return f"<Pipeline {self.session}/{self.source} at {self.end} [{state}, {self.closing} closing]>"

    @property
    def end(self) -> int:
        """Sample index behind the newest sample taken."""
        return self._buffer.end

    @property
    def closing(self) -> int:
        """Utterances that have ended and are not final yet."""
        return self._closing.qsize()

    @property
    def handled(self) -> int:
        """Sample index before which nothing waits; what was put off does not hold up what came behind it."""
        for start, end in self.ledger.pending_ranges():
            position = start
            for first, last in sorted(self.shed):
                if first <= position:
                    position = max(position, last)
            if position < end:
                return position
        return self.ledger.end

    @property
    def lag_s(self) -> float | None:
        """Arrival of the newest shown audio until it was shown."""
        return self._lag_s

    # --- audio in -----------------------------------------------------------------------------

    def feed(self, frame: AudioFrame) -> None:
        """Take a frame that begins at or behind `end`; what lies between is a hole."""
        if frame.start > self.end:
            self._hole(frame)
        self._clock.observe(self.source, frame.start, frame.captured_ms)
        self._buffer.append(frame.pcm)
        self.ledger.receive(frame.start, frame.end)
        self._arrivals.append((frame.end, time.monotonic()))
        for probability in self._vad.push(pcm16_to_float(frame.pcm)):
            self._handle(self._endpointer.push(float(probability)))
        self._settle_silence(self._endpointer.silent_until)
        self._ask_for_partial()

    def restore(self, past: Past) -> None:
        """Go on behind the last final of an earlier process; feed it what the journal has from there."""
        self.ledger, self.shed = rebuild_ledger(past)
        self._count = past.count
        self._announced = frozenset(past.losses)
        for segment in past.finals[-1:]:
            # One final tells where the source stands on the session clock.
            self._clock.place(self.source, segment.start_sample, segment.start)
        self._restart(past.done)

    async def flush(self) -> None:
        """Close an open utterance here and wait until all audio taken so far is final."""
        self._cut()
        await self._closing.join()

    def lose_until(self, sample: int, reason: str) -> None:
        """Audio up to `sample` was captured but never came."""
        if sample > self.end:
            self._cut()
            self._lost(self.end, sample, reason)
            self._restart(sample)

    async def run(self) -> None:
        """Emit finals in order, until cancelled."""
        while True:
            utterance = await self._closing.get()
            try:
                await self._finish(utterance)
            finally:
                self._closing.task_done()
                self.progressed.notify()

    async def repair(self, read: Callable[[int, int], Awaitable[bytes]]) -> None:
        """Recognise what was put off, one range after the other; `read` has its audio.

        What fails once more is lost, because it would fail for ever; what finds no room is put off again.
        Whoever calls this while another call is under way waits for that one first.
        """
        async with self._repairing:
            for _ in range(len(self.shed)):
                start, end = self.shed[0]
                pcm = await read(start, end)
                del self.shed[0]
                self._count += 1
                utterance = Utterance(f"{self.source}-{self._count}", self.source, start, end, deferred=True)
                utterance.decided_at = time.monotonic()
                utterance.chunk = Chunk(self.source, start, pcm16_to_float(pcm))
                utterance.asked = self._ask_final(utterance)
                self._closing.put_nowait(utterance)
                await self._closing.join()

    # --- holes and cuts -------------------------------------------------------------------------

    def _hole(self, frame: AudioFrame) -> None:
        self._cut()
        if frame.skipped:
            self.ledger.skip(self.end, frame.start)
        else:
            self._lost(self.end, frame.start, "not_received")
        self._restart(frame.start)

    def _lost(self, start: int, end: int, reason: str) -> None:
        self.ledger.lose(start, end, reason)
        if (start, end) in self._announced:
            return
        self._metrics.dropped_samples.labels(reason).inc(end - start)
        self._emit(Gap(self.source, start, end, reason, GapStatus.LOST))

    def _cut(self) -> None:
        """End whatever is open at the newest sample and let the detector start afresh behind it."""
        self._handle(self._endpointer.flush())
        self._settle_silence(self.end)
        self._vad.reset()
        self._endpointer.skip_to(self.end)

    def _restart(self, sample: int) -> None:
        self._buffer.restart(sample)
        self._endpointer.skip_to(sample)
        self._silent_from = sample

    def _settle_silence(self, until: int) -> None:
        """What is outside utterances before `until` is silence; its audio is not needed any more."""
        if self._open is None:
            until = min(until, self.end)
            if until > self._silent_from:
                self.ledger.silence(self._silent_from, until)
                self._silent_from = until
        self._buffer.drop_before(self._open.start if self._open else self._silent_from)

    # --- endpoints -------------------------------------------------------------------------------

    def _handle(self, events: list[EndpointEvent]) -> None:
        for event in events:
            match event:
                case SpeechStarted(at):
                    self._started(at)
                case SpeechPaused():
                    self._paused()
                case SpeechResumed():
                    self._resumed()
                case SpeechEnded(at, reason):
                    # The detector has not seen the last samples of less than a window; they belong to it.
                    self._ended(self.end if reason is EndReason.FLUSH else at)

    def _started(self, at: int) -> None:
        self._settle_silence(at)
        self._count += 1
        self._open = Utterance(f"{self.source}-{self._count}", self.source, at, covered=at)

    def _paused(self) -> None:
        """Decode now what may be all of it: if it is, the final is there when the endpoint comes."""
        utterance = self._opened()
        utterance.paused = True
        if self._pace().speculate and self._recogniser.queued(self.session, self.source) == 0:
            utterance.speculation = self._ask_speculative(utterance)

    def _resumed(self) -> None:
        utterance = self._opened()
        utterance.paused = False
        utterance.speculation = None

    def _ended(self, at: int) -> None:
        utterance = self._opened()
        utterance.end = at
        utterance.chunk = self._chunk(utterance, at)
        utterance.decided_at = time.monotonic()
        self._open = None
        self._silent_from = at
        speculation = utterance.speculation
        started = self._recogniser.queued(self.session, self.source) == 0
        if speculation is None or not (speculation.done() or started):
            utterance.speculation = None
            utterance.asked = self._ask_final(utterance)
        self._closing.put_nowait(utterance)

    def _opened(self) -> Utterance:
        assert self._open is not None, "the endpointer ends only what it started"
        return self._open

    # --- jobs -------------------------------------------------------------------------------------

    def _ask_for_partial(self) -> None:
        utterance = self._open
        if utterance is None or utterance.paused or not self._options.partials:
            return
        if utterance.asked is not None and not utterance.asked.done():
            return
        fresh = self.end - utterance.covered
        if fresh >= to_samples(self._pace().interval_s) and self.end - utterance.start >= to_samples(
            MIN_PARTIAL_S
        ):
            self._submit(utterance, JobKind.PARTIAL, lambda: self._newest(utterance))

    def _ask_speculative(self, utterance: Utterance) -> asyncio.Future[Hypothesis] | None:
        utterance.covered = self.end
        chunk, options = self._chunk(utterance, self.end), self._decode_options(utterance, final=True)
        return self._submit(utterance, JobKind.PARTIAL, lambda: (chunk, options))

    def _ask_final(self, utterance: Utterance) -> asyncio.Future[Hypothesis] | None:
        chunk, options = utterance.chunk, self._decode_options(utterance, final=True)
        assert chunk is not None
        return self._submit(utterance, JobKind.FINAL, lambda: (chunk, options))

    def _submit(
        self, utterance: Utterance, kind: JobKind, take: Callable[[], tuple[Chunk, DecodeOptions]]
    ) -> asyncio.Future[Hypothesis] | None:
        end = self.end if utterance.end is None else utterance.end
        seconds = to_seconds(end - utterance.start)
        try:
            future = self._recogniser.submit(Request(self.session, self.source, kind, seconds, take))
        except QueueFull:
            return None
        utterance.asked = future
        future.add_done_callback(lambda done: self._heard(utterance, done))
        return future

    def _newest(self, utterance: Utterance) -> tuple[Chunk, DecodeOptions]:
        """The utterance as it is when its turn comes: late, but never stale."""
        utterance.covered = self.end
        return self._chunk(utterance, self.end), self._decode_options(utterance, final=False)

    def _chunk(self, utterance: Utterance, end: int) -> Chunk:
        return Chunk(self.source, utterance.start, self._buffer.read(utterance.start, end))

    def _decode_options(self, utterance: Utterance, *, final: bool) -> DecodeOptions:
        prefix = utterance.agreement.stable_text
        return replace(self._options.decode, prefix=prefix, word_timestamps=final, final=final)

    # --- text out -----------------------------------------------------------------------------------

    def _heard(self, utterance: Utterance, done: asyncio.Future[Hypothesis]) -> None:
        """A decode came back while the utterance is open: show it."""
        if done.cancelled() or done.exception() is not None or utterance.end is not None:
            return
        hypothesis = done.result()
        self._learn_language(hypothesis)
        changed = utterance.agreement.changes
        partial = utterance.partial(hypothesis, utterance.covered, self._clock)
        self._metrics.tail_changes.inc(utterance.agreement.changes - changed)
        if partial is not None and self._options.partials:
            self._emit(partial)
            self._note_lag(utterance.covered, self._metrics.shown_seconds.observe)

    async def _finish(self, utterance: Utterance) -> None:
        assert utterance.end is not None
        try:
            hypothesis = await self._final(utterance)
        except QueueFull:
            self._shed(utterance, "backlog_full")
        except TranscriptionFailed as error:
            self._emit(Trouble(self.source, str(error)))
            self._shed(utterance, RECOGNISER_FAILED)
        else:
            self._finalise(utterance, utterance.end, hypothesis)

    async def _final(self, utterance: Utterance) -> Hypothesis:
        """The speculative decode when it held and worked, else the final one.

        Raises:
            QueueFull: too many jobs of this source wait.
            TranscriptionFailed: also the retry failed.
        """
        if utterance.speculation is not None:
            with contextlib.suppress(TranscriptionFailed, Superseded):
                return await utterance.speculation
            utterance.asked = self._ask_final(utterance)
        if utterance.asked is None:
            raise QueueFull
        try:
            return await utterance.asked
        except Superseded:
            raise TranscriptionFailed("the session was ended") from None

    def _finalise(self, utterance: Utterance, end: int, hypothesis: Hypothesis) -> None:
        self._learn_language(hypothesis)
        segment = utterance.segment(hypothesis, end, self._clock, self._options.decode.language)
        if segment is None:
            self.ledger.silence(utterance.start, end)
            withdrawal = utterance.withdrawal(self._clock)
            if withdrawal is not None:
                self._emit(withdrawal)
            return
        self.ledger.transcribe(utterance.start, end)
        self._metrics.words.inc(len(segment.words))
        self._metrics.final_seconds.observe(time.monotonic() - utterance.decided_at)
        self._note_lag(end)
        self._emit(Final(segment))

    def _shed(self, utterance: Utterance, reason: str) -> None:
        assert utterance.end is not None
        if utterance.deferred and reason == RECOGNISER_FAILED:
            self._lost(utterance.start, utterance.end, reason)
            return
        self.shed.append((utterance.start, utterance.end))
        if not utterance.deferred:
            self._emit(Gap(self.source, utterance.start, utterance.end, reason, GapStatus.PENDING))

    def _learn_language(self, hypothesis: Hypothesis) -> None:
        """What was detected once holds for the source."""
        decode = self._options.decode
        if decode.language is None and hypothesis.text and hypothesis.language:
            self._options = replace(self._options, decode=replace(decode, language=hypothesis.language))

    def _note_lag(self, sample: int, observe: Callable[[float], None] | None = None) -> None:
        arrived = next((at for end, at in self._arrivals if end >= sample), None)
        if arrived is not None:
            self._lag_s = time.monotonic() - arrived
            if observe is not None:
                observe(self._lag_s)
