"""How eagerly the engine works: as much as there is time for. What a final says does not depend on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

# Above this load nothing is decoded on the mere chance that it may serve.
SPECULATE_BELOW = 0.7


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between partials, and whether there is time to decode at a pause what may be the final.

    Replaced as a whole when the load changes.
    """

    interval_s: float
    speculate: bool

    @classmethod
    def at(cls, load: float, interval_s: float) -> Self:
        """What a load leaves time for."""
        return cls(interval_s, speculate=load < SPECULATE_BELOW)
