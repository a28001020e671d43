"""The columns of the result and the sums behind them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, median

Figures = dict[str, float | None]  # by the names of COLUMNS; None: not measured

COLUMNS: Mapping[str, str] = {
    "sources": "sources that talked, all at once for the whole window",
    "wer": "word error rate over the words of the window, errors of all sources summed; 0.1 is 10 %",
    "first_shown_p50": "seconds from the end of a word until it is on the screen for good, median",
    "first_shown_p95": "the same, 95th percentile",
    "final_p50": "seconds from the server's endpoint decision to the final text, median; from its histogram",
    "final_p95": "the same, 95th percentile",
    "load": "demanded over available compute, mean of the server's `flow` messages in the window",
    "cpu_per_audio_s": "CPU seconds of the server per second of audio sent, until everything is final",
    "rss_mb": "most memory that the server had resident, in units of 2^20 bytes",
    "words_lost": "words in runs of five or more that have no text, where no segment is either",
    "dropped_s": "seconds of audio sent that are neither text nor silence in the final ledger",
    "words": "words in the window",
    "words_skipped": "like `words_lost`, but inside a segment: the recogniser passed over them",
    "offline_wer": "errors of faster-whisper on the whole recordings (beam 1), over exactly the same words",
    "wer_worst": "word error rate of the worst source",
    "stable_changes": "how often stable text changed; anything but 0 is a defect",
    "tail_changes_per_word": "words taken back or replaced after they had been shown, per word",
    "idle_words": "words made up from sources in which nobody spoke",
    "shown_share": "share of the window's words that were heard right and so have a latency",
    "first_shown_p95_worst": "95th percentile of the worst source",
    "final_seen_p50": "seconds from the end of a segment's last word to its final at the client, median",
    "final_seen_p95": "the same, 95th percentile",
    "partial_interval": "seconds between the texts of an open segment, mean",
    "chunk_interval": "seconds between partials that the server aims at, mean of `flow`",
    "model_calls": "recogniser calls",
    "batch_mean": "chunks in a recogniser call, mean",
    "workers_busy": "recogniser calls in progress, mean",
    "decode_mean": "seconds of a recogniser call, mean",
    "queue_p95": "seconds that a chunk waits for a recogniser, 95th percentile",
    "workers_replaced": "recogniser workers that hung or died",
    "level_max": "highest step of degradation",
    "level_0_s": "seconds from the end of the load until that is 0 again; none: always, or not in 4 minutes",
    "recovery_s": "seconds from the end of the load until partials are wanted every 2 s or less again",
    "wait_p50": "longest time without new text of a microphone while it talks, median over them",
    "wait_worst": "the same, worst microphone",
    "gaps": "`gap` messages",
    "failed_sessions": "sessions that were refused, cut off, or not finished in time",
    "idle": "further sources that sent digital silence",
    "audio_s": "seconds of audio sent, silent sources included",
    "speech_s": "seconds of it that became text",
    "server_cores": "CPU seconds of the server per second of the window",
    "client_cores": "CPU seconds of this program per second",
    "other_cores": "CPU seconds of everything else on the machine per second; near 0: it was quiet",
    "rss_slope": "growth of the server's memory in the window, in 2^20 bytes a minute",
    "ready_s": "seconds from starting the server's process to READY",
    "drain_s": "seconds from the last frame to the last `stopped`",
    "send_late_p95": "seconds that frames left behind schedule, 95th percentile; the client's own fault",
    "stalled_s": "seconds that sources waited for credit, summed",
    "repeat": "runs that the figures are medians of",
}


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value that `share` of the values do not pass, with linear interpolation; None if there are none."""
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def mean(values: Iterable[float]) -> float | None:
    """The mean; None if there is nothing."""
    given = list(values)
    return fmean(given) if given else None


def ratio(part: float | None, whole: float) -> float | None:
    """A share; None where there is nothing to divide."""
    return None if part is None or not whole else part / whole


def largest(values: Iterable[float | None]) -> float | None:
    """The largest that is not None."""
    return max((value for value in values if value is not None), default=None)


def medians(runs: Sequence[Figures]) -> Figures:
    """The median of each figure over runs with the same number of sources."""
    middle: Figures = {}
    for name in COLUMNS:
        given = [value for run in runs if (value := run[name]) is not None]
        middle[name] = median(given) if given else None
    return middle | {"repeat": len(runs)}
