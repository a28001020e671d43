"""How eagerly the engine works: as much as there is time for."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from math import inf
from typing import Self

from echopanel.engine.lead import LEAD_S, SHORT_S
from echopanel.policy.demand import BUSY_FROM_S, LOADED_FROM_S, STRAINED_FROM_S
from echopanel.policy.endpoint import Hurry
from echopanel.policy.scheduler import ALIKE, Sharing

# Above this load nothing is decoded on the mere chance that it may serve.
SPECULATE_BELOW = 0.7
# Below this load partials have left context, too. It makes them half as dear again, and a fifth fewer words
# come late. The load counts what it costs itself.
LEAD_PARTIALS_BELOW = 0.5
# Worth about a point of word error rate on finals, for half the decoding again: docs/benchmarks.md.
BEAM_SIZE = 5
# Left context of finals, worth a point or two of word errors, by hurry. Much of it has the most again: where
# word times are guessed only whole utterances serve, and those fit less often.
LEADS_S = (LEAD_S, 3.0, LEAD_S, 0.0)
# While text comes so late in spite of a smaller model, what is said is put off: captions that stay behind are
# worse than some that lack.
LATE_S = 10.0
# A call of many chunks costs each of them less, but all wait for its end. So it has two at most while
# partials come often. Where they hardly do the cost counts, and more than eight gain little. None waits for
# company: enough comes together while all workers are busy.
BUSY = Sharing(most=2)
LOADED = Sharing(most=8, mixed=True)


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between partials, and whether to decode at a pause what may be the final.

    Finals are searched with `beam_size` hypotheses, behind `lead_s` seconds of the speech before, those of
    utterances longer than `short_s` seconds behind so much less. Partials are behind `partial_lead_s` seconds
    likewise.
    `sharing` is which jobs may share a call. Not `live`: what is said is put off. Not
    `best`: a smaller model or a fallback hears, and what it hears is heard again when there is time. What is
    said while text of its source is `late_s` seconds late is put off, too. `hurry`: how short utterances had
    better be. Not `timed`: the times of words may be guessed, where nothing depends on them. Replaced as a
    whole when the load changes.
    """

    interval_s: float
    speculate: bool = True
    beam_size: int = BEAM_SIZE
    lead_s: float = LEAD_S
    sharing: Sharing = ALIKE
    live: bool = True
    best: bool = True
    short_s: float = SHORT_S
    late_s: float = inf
    hurry: Hurry = Hurry.NONE
    timed: bool = True
    partial_lead_s: float = 0.0

    @classmethod
    def at(cls, load: float, interval_s: float, *, best: bool = True, late_s: float = inf) -> Self:
        """What a load leaves time for."""
        return cls(
            interval_s,
            speculate=load < SPECULATE_BELOW,
            beam_size=BEAM_SIZE if interval_s < BUSY_FROM_S else 1,
            lead_s=LEADS_S[hurry(interval_s)],
            sharing=sharing(interval_s),
            best=best,
            late_s=late_s,
            hurry=hurry(interval_s),
            timed=interval_s < LOADED_FROM_S,
            partial_lead_s=LEAD_S if load < LEAD_PARTIALS_BELOW and interval_s < BUSY_FROM_S else 0.0,
        )


def hurry(interval_s: float) -> Hurry:
    """How short utterances had better be: text comes rarely while they are open."""
    return Hurry(bisect_right((BUSY_FROM_S, LOADED_FROM_S, STRAINED_FROM_S), interval_s))


def sharing(interval_s: float) -> Sharing:
    """Which jobs may share a call; where time is short, any."""
    if interval_s < BUSY_FROM_S:
        return ALIKE
    return BUSY if interval_s < LOADED_FROM_S else LOADED


# How finals are decoded that nobody waits for; they have no partials, so the interval says nothing.
UNHURRIED = Pace(interval_s=BUSY_FROM_S, speculate=False, short_s=inf)
