"""The text of one source, told as events, with the figures about it."""

from __future__ import annotations

import time
from collections.abc import Callable

from echopanel.asr.provider import Hypothesis
from echopanel.audio import Source, to_samples
from echopanel.engine.events import NO_SPEECH, Event, Trouble
from echopanel.engine.lag import Lag
from echopanel.engine.metrics import Metrics
from echopanel.engine.utterance import Utterance
from echopanel.errors import TranscriptionFailed
from echopanel.policy.clock import SessionClock
from echopanel.policy.ledger import Ledger
from echopanel.transcript import Final, Gap, GapStatus


class Captions:
    """What a source has to say. `partials`: somebody reads along."""

    def __init__(
        self,
        source: Source,
        clock: SessionClock,
        metrics: Metrics,
        emit: Callable[[Event], None],
        *,
        partials: bool,
    ) -> None:
        self.source = source
        self.partials = partials
        self.lag = Lag()
        self._clock = clock
        self._metrics = metrics
        self._emit = emit

    def __repr__(self) -> str:
        return f"<Captions of {self.source} {self.lag!r}>"

    def show(self, utterance: Utterance, text: str, until: float) -> None:
        """Tell the text so far, which was said before second `until` of an utterance."""
        shown = utterance.agreement
        if not self.partials or len(text.split()) < len(shown.stable) + len(shown.tail):
            return  # after a failure it is heard again from its start, and nothing vanishes meanwhile
        utterance.covered = utterance.start + to_samples(until)
        partial = utterance.partial(Hypothesis(text), utterance.covered, self._clock)
        if partial is not None:
            self._emit(partial)
            lag = self.lag.shown(utterance.covered)
            if lag is not None:
                self._metrics.shown_seconds.observe(lag)

    def finalise(self, utterance: Utterance, hypothesis: Hypothesis, ledger: Ledger) -> None:
        """Tell and account for the text of an utterance that is over; no words are silence."""
        assert utterance.end is not None, "it is over"
        if hypothesis.doubt:
            self.troubled(f"{hypothesis.doubt}; words may be missing")
        words = utterance.finish(hypothesis, utterance.end)
        if not words:
            ledger.silence(utterance.start, utterance.end)
            if utterance.deferred:
                self._emit(Gap(self.source, utterance.start, utterance.end, NO_SPEECH, GapStatus.SILENCE))
            withdrawal = utterance.withdrawal(self._clock)
            if withdrawal is not None:
                self._emit(withdrawal)
            return
        segment = utterance.segment(words, utterance.end, self._clock, hypothesis.language)
        ledger.transcribe(utterance.start, utterance.end)
        self._metrics.words.inc(len(words))
        self._metrics.final_seconds.observe(time.monotonic() - utterance.decided_at)
        self.lag.shown(utterance.end)
        self._emit(Final(segment))

    def pending(self, start: int, end: int, reason: str) -> None:
        """Tell of a range that will be recognised later."""
        self._emit(Gap(self.source, start, end, reason, GapStatus.PENDING))

    def lost(self, start: int, end: int, reason: str) -> None:
        """Tell of a range that never will."""
        self._metrics.dropped_samples.labels(reason).inc(end - start)
        self._emit(Gap(self.source, start, end, reason, GapStatus.LOST))

    def troubled(self, message: str) -> None:
        """Tell of a failure that is made good."""
        self._metrics.retries.inc()
        self._emit(Trouble(self.source, message, given_up=False))

    def gave_up(self, error: TranscriptionFailed) -> None:
        """Tell of one that is not, for now."""
        self._emit(Trouble(self.source, str(error), given_up=True))
