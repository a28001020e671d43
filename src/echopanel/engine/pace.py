"""How much care recognition takes: as much as there is time for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

# Above this load finals are greedy, and nothing is decoded on the mere chance that it may serve ...
THOROUGH_BELOW = 0.7
# ... and above this one finals go without left context too.
LEAD_BELOW = 1.0
# Worth about a point of word error rate on finals, for a tenth more time: docs/benchmarks.md.
BEAM_SIZE = 5


@dataclass(frozen=True, slots=True)
class Pace:
    """How eagerly the engine works just now; replaced as a whole when the load changes.

    `thorough`: there is time for beams, and for decoding at a pause what may be the final. `lead`: at least
    for left context.
    """

    interval_s: float
    thorough: bool
    lead: bool = True

    @classmethod
    def at(cls, load: float, interval_s: float) -> Self:
        """What a load leaves time for."""
        return cls(interval_s, thorough=load < THOROUGH_BELOW, lead=load < LEAD_BELOW)
