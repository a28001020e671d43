"""Timing a model on this machine: the calls that live sources cause, on all workers at once.

The figures need real speech: how long a decode takes depends on how much is said. Noise and made-up sounds do
not do, even with a text to force upon them: the model goes on until its budget is spent, or the guards try
again, and either costs two to eight times what speech does.

On a processor the cost of a call is the processor time that it used, not the time that passed: other programs
make the second longer but hardly the first. For any other device it is the time that passed.
"""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace

from echopanel.asr.provider import DecodeOptions, Model, ModelSpec
from echopanel.asr.registry import get_provider
from echopanel.asr.vad import SileroVad
from echopanel.audio import SAMPLE_RATE, Chunk, Samples, Source
from echopanel.engine.health import rss_bytes
from echopanel.engine.models import load_from, timed
from echopanel.engine.pace import Pace
from echopanel.engine.recogniser import BUCKET_S
from echopanel.engine.worker import Batch, call
from echopanel.errors import ConfigError, ModelUnavailable, TranscriptionFailed
from echopanel.policy.capacity import Compute, Costs, Talk, Timing, fit, sources_carried

PARTIAL_LENGTHS = (2.0, 8.0)
FINAL_LENGTHS = (6.0, 14.0)
BATCHES = (1, 4)
# What the engine does when it carries as much as it can: long intervals, in which partials are whole decodes.
BUSY = Pace.at(1.0, Talk().interval_s)
PARTIAL = DecodeOptions(language="en", final=False)
FINAL = DecodeOptions(language="en", word_timestamps=True, beam_size=BUSY.beam_size)
# A call that takes longer than its audio cannot be live; then the rest need not be measured.
HOPELESS_RTF = 1.0
# Whoever uses less of the processor than this lets another process do the work, whose time is not known.
ELSEWHERE = 0.02
# Workers that had less of their time than this were disturbed, which makes also their own work dearer.
QUIET = 0.8
# What a source costs besides recognition, over the cost of its voice activity detection, which is timed with
# shorter frames than clients send under load.
UPKEEP_OVER_VAD = 2.0
VAD_SECONDS = 10
FRAME = SAMPLE_RATE // 10


