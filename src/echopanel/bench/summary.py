"""From a measurement to a row of figures. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from echopanel.audio import Source, to_seconds
from echopanel.bench.figures import COLUMNS, Figures, largest, mean, percentile, ratio
from echopanel.bench.overload import level_changes, longest_wait, normal_after
from echopanel.bench.play import Measurement
from echopanel.bench.process import Sample, slope_per_minute
from echopanel.bench.record import SourceRecord
from echopanel.bench.reference import Normalise, SpokenWord
from echopanel.bench.score import SourceScore, WordScore, place_words, score_source
from echopanel.bench.scrape import Histogram

REPLACED = "echopanel_workers_replaced_total"

WordErrors = Mapping[str, Sequence[int]]  # recording -> errors at each of its normalised words


@dataclass(frozen=True, slots=True)
class Reference:
    """What the recordings say, how texts are normalised, and the offline recogniser's errors where wanted."""

    words: Mapping[str, Sequence[SpokenWord]]
    normalise: Normalise
    offline: WordErrors | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """The figures of one measurement, errors and words per recording, and why sessions failed.

    `levels`: when, in seconds since the first source began, which level of degradation was taken.
    """

    figures: Figures
    recordings: Mapping[str, tuple[int, int]]
    troubles: tuple[str, ...]
    levels: tuple[tuple[float, int], ...] = ()


def summarise(found: Measurement, reference: Reference) -> Run:
    """Score every source and add everything up."""
    scores = [
        score_source(
            record,
            place_words(record.script, reference.words),
            (found.load.timing.window[0] - offset, found.load.timing.window[1] - offset),
            reference.normalise,
        )
        for record, offset in _talkers(found)
    ]
    figures = dict.fromkeys(COLUMNS) | _text(scores, reference) | _latency(scores) | _accounts(found)
    figures |= _flows(found) | _recovery(found) | _engine(found) | _machine(found) | {"repeat": 1}
    made_up = [segment.text for record in _idlers(found) for segment in record.segments]
    figures["idle_words"] = sum(len(reference.normalise(text).split()) for text in made_up)
    troubles = {session.trouble for session in (*found.talking, *found.silent) if session.trouble}
    levels = tuple((at - found.origin, level) for at, level in level_changes(found.readings))
    return Run(figures, _by_recording(scores), tuple(sorted(troubles)), levels)


def _talkers(found: Measurement) -> Iterator[tuple[SourceRecord, float]]:
    """The talking sources and when each began."""
    for session, begins in zip(found.talking, found.begins, strict=True):
        for channel, record in session.sources.items():
            yield record, begins[channel]


def _idlers(found: Measurement) -> Iterator[SourceRecord]:
    return chain.from_iterable(session.sources.values() for session in found.silent)


def _everyone(found: Measurement) -> list[SourceRecord]:
    return [*(record for record, _ in _talkers(found)), *_idlers(found)]


def _text(scores: Sequence[SourceScore], reference: Reference) -> Figures:
    words = [word for score in scores for word in score.words]
    return {
        "words": len(words),
        "wer": _wer(words),
        "wer_worst": largest(_wer(score.words) for score in scores),
        "offline_wer": _offline_wer(words, reference.offline),
        "words_lost": sum(word.lost for word in words),
        "words_skipped": sum(word.skipped for word in words),
        "stable_changes": sum(score.stable_changes for score in scores),
        "tail_changes_per_word": ratio(
            sum(score.tail_changes for score in scores), sum(score.heard_words for score in scores)
        ),
    }


def _wer(words: Sequence[WordScore]) -> float | None:
    return ratio(sum(word.errors for word in words), len(words))


def _offline_wer(words: Sequence[WordScore], offline: WordErrors | None) -> float | None:
    if offline is None:
        return None
    return ratio(sum(offline[scored.word.recording][scored.word.index] for scored in words), len(words))


def _latency(scores: Sequence[SourceScore]) -> Figures:
    shown = [_shown(score.words) for score in scores]
    every = list(chain.from_iterable(shown))
    finals = [after for score in scores for after in score.final_after]
    return {
        "shown_share": ratio(len(every), sum(len(score.words) for score in scores)),
        "first_shown_p50": percentile(every, 0.5),
        "first_shown_p95": percentile(every, 0.95),
        "first_shown_p95_worst": largest(percentile(one, 0.95) for one in shown),
        "final_seen_p50": percentile(finals, 0.5),
        "final_seen_p95": percentile(finals, 0.95),
        "partial_interval": mean(step for score in scores for step in score.intervals),
    }


def _shown(words: Iterable[WordScore]) -> list[float]:
    return [word.shown_after for word in words if word.shown_after is not None]


