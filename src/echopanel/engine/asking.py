"""What one source asks of the recogniser: which audio, with what before it, and how thoroughly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from echopanel.asr.provider import Hypothesis
from echopanel.audio import Chunk, Source, to_seconds
from echopanel.engine.excerpt import Excerpt, newest, whole
from echopanel.engine.lead import Lead, LeftContext, needed
from echopanel.engine.listener import Listener
from echopanel.engine.options import PipelineOptions
from echopanel.engine.pace import UNHURRIED, Pace
from echopanel.engine.recogniser import QueueFull, Recogniser, Request
from echopanel.engine.utterance import Utterance
from echopanel.errors import TranscriptionFailed
from echopanel.policy.scheduler import JobKind

Answer = asyncio.Future[Hypothesis]


class Asking:
    """The jobs of one source.

    `heard` is told of each answer, `retrying` of a failure that is tried again; `context` has the words
    before an utterance. What was asked for last is `utterance.asked`, None where the queue had no room.
    """

    def __init__(
        self,
        session: str,
        listener: Listener,
        options: PipelineOptions,
        *,
        recogniser: Recogniser,
        context: LeftContext,
        pace: Callable[[], Pace],
        heard: Callable[[Utterance, Answer], None],
        retrying: Callable[[TranscriptionFailed], None],
    ) -> None:
        self._session = session
        self._listener = listener
        self._decode = options.decode
        # Nobody waits for the text of a recording, and bleed is recognised by the times of words.
        self._timed = not (options.partials and options.alone)
        self._recogniser = recogniser
        self._context = context
        self._pace = pace
        self._heard = heard
        self._retrying = retrying

    def __repr__(self) -> str:
        return f"<Asking for {self._session}/{self._source} [{self.queued} queued]>"

    @property
    def _source(self) -> Source:
        return self._listener.source

    @property
    def queued(self) -> int:
        """Jobs of this source that wait."""
        return self._recogniser.queued(self._session, self._source)

    @property
    def language(self) -> str | None:
        """What is spoken, if that is known."""
        return self._decode.language

    def learn(self, hypothesis: Hypothesis) -> None:
        """What was detected once holds for the source."""
        if self._decode.language is None and hypothesis.text and hypothesis.language:
            self._decode = replace(self._decode, language=hypothesis.language)

    def partial(self, utterance: Utterance) -> None:
        """The text so far of an open utterance."""
        self._submit(utterance, JobKind.PARTIAL, lambda: self._newest(utterance))

    def speculative(self, utterance: Utterance, at: int) -> Answer | None:
        """The text up to a pause, which may be all of it."""
        # Of audio that comes in bursts, more is there already: what the next speaker said.
        utterance.covered = at
        audio = self._listener.chunk(utterance.start, at)
        return self._submit(utterance, JobKind.PARTIAL, lambda: self._decisive(utterance, audio))

    def final(self, utterance: Utterance) -> None:
        """The text of an utterance that is over."""
        audio = utterance.chunk
        assert audio is not None, "a final is asked for when the end is known"
        kind = JobKind.DEFERRED if utterance.deferred else JobKind.FINAL
        self._submit(utterance, kind, lambda: self._decisive(utterance, audio))

    def _submit(self, utterance: Utterance, kind: JobKind, take: Callable[[], Excerpt]) -> Answer | None:
        end = self._listener.end if utterance.end is None else utterance.end
        partly = kind is JobKind.PARTIAL and utterance.previewable(end)
        seconds = to_seconds(end - (utterance.cut if partly else utterance.start))
        utterance.asked = None
        try:
            answer = self._recogniser.submit(
                Request(self._session, self._source, kind, seconds, take, self.language, self._retrying)
            )
        except QueueFull:
            return None
        utterance.asked = answer
        answer.add_done_callback(lambda done: self._heard(utterance, done))
        return answer

    def _newest(self, utterance: Utterance) -> Excerpt:
        """The utterance as it is when its turn comes: late, but never stale."""
        utterance.covered = self._listener.end
        audio = self._listener.chunk(utterance.start, utterance.covered)
        pace = self._pace()

        def lead() -> Lead | None:
            return self._lead(utterance, audio, pace.partial_lead_s, pace.short_s)

        return newest(audio, utterance, lead, self._decode, pace)

    def _decisive(self, utterance: Utterance, audio: Chunk) -> Excerpt:
        pace = UNHURRIED if utterance.deferred else self._pace()
        utterance.hasty = not pace.best
        timed = pace.timed or self._timed
        options = replace(self._decode, word_timestamps=timed, final=True, beam_size=pace.beam_size)
        lead = self._lead(utterance, audio, pace.lead_s, pace.short_s)
        return whole(audio, utterance.start, lead, options)

    def _lead(self, utterance: Utterance, audio: Chunk, most_s: float, short_s: float) -> Lead | None:
        utterance.led = False
        if utterance.alone:
            return None
        oldest = max(audio.start, self._listener.ledger.unknown_until(utterance.start))
        seconds = needed(to_seconds(audio.end - utterance.start), most_s, short_s)
        lead = self._context.before(utterance.start, oldest, seconds, deferred=utterance.deferred)
        utterance.led = lead is not None
        return lead
