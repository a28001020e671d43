"""How a server that has too much to do gets worse and becomes whole again, as clients see it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from echopanel.bench.record import SessionRecord, SourceRecord

NORMAL_S = 2.0  # partials no further apart than this are normal, and so is what a server began with


@dataclass(frozen=True, slots=True)
class Reading:
    """Level of degradation and seconds between partials at one moment, on the driver's clock."""

    at: float
    level: int
    interval: float


def told(sessions: Iterable[SessionRecord]) -> list[Reading]:
    """What the session that lasted longest was told by `flow`: those of one session are in order."""
    longest = max((session.flows for session in sessions if session.flows), key=_last, default=[])
    return [Reading(at, flow.level, flow.chunk_interval_s) for at, flow in longest]


def _last(flows: Sequence[tuple[float, object]]) -> float:
    return flows[-1][0]


def level_changes(readings: Sequence[Reading]) -> list[tuple[float, int]]:
    """When which level was taken, from level 0 on."""
    before = [0, *(reading.level for reading in readings)]
    return [
        (reading.at, reading.level)
        for last, reading in zip(before, readings, strict=False)
        if reading.level != last
    ]


def calm(readings: Sequence[Reading]) -> bool:
    """Whether level and interval are back to what is normal; without readings nothing else is known."""
    if not readings:
        return True
    first, last = readings[0], readings[-1]
    return last.level <= first.level and last.interval <= _normal(readings)


def _normal(readings: Sequence[Reading]) -> float:
    return max(NORMAL_S, readings[0].interval)


def normal_after(readings: Sequence[Reading], end: float) -> float | None:
    """Seconds from `end` until partials were at their normal interval for good; None: not seen.

    0.0 where they were at `end` already.
    """
    if not readings:
        return None
    normal = _normal(readings)
    slow = [place for place, reading in enumerate(readings) if reading.interval > normal]
    if slow[-1:] == [len(readings) - 1]:
        return None
    return max(0.0, readings[slow[-1] + 1].at - end) if slow else 0.0


def longest_wait(record: SourceRecord, end: float) -> float:
    """The longest time without new text while a source talks, from its first sample to second `end` of it.

    The wait at the end lasts until the next text, also if that comes behind `end`; to `end` if none comes.
    """
    shown = sorted(text.at for text in chain.from_iterable(record.histories.values()))
    inside = [at for at in shown if at <= end]
    following = next((at for at in shown if at > end), end)
    return max(later - earlier for earlier, later in pairwise([0.0, *inside, following]))
