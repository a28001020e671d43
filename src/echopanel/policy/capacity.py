"""How many live sources a machine carries with a model: from the cost of single calls, by few constants.

A source that talks asks for two things: a final for each utterance, and a partial of the open utterance now
and then. With many sources the engine lets partials come less often, until they come so rarely that words are
late. What a machine carries is how many sources can have all their finals, and partials in long utterances.
The constants were fitted to what `echopanel bench` measured; docs/doctor.md says how to do that again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """One measurement: a chunk of `seconds` in calls of `batch` chunks cost `cost` seconds of a worker."""

    seconds: float
    batch: int
    cost: float


@dataclass(frozen=True, slots=True)
class CallCost:
    """A chunk of s seconds in a call with b chunks costs `own` + `own_rate` s + (`call` + `call_rate` s) / b.

    The first half is what each chunk costs for itself, such as its encoding; the second is what a batch
    shares, such as reading the weights once for each token. All in seconds of one worker.
    """

    own: float
    own_rate: float
    call: float = 0.0
    call_rate: float = 0.0

    def of(self, seconds: float, batch: float = 1.0) -> float:
        """Seconds of a worker for one chunk; never negative."""
        shared = self.call + self.call_rate * seconds
        return max(0.0, self.own + self.own_rate * seconds + shared / batch)

    def lasts(self, seconds: float, batch: float = 1.0) -> float:
        """Seconds that a whole call takes; chunks that share nothing have a call each."""
        together = batch if self.call or self.call_rate else 1.0
        return together * self.of(seconds, together)


@dataclass(frozen=True, slots=True)
class Costs:
    """What recognising costs on this machine while all workers are busy.

    `upkeep` is what a source costs besides, in core seconds per second: sockets, journal, voice activity.
    """

    partial: CallCost
    final: CallCost
    upkeep: float


@dataclass(frozen=True, slots=True)
class Talk:
    """A source as the engine sees it under full load, and how much of the workers it may fill.

    `speech` is the share of the time in which a source talks, `utterance_s` the length of an utterance,
    `interval_s` the time between its partials when words are just not late, `partials` how many it has on
    average, as many utterances end sooner, `heard_s` what one covers, `batch` the chunks in a call, `lead_s`
    the speech before an utterance that its final hears again, `again` the cost of all finals over that of
    first decodes, `busy` the share of the workers' time that could be used before words wait if calls took no
    time, `late_s` when words are late, `loop` the share that can be used of the one core which all sockets
    share.
    """

    speech: float = 0.9
    utterance_s: float = 4.3
    interval_s: float = 4.0
    partials: float = 0.5
    heard_s: float = 4.0
    batch: float = 2.5
    lead_s: float = 0.0
    again: float = 1.2
    busy: float = 0.92
    late_s: float = 5.0
    loop: float = 0.7


@dataclass(frozen=True, slots=True)
class Compute:
    """Who recognises: `workers` calls at once, on the processor's `cores` or, unless `shared`, elsewhere."""

    workers: int
    cores: int
    shared: bool = True


def per_source(costs: Costs, talk: Talk) -> float:
    """Seconds of a worker that a talking source asks for in each second."""
    final = costs.final.of(talk.utterance_s + talk.lead_s, talk.batch) * talk.again
    partial = costs.partial.of(talk.heard_s, talk.batch)
    return talk.speech * (final + talk.partials * partial) / talk.utterance_s


def usable(costs: Costs, talk: Talk) -> float:
    """Share of the workers' time that can be used: words wait for a call to end, and then for their own."""
    call_s = costs.final.lasts(talk.utterance_s + talk.lead_s, talk.batch)
    return max(0.0, talk.busy * (1 - 2 * call_s / talk.late_s))


def sources_carried(costs: Costs, compute: Compute, talk: Talk | None = None) -> int:
    """How many sources can talk at once so that words still come within 5 s; 0: not even one."""
    talk = talk or Talk()
    work = per_source(costs, talk)
    if compute.shared:
        demand, supply = work + costs.upkeep, min(compute.workers, compute.cores)
    else:
        demand, supply = work, compute.workers
    bounds = [usable(costs, talk) * supply / demand] if demand > 0 else []
    if costs.upkeep > 0:
        bounds.append(talk.loop / costs.upkeep)
    return int(min(bounds, default=0.0))


def fit(timings: Sequence[Timing]) -> CallCost:
    """The cost of calls, from a short and a long chunk, each alone and, where that is done, in a batch.

    Raises:
        ValueError: there are not exactly these two or four.
    """
    lengths = sorted({one.seconds for one in timings})
    batches = sorted({one.batch for one in timings})
    found = {(one.seconds, one.batch): one.cost for one in timings}
    if len(lengths) != 2 or len(batches) not in (1, 2) or len(found) != 2 * len(batches):
        raise ValueError("a cost is fitted to two lengths, alone or in two sizes of batch")
    few, many = batches[0], batches[-1]
    halves = [_split(found[s, few], found[s, many], few, many) for s in lengths]
    (own, call), (own_long, call_long) = halves
    own_rate = (own_long - own) / (lengths[1] - lengths[0])
    call_rate = (call_long - call) / (lengths[1] - lengths[0])
    return CallCost(own - own_rate * lengths[0], own_rate, call - call_rate * lengths[0], call_rate)


def _split(alone: float, batched: float, few: int, many: int) -> tuple[float, float]:
    """What of a cost is a chunk's own and what the call's; a batch that gains nothing shares nothing."""
    call = max(0.0, (alone - batched) / (1 / few - 1 / many)) if few < many else 0.0
    return (alone - call / few, call) if call else ((alone + batched) / 2, 0.0)
