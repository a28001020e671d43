"""The fallback model in place of a broken stream: utterances in pieces, through the queue of all jobs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from echopanel.asr.provider import Hypothesis
from echopanel.audio import Chunk, to_samples, to_seconds
from echopanel.engine.excerpt import whole
from echopanel.engine.lineup import Lineup
from echopanel.engine.options import PipelineOptions
from echopanel.engine.pace import Pace
from echopanel.engine.recogniser import QueueFull, Recogniser, Request, Superseded
from echopanel.engine.speech import Speech
from echopanel.errors import Busy, TranscriptionFailed
from echopanel.policy.scheduler import JobKind

# How often to look whether there is more to recognise.
LOOK_S = 0.2


class StandIn:
    """What recognises for one source while its stream cannot.

    `late_s`: a stream that does not answer for so many seconds hangs.
    """

    def __init__(
        self,
        session: str,
        options: PipelineOptions,
        recogniser: Recogniser,
        lineup: Lineup,
        pace: Callable[[], Pace],
        late_s: float,
    ) -> None:
        self.late_s = late_s
        self._session = session
        self._options = options
        self._recogniser = recogniser
        self._lineup = lineup
        self._pace = pace

    def __repr__(self) -> str:
        return f"<StandIn for {self._session} [{'wanted' if self.wanted else 'able' if self.able else '-'}]>"

    @property
    def able(self) -> bool:
        """Whether there is a model that can."""
        return self._lineup.stands_in(self._options.decode.language)

    @property
    def wanted(self) -> bool:
        """Whether streams are not to be tried just now."""
        return self.able and self._lineup.plan.fallback

    def worked(self) -> None:
        """A stream has heard an utterance."""
        if self._lineup.first.ready:
            self._lineup.worked(self._lineup.first.model)

    def failed(self, problem: str, *, hung: bool) -> None:
        """One did not."""
        if self._lineup.first.ready:
            self._lineup.failed(self._lineup.first.model, problem, hung=hung)

    async def hear(self, speech: Speech, on_text: Callable[[str, float], None]) -> Hypothesis:
        """The text of an utterance, once that is over; meanwhile `on_text` is told of what there is.

        Raises:
            Busy: the source has too many jobs waiting.
            TranscriptionFailed: this model fails too.
        """
        start = heard = speech.utterance.start
        while not speech.over:
            if not self._options.partials or speech.limit - heard < to_samples(self._pace().interval_s):
                await speech.grown.wait(LOOK_S)
                continue
            heard = speech.limit
            with suppress(TranscriptionFailed, QueueFull, Superseded):
                hypothesis = await self._ask(speech, JobKind.PARTIAL, heard)
                on_text(hypothesis.text, to_seconds(heard - start))
        assert speech.utterance.end is not None, "it is over"
        kind = JobKind.DEFERRED if speech.utterance.deferred else JobKind.FINAL
        try:
            return await self._ask(speech, kind, speech.utterance.end)
        except QueueFull:
            raise Busy("too much speech waits for the fallback model") from None
        except Superseded:
            raise TranscriptionFailed("the session was ended") from None

    async def _ask(self, speech: Speech, kind: JobKind, end: int) -> Hypothesis:
        utterance, final = speech.utterance, kind is not JobKind.PARTIAL
        chunk = Chunk(utterance.source, utterance.start, speech.read(utterance.start, end))
        options = replace(
            self._options.decode,
            word_timestamps=final,
            final=final,
            beam_size=self._pace().beam_size if final else 1,
        )
        excerpt = whole(chunk, utterance.start, None, options)
        request = Request(
            self._session, utterance.source, kind, chunk.seconds, lambda: excerpt, options.language
        )
        return await self._recogniser.submit(request)
