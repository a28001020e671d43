"""What speakers cost, and so how often each of them can have a partial: known before a queue builds up."""

from __future__ import annotations

from math import inf

# Share of the workers' time to plan with; the rest is for what is uneven.
BUDGET = 0.8
# Weight of the newest measurement.
NEWEST = 0.1


class Demand:
    """Seconds inside the model per partial, and per second of speech for finals, as running means."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._partial: float | None = None
        self._final: float | None = None

    def __repr__(self) -> str:
        return f"<Demand [partial {self._partial or 0:.3f}s, final {self._final or 0:.3f}s a second]>"

    def partial(self, elapsed: float) -> None:
        """A partial took `elapsed` seconds inside the model: its share of the call."""
        self._partial = blend(self._partial, elapsed)

    def final(self, seconds: float, elapsed: float) -> None:
        """The final of an utterance of `seconds` seconds took `elapsed` seconds inside the model."""
        if seconds > 0:
            self._final = blend(self._final, elapsed / seconds)

    def interval(self, speakers: int) -> float:
        """The least seconds between partials that leave time for the finals, if so many speak.

        0 as long as nothing is known, infinite where finals alone are too much.
        """
        if self._partial is None:
            return 0.0
        left = self._workers * BUDGET - speakers * (self._final or 0.0)
        return speakers * self._partial / left if left > 0 else inf


def blend(mean: float | None, newest: float) -> float:
    """An exponential running mean; the first value counts whole."""
    return newest if mean is None else mean + NEWEST * (newest - mean)
