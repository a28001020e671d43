"""A recorded session recognised once more, with all the time there is; the same audio gives the same text.

One stretch of speech after the other, each alone in its call, with the best search and the full left context:
nothing depends on how fast the machine is or what else it does. Stretches are as long as the model can hear,
because nobody waits for their end; the text is cut into utterances where somebody paused.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from echopanel.asr.provider import Model, ModelSpec
from echopanel.asr.vad import SileroVad
from echopanel.audio import AudioFrame, Source, to_seconds
from echopanel.engine.bleed import REMEMBER_S
from echopanel.engine.events import Event, Trouble
from echopanel.engine.metrics import Metrics
from echopanel.engine.models import ModelHost
from echopanel.engine.options import PipelineOptions
from echopanel.engine.pace import UNHURRIED
from echopanel.engine.pipeline import Pipeline
from echopanel.engine.recogniser import Recogniser
from echopanel.errors import NoRecording, SessionRunning, TranscriptionFailed
from echopanel.policy.bleed import Bleed
from echopanel.policy.clock import SessionClock
from echopanel.policy.endpoint import EndpointSettings
from echopanel.policy.load import LoadMeter
from echopanel.policy.merging import Range, at_pauses, on_session_clock
from echopanel.policy.scheduler import JobKind, Scheduler, SchedulerSettings
from echopanel.store.archive import Archive
from echopanel.store.recording import Recording, read_recording
from echopanel.store.transcripts import SessionState, TranscriptStore
from echopanel.transcript import Final, Refined, Segment, Transcript

NAME = "second pass"
STRETCH = EndpointSettings(max_utterance_s=25.0, soft_max_s=18.0, soft_silence_s=0.3, min_silence_s=1.0)
# As long as a pause that ends an utterance of live audio.
PAUSE_S = EndpointSettings().min_silence_s
STUCK_AFTER_S = 60.0
LOOK_S = 1.0

Turn = Callable[[], Awaitable[None]]
Progress = Callable[[float], None]


async def no_waiting() -> None:
    """The turn of somebody who has the machine to himself."""


@dataclass(frozen=True, slots=True)
class SecondPass:
    """What to do: the recordings of a session, its live transcript, and how to recognise them."""

    recordings: Sequence[Recording]
    live: Transcript
    spec: ModelSpec
    options: PipelineOptions

    async def run(
        self,
        host: ModelHost,
        vad: SileroVad,
        turn: Turn = no_waiting,
        on_progress: Progress = lambda _: None,
    ) -> Refined:
        """Recognise all recordings.

        Args:
            host: the loaded model.
            vad: finds the speech.
            turn: awaited before each piece of audio; it may take its time.
            on_progress: told the seconds that have been heard, of all recordings together.

        Raises:
            AudioError: a recording cannot be read.
            TranscriptionFailed: the recogniser failed twice on the same utterance.
        """
        segments: list[Segment] = []
        heard: dict[Source, tuple[Range, ...]] = {}
        before = 0.0
        for recording in self.recordings:
            listening = _Listening(recording, self.options, host, vad)
            async with listening.running():
                async for seconds in listening.hear(turn):
                    on_progress(before + seconds)
            before += to_seconds(listening.pipeline.end)
            segments += listening.segments()
            heard[recording.source] = tuple(listening.heard)
        placed = await asyncio.to_thread(_placed, segments, self.live)
        return Refined(datetime.now(UTC), self.spec.provider, self.spec.name, placed, heard)


def plan(store: TranscriptStore, archive: Archive, session: str, spec: ModelSpec) -> SecondPass:
    """What a second pass over a session has to do. Blocking.

    Raises:
        UnknownSession, SessionRunning, NoRecording: there is nothing to be done.
        StoreError: the disk does not do its part.
    """
    record, wishes = store.session(session), store.resume(session)
    if record.state is SessionState.LIVE:
        raise SessionRunning(session, "stop it first")
    if record.state is SessionState.COMPLETING:
        raise SessionRunning(session, "come back when what is pending has become text")
    recordings = archive.find(session)
    if not recordings:
        raise NoRecording(session)
    prompt, hotwords = (wishes.prompt, wishes.hotwords) if wishes else ("", "")
    live = store.transcript(session)
    language = record.language or spoken_language(live)
    options = PipelineOptions.of(language, prompt, hotwords, partials=False)
    return SecondPass(recordings, live, spec, options)


def spoken_language(live: Transcript) -> str | None:
    """The language of most words of a transcript, if it has any: one short utterance alone may mislead."""
    counts: Counter[str] = Counter()
    for segment in live.segments:
        if segment.language:
            counts[segment.language] += len(segment.text.split())
    return max(sorted(counts), key=counts.__getitem__, default=None)


class _OnlyModel:
    """All jobs go to one model; what it fails at is for the caller to see."""

    waiting = False
    max_batch = 1

    def __init__(self, host: ModelHost) -> None:
        self._host = host

    def pick(self, kind: JobKind, language: str | None) -> Model:  # noqa: ARG002 - as others choose
        """The model, whatever the job."""
        return self._host.model

    def worked(self, model: Model) -> None:
        """Nobody wants to know."""

    def failed(self, model: Model, problem: str, *, hung: bool) -> None:
        """Nothing stands in for it."""


class _Listening:
    """One recording on its way through a pipeline and a queue of its own."""

    def __init__(
        self,
        recording: Recording,
        options: PipelineOptions,
        host: ModelHost,
        vad: SileroVad,
    ) -> None:
        self.heard: list[Range] = []
        self._recording = recording
        self._finals: list[Segment] = []
        self._failure = ""
        self._metrics = Metrics()  # what is measured of live audio must not be mixed with this
        self._recogniser = Recogniser(
            _OnlyModel(host),
            Scheduler(SchedulerSettings(max_running=1, max_batch=1)),
            LoadMeter(1),
            self._metrics,
            workers=1,
            stuck_after_s=STUCK_AFTER_S,
        )
        self.pipeline = Pipeline(
            NAME,
            recording.source,
            PipelineOptions(replace(options.decode, thorough=True), partials=False),
            recogniser=self._recogniser,
            vad=vad.stream(),
            endpoint=STRETCH,
            clock=SessionClock(),
            metrics=self._metrics,
            pace=lambda: UNHURRIED,
            emit=self._take,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Recognise what is heard inside the block."""
        tasks = [asyncio.create_task(self.pipeline.run()), asyncio.create_task(self._look_after())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._recogniser.close()

    async def hear(self, turn: Turn) -> AsyncIterator[float]:
        """Hear it all; yields where the text is, in seconds. No utterance begins before the last is final."""
        pieces = read_recording(self._recording.path)
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            await turn()
            frame = AudioFrame(self._recording.source, piece[0], piece[1], skipped=True)
            self._note(frame)
            self.pipeline.feed(frame)
            await self._settled()
            yield to_seconds(self.pipeline.end)
        await self.pipeline.flush()
        await self._settled()

    async def _settled(self) -> None:
        await self.pipeline.settle()
        if self._failure:
            raise TranscriptionFailed(self._failure)

    async def _look_after(self) -> None:
        """A worker that hangs is replaced, and its utterance tried once more."""
        while True:
            await asyncio.sleep(LOOK_S)
            self._recogniser.check_workers()

    def _note(self, frame: AudioFrame) -> None:
        if self.heard and self.heard[-1][1] == frame.start:
            self.heard[-1] = (self.heard[-1][0], frame.end)
        else:
            self.heard.append((frame.start, frame.end))

    def segments(self) -> list[Segment]:
        """What was said, with ids that no live segment has and times that are sample indices in seconds."""
        pieces = [piece for one in self._finals for piece in at_pauses(one, PAUSE_S)]
        return [replace(one, id=f"{one.source}-second-{number}") for number, one in enumerate(pieces, 1)]

    def _take(self, event: Event) -> None:
        match event:
            case Final(segment):
                self._finals.append(segment)
            case Trouble(given_up=True):
                self._failure = event.message


def _placed(segments: Sequence[Segment], live: Transcript) -> tuple[Segment, ...]:
    """The segments on the session clock, in order, with the bleed of the loudspeakers marked."""
    placed = sorted(
        (on_session_clock(one, live) for one in segments), key=lambda one: (one.start, one.source)
    )
    played = [word for one in placed if one.source is Source.SYSTEM for word in one.words]
    policy = Bleed()
    marked = []
    for segment in placed:
        if segment.source is Source.MIC and segment.words:
            first, last = segment.start - REMEMBER_S, segment.end
            marks = policy.judge(segment.words, [word for word in played if first <= word.start <= last])
            words = tuple(replace(word, bleed=mark) for word, mark in zip(segment.words, marks, strict=True))
            segment = replace(segment, words=words)  # noqa: PLW2901 - the same segment, judged
        marked.append(segment)
    return tuple(marked)