@dataclass(frozen=True, slots=True)
class Specimen:
    """Speech that a model is timed on, 20 s or more: float32 mono 16 kHz, shape (n,)."""

    name: str
    samples: Samples

    def chunk(self, number: int, seconds: float) -> Chunk:
        """Some `seconds` of it, others for each `number`."""
        count = round(seconds * SAMPLE_RATE)
        first = number * 5 * SAMPLE_RATE // 2 % max(1, len(self.samples) - count)
        return Chunk(Source.MIC, 0, self.samples[first : first + count])


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a model does on this machine.

    `rtf` is the time inside the recogniser per second of speech, of finals decoded one by one; `memory_bytes`
    what a process gains by loading and using the model; `undisturbed` the share of the workers' time that
    they really had, 1.0 on a quiet machine. `costs` is None where the model is too slow to be live, or where
    `problem` says why there are no figures.
    """

    model: ModelSpec
    compute: Compute
    speech: str
    rtf: float = 0.0
    memory_bytes: int = 0
    load_s: float = 0.0
    undisturbed: float = 1.0
    costs: Costs | None = None
    problem: str = ""

    @property
    def sources(self) -> int:
        """How many live sources the machine carries with it."""
        return (
            0 if self.costs is None else sources_carried(self.costs, self.compute, Talk(lead_s=BUSY.lead_s))
        )


class Bench:
    """A loaded model with `workers` threads that call it at once."""

    def __init__(self, model: Model, specimen: Specimen, workers: int, *, on_processor: bool) -> None:
        self._model = model
        self._specimen = specimen
        self._workers = workers
        self._on_processor = on_processor
        self.shares: list[float] = []  # of their time that the workers really had, by call

    def time(self, seconds: float, batch: int, options: DecodeOptions) -> Timing:
        """Let all workers make one call at the same time, as the scheduler would put it together.

        Raises:
            TranscriptionFailed: the model cannot do it.
        """
        failures: list[TranscriptionFailed] = []
        calls = [self._call(number, seconds, batch, options) for number in range(self._workers)]
        threads = [threading.Thread(target=_run, args=(one, failures)) for one in calls]
        wall, used = time.perf_counter(), time.process_time()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        passed, spent = time.perf_counter() - wall, time.process_time() - used
        if failures:
            raise failures[0]
        busy = passed * self._workers
        here = self._on_processor and spent > ELSEWHERE * busy
        cost = (spent if here else busy) / (self._workers * batch)
        self.shares.append(min(1.0, spent / busy) if here else 1.0)
        return Timing(seconds, batch, cost)

    def _call(self, number: int, seconds: float, batch: int, options: DecodeOptions) -> Batch:
        """Chunks that share a call have lengths of one bucket, `seconds` on average."""
        spread = [(place + 0.5) / batch - 0.5 for place in range(batch)]
        chunks = [
            self._specimen.chunk(number * batch + place, seconds + BUCKET_S * share)
            for place, share in enumerate(spread)
        ]
        return Batch(self._model, tuple(chunks), (options,) * batch)


def _run(batch: Batch, failures: list[TranscriptionFailed]) -> None:
    outcome = call(batch)
    if outcome.error is not None:
        failures.append(outcome.error)


def calibrate(spec: ModelSpec, cores: int, specimen: Specimen) -> Calibration:
    """Load a model, time it and free it; takes seconds or, with a big model, a minute.

    Args:
        spec: the model; `spec.threads` calls run at once.
        cores: processor cores there are.
        specimen: what to recognise.
    """
    on_processor = spec.device == "cpu"
    found = Calibration(spec, Compute(spec.threads, cores, shared=on_processor), specimen.name)
    before = rss_bytes()
    try:
        provider = get_provider(spec.provider)
        model, load_s = timed(load_from, provider, spec)
    except (ModelUnavailable, ConfigError) as error:
        return replace(found, problem=str(error))
    bench = Bench(model, specimen, spec.threads, on_processor=on_processor)
    try:
        batches = BATCHES if provider.capabilities.max_batch > 1 else BATCHES[:1]
        costs, rtf = _measure(bench, specimen, batches)
    except TranscriptionFailed as error:
        return replace(found, problem=str(error))
    finally:
        memory = max(0, rss_bytes() - before)
        model.close()
    return replace(
        found,
        rtf=round(rtf, 4),
        memory_bytes=memory,
        load_s=load_s,
        undisturbed=round(min(bench.shares), 2),
        costs=costs,
    )


def calibrate_apart(spec: ModelSpec, cores: int, specimen: Specimen) -> Calibration:
    """The same in a fresh process: its memory is the model's alone, and a crash takes nothing else down."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as apart:
        try:
            return apart.submit(calibrate, spec, cores, specimen).result()
        except BrokenProcessPool:
            compute = Compute(spec.threads, cores, shared=spec.device == "cpu")
            return Calibration(spec, compute, specimen.name, problem="the process that tried it crashed")


def _steps(batches: Sequence[int]) -> Iterator[tuple[float, int, DecodeOptions]]:
    """The kinds of calls that are timed: length, batch, options."""
    for lengths, options in ((PARTIAL_LENGTHS, PARTIAL), (FINAL_LENGTHS, FINAL)):
        for seconds in lengths:
            for batch in batches:
                yield seconds, batch, options


def _measure(bench: Bench, specimen: Specimen, batches: Sequence[int]) -> tuple[Costs | None, float]:
    """The costs, and the RTF of finals; no costs where the model is hopelessly slow."""
    warm = PARTIAL_LENGTHS[0]
    bench.time(warm, 1, PARTIAL)
    bench.shares.clear()
    timings: dict[bool, list[Timing]] = {True: [], False: []}
    for seconds, batch, options in _steps(batches):
        timing = _quietest(bench, seconds, batch, options)
        timings[options.final].append(timing)
        if batch == 1 and timing.cost > HOPELESS_RTF * seconds:
            return None, timing.cost / seconds
    single = timings[True][0]
    costs = Costs(fit(timings[False]), fit(timings[True]), UPKEEP_OVER_VAD * vad_cost(specimen.samples))
    return costs, single.cost / single.seconds


def _quietest(bench: Bench, seconds: float, batch: int, options: DecodeOptions) -> Timing:
    """Time a step; once more where others disturbed it, and the cheaper counts."""
    timing = bench.time(seconds, batch, options)
    if bench.shares[-1] >= QUIET or timing.cost > HOPELESS_RTF * seconds:
        return timing
    again = bench.time(seconds, batch, options)
    return min(timing, again, key=lambda one: one.cost)


def vad_cost(samples: Samples) -> float:
    """Core seconds that voice activity detection takes for a second of one source, frame by frame."""
    stream = SileroVad().stream()
    heard = samples[: VAD_SECONDS * SAMPLE_RATE]
    started = time.thread_time()
    for first in range(0, len(heard), FRAME):
        stream.push(heard[first : first + FRAME])
    return (time.thread_time() - started) / (len(heard) / SAMPLE_RATE)
