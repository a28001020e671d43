"""Recognising recorded audio as fast as the machine can, through the same pipeline as live audio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace

from echopanel.asr.provider import DecodeOptions
from echopanel.audio import SAMPLE_RATE, AudioFrame, Samples, Source, float_to_pcm16, to_seconds
from echopanel.engine.engine import Engine
from echopanel.engine.events import Event, Trouble
from echopanel.engine.options import PipelineOptions
from echopanel.errors import TranscriptionFailed
from echopanel.policy.clock import SessionClock
from echopanel.transcript import Coverage, Final, Gap, Transcript

SESSION = "offline"
FRAME_SAMPLES = SAMPLE_RATE // 2
# So many utterances ahead of the text keep all workers in full batches, without a whole file in memory.
MAX_CLOSING = 32
PATIENCE_S = 1.0

Progress = Callable[[float], None]


async def transcribe(
    engine: Engine,
    blocks: Iterable[Samples],
    options: DecodeOptions,
    on_progress: Progress = lambda _: None,
) -> Transcript:
    """Recognise one recording with a started engine.

    Args:
        blocks: float32 mono 16 kHz, each of shape (n,), any n; read in a thread.
        on_progress: told the seconds that have become text or silence.

    Raises:
        TranscriptionFailed: the recogniser failed twice on the same stretch.
    """
    events: list[Event] = []
    pipeline = engine.pipeline(
        SESSION, Source.MIC, PipelineOptions(options, partials=False), SessionClock(), events.append
    )
    running = asyncio.create_task(pipeline.run())
    try:
        async for frame in read_frames(blocks):
            pipeline.feed(frame)
            while pipeline.closing > MAX_CLOSING:
                await pipeline.progressed.wait(PATIENCE_S)
            on_progress(to_seconds(pipeline.ledger.handled))
        await pipeline.flush()
    finally:
        running.cancel()
    on_progress(to_seconds(pipeline.end))
    return to_transcript(events, pipeline.ledger.coverage(), engine, options)


async def read_frames(blocks: Iterable[Samples]) -> AsyncIterator[AudioFrame]:
    """Cut blocks into frames; the blocks come out of a thread, because decoding a file takes its time."""
    iterator = iter(blocks)
    start = 0
    while (block := await asyncio.to_thread(next, iterator, None)) is not None:
        for first in range(0, len(block), FRAME_SAMPLES):
            pcm = float_to_pcm16(block[first : first + FRAME_SAMPLES])
            yield AudioFrame(Source.MIC, start, pcm)
            start += len(block[first : first + FRAME_SAMPLES])


def to_transcript(
    events: Iterable[Event], coverage: Coverage, engine: Engine, options: DecodeOptions
) -> Transcript:
    """Fold what happened into a transcript."""
    happened = list(events)
    for event in happened:
        if isinstance(event, Trouble) and event.given_up:
            raise TranscriptionFailed(event.message)
    kept = (event for event in happened if isinstance(event, Final | Gap))
    model = engine.settings.model
    return replace(
        Transcript.fold(kept),
        language=options.language,
        provider=model.provider,
        model=model.name,
        coverage={Source.MIC: coverage},
    )