def _accounts(found: Measurement) -> Figures:
    """What became of the audio."""
    records = _everyone(found)
    sessions = [*found.talking, *found.silent]
    stops = [session.stopped_at for session in sessions if session.stopped_at is not None]
    return {
        "sources": found.load.sources,
        "idle": found.load.idle,
        "audio_s": to_seconds(sum(record.sent for record in records)),
        "speech_s": to_seconds(sum(record.coverage.transcribed for record in records if record.coverage)),
        "dropped_s": to_seconds(sum(record.unheard for record in records)),
        "gaps": sum(len(record.gaps) for record in records),
        "failed_sessions": sum(bool(session.trouble) for session in sessions),
        "drain_s": max(stops) - found.origin - found.load.timing.end if stops else None,
        "send_late_p95": percentile([late for record in records for late in record.late], 0.95),
        "stalled_s": sum(record.stalled for record in records),
    }


def _flows(found: Measurement) -> Figures:
    begin, end = (found.origin + edge for edge in found.load.timing.window)
    sessions = (*found.talking, *found.silent)
    flows = [flow for session in sessions for at, flow in session.flows if begin <= at <= end]
    return {
        "load": mean(flow.load for flow in flows),
        "chunk_interval": mean(flow.chunk_interval_s for flow in flows),
        "level_max": largest(flow.level for flow in flows),
    }


def _recovery(found: Measurement) -> Figures:
    """How long the microphones waited while there was too much to do, and everybody afterwards."""
    end = found.load.timing.end
    changes = level_changes(found.readings)
    waits = [
        longest_wait(session.sources[Source.MIC], end - begins[Source.MIC])
        for session, begins in zip(found.talking, found.begins, strict=True)
        if not session.trouble
    ]
    back = changes[-1][0] - found.origin - end if changes and changes[-1][1] == 0 else None
    return {
        "level_0_s": None if back is None else max(0.0, back),
        "recovery_s": normal_after(found.readings, found.origin + end),
        "wait_p50": percentile(waits, 0.5),
        "wait_worst": largest(waits),
    }


def _engine(found: Measurement) -> Figures:
    """What the server says of itself, from the first frame to the last `stopped`."""
    if found.metrics is None:
        return {}
    before, after = found.metrics

    def since(name: str, **labels: str) -> Histogram:
        return after.histogram(name, **labels) - before.histogram(name, **labels)

    final, batch = since("echopanel_final_seconds"), since("echopanel_batch_size")
    decode = since("echopanel_stage_seconds", stage="decode")
    queue = since("echopanel_stage_seconds", stage="queue")
    return {
        "final_p50": final.quantile(0.5),
        "final_p95": final.quantile(0.95),
        "model_calls": batch.count,
        "batch_mean": batch.mean,
        "workers_busy": ratio(decode.total, found.finished - found.origin),
        "decode_mean": decode.mean,
        "queue_p95": queue.quantile(0.95),
        "workers_replaced": after.value(REPLACED) - before.value(REPLACED),
    }


def _machine(found: Measurement) -> Figures:
    if found.costs is None:
        return {}
    before, after = found.costs
    elapsed = found.finished - found.origin
    audio = to_seconds(sum(record.sent for record in _everyone(found)))
    client = after.client - before.client
    server = None if after.server is None or before.server is None else after.server - before.server
    machine = None if after.machine is None or before.machine is None else after.machine - before.machine
    begin, end = (found.origin + edge for edge in found.load.timing.window)
    inside = [sample for sample in found.samples if begin <= sample.at <= end]
    return {
        "cpu_per_audio_s": ratio(server, audio),
        "rss_mb": largest(sample.usage.rss_mb for sample in found.samples),
        "rss_slope": slope_per_minute(inside) if inside else None,
        "server_cores": _cores(inside),
        "client_cores": ratio(client, elapsed),
        "other_cores": ratio(None if machine is None else machine - client - (server or 0.0), elapsed),
        "ready_s": found.target.ready_s,
    }


def _cores(samples: Sequence[Sample]) -> float | None:
    if len(samples) < 2:
        return None
    return (samples[-1].usage.cpu_s - samples[0].usage.cpu_s) / (samples[-1].at - samples[0].at)


def _by_recording(scores: Iterable[SourceScore]) -> dict[str, tuple[int, int]]:
    sums: dict[str, tuple[int, int]] = {}
    for scored in chain.from_iterable(score.words for score in scores):
        errors, words = sums.get(scored.word.recording, (0, 0))
        sums[scored.word.recording] = (errors + scored.errors, words + 1)
    return sums
