"""The audio side of one source: frames in, endpoints out, and the account of silence and holes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from echopanel.asr.silero import WINDOW
from echopanel.asr.vad import VadStream
from echopanel.audio import SAMPLE_BYTES, AudioFrame, Chunk, Source, pcm16_to_float, to_samples
from echopanel.engine.buffer import AudioBuffer
from echopanel.engine.lead import LEAD_S
from echopanel.engine.recovery import Past, Range, rebuild_ledger
from echopanel.policy.clock import SessionClock
from echopanel.policy.endpoint import (
    Endpointer,
    EndpointEvent,
    EndpointSettings,
    EndReason,
    Hurry,
    SpeechEnded,
    SpeechStarted,
)
from echopanel.policy.ledger import Ledger

LEAD = to_samples(LEAD_S)

OnEndpoint = Callable[[EndpointEvent], None]
OnLoss = Callable[[int, int, str], None]


class Listener:
    """Holds the audio that is still needed, and hears who begins and stops to speak.

    The voice activity detector runs on the event loop: a 100 ms frame costs it well under a millisecond, less
    than handing it to a thread and back.
    """

    def __init__(
        self,
        source: Source,
        vad: VadStream,
        endpoint: EndpointSettings,
        clock: SessionClock,
        *,
        on_endpoint: OnEndpoint,
        on_loss: OnLoss,
    ) -> None:
        self.source = source
        self.ledger = Ledger()
        self._vad = vad
        self._endpointer = Endpointer(endpoint)
        self._clock = clock
        self._on_endpoint = on_endpoint
        self._on_loss = on_loss
        self._buffer = AudioBuffer()
        self._scored = 0  # sample behind the newest window that the detector has seen
        self._silent_from = 0
        self._speaking_from: int | None = None
        self._announced: frozenset[Range] = frozenset()
        self._floor = 0

    def __repr__(self) -> str:
        state = "silent" if self._speaking_from is None else f"speaking since {self._speaking_from}"
        return f"<Listener {self.source} at {self.end} [{state}]>"

    @property
    def end(self) -> int:
        """Sample index behind the newest sample taken."""
        return self._buffer.end

    @property
    def scored(self) -> int:
        """Sample index behind the newest window that the detector has seen."""
        return self._scored

    @property
    def speaking_s(self) -> float:
        """Seconds that somebody has been speaking without a pause."""
        return self._endpointer.open_s

    def hurry(self, hurry: Hurry) -> None:
        """How short utterances had better be."""
        self._endpointer.hurry = hurry

    def feed(self, frame: AudioFrame) -> None:
        """Take a frame that begins at or behind `end`; what lies between is a hole."""
        if frame.start > self.end:
            self._hole(frame)
        self._clock.observe(self.source, frame.start, frame.captured_ms)
        self._buffer.append(frame.pcm)
        self.ledger.receive(frame.start, frame.end)
        self._detect(frame.pcm)
        self._settle(self._endpointer.silent_until)

    def chunk(self, start: int, end: int) -> Chunk:
        """The samples [start, end) of an utterance that is open or ends just now, and its lead."""
        first = max(self._buffer.start, start - LEAD)
        return Chunk(self.source, first, self._buffer.read(first, end))

    def cut(self) -> None:
        """End whatever is open at the newest sample, and let the detector start afresh behind it."""
        self._handle(self._endpointer.flush())
        self._settle(self.end)
        self._vad.reset()
        self._endpointer.skip_to(self.end)
        self._scored = self.end

    def advance(self, sample: int) -> None:
        """What was said before `sample` has been taken out; the open utterance goes on from there."""
        self._speaking_from = self._floor = sample

    def lose_until(self, sample: int, reason: str) -> None:
        """Audio up to `sample` was captured but never came."""
        if sample > self.end:
            self.cut()
            self.lose(self.end, sample, reason)
            self._restart(sample)

    def lose(self, start: int, end: int, reason: str) -> None:
        """A range can never become text; said once, even over a restart of the server."""
        self.ledger.lose(start, end, reason)
        if (start, end) not in self._announced:
            self._on_loss(start, end, reason)

    def restore(self, past: Past, context: bytes) -> list[Range]:
        """Go on behind the last final of an earlier process; returns what was put off before it.

        `context` is the s16le audio right before it: the detector hears as if it had never stopped, and the
        next utterance has its lead.
        """
        self.ledger, waiting = rebuild_ledger(past)
        self._announced = frozenset(past.losses)
        self._restart(past.done - len(context) // SAMPLE_BYTES)
        self._buffer.append(context)
        self._scored += WINDOW * len(self._vad.push(pcm16_to_float(context)))
        self._silent_from = past.done
        self._endpointer.skip_to(self._scored, floor=past.done)
        return waiting

    def _detect(self, pcm: bytes) -> None:
        probabilities = self._vad.push(pcm16_to_float(pcm))
        scored = self._scored + WINDOW * len(probabilities)
        windows = self._buffer.read(self._scored, scored).reshape(-1, WINDOW)
        self._scored = scored
        for probability, energy in zip(probabilities, np.square(windows).mean(axis=1), strict=True):
            self._handle(self._endpointer.push(float(probability), float(energy)))

    def _hole(self, frame: AudioFrame) -> None:
        self.cut()
        if frame.skipped:
            self.ledger.skip(self.end, frame.start)
        else:
            self.lose(self.end, frame.start, "not_received")
        self._restart(frame.start)

    def _restart(self, sample: int) -> None:
        self._buffer.restart(sample)
        self._endpointer.skip_to(sample)
        self._silent_from = self._scored = sample

    def _handle(self, events: list[EndpointEvent]) -> None:
        for event in events:
            match event:
                case SpeechStarted(at):
                    self._settle(at)
                    self._speaking_from = at
                case SpeechEnded(at, reason):
                    # The detector has not seen the last samples of less than a window; they belong to it.
                    end = self.end if reason is EndReason.FLUSH else max(at, self._floor)
                    self._speaking_from, self._silent_from = None, end
                    self._on_endpoint(SpeechEnded(end, reason))
                    continue
            self._on_endpoint(event)

    def _settle(self, until: int) -> None:
        """What is outside utterances before `until` is silence; of old audio only the lead is needed."""
        if self._speaking_from is not None:
            self._buffer.drop_before(self._speaking_from - LEAD)
            return
        until = min(until, self.end)
        if until > self._silent_from:
            self.ledger.silence(self._silent_from, until)
            self._silent_from = until
        # Windows that were not scored yet are still to be read.
        self._buffer.drop_before(min(self._silent_from, self._scored) - LEAD)
