"""What speakers cost, and so how often each of them can have a partial: known before a queue builds up."""

from __future__ import annotations

from math import inf

# Share of the workers' time to plan with; the rest is for what is uneven.
BUDGET = 0.9
# What is expected before anything was measured, and how much that counts: seconds in the model per partial,
# and per second of speech for finals (Whisper tiny.en on one core).
USUAL_PARTIAL, PARTIALS = 0.06, 10.0
USUAL_FINAL, FINAL_SECONDS = 0.025, 60.0
# How much less a measurement counts at each further one.
FADING = 0.98


class Ratio:
    """A mean of `amount` per `count` in which old measurements fade."""

    def __init__(self, usual: float, weight: float) -> None:
        self._amount = usual * weight
        self._count = weight

    @property
    def value(self) -> float:
        """The mean now."""
        return self._amount / self._count

    def add(self, amount: float, count: float) -> None:
        """Take a measurement."""
        self._amount = FADING * self._amount + amount
        self._count = FADING * self._count + count


class Demand:
    """Seconds inside the model per partial, and per second of speech for finals, lately."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._partial = Ratio(USUAL_PARTIAL, PARTIALS)
        self._final = Ratio(USUAL_FINAL, FINAL_SECONDS)

    def __repr__(self) -> str:
        return f"<Demand [partial {self._partial.value:.3f}s, final {self._final.value:.3f}s a second]>"

    def partial(self, elapsed: float) -> None:
        """A partial took `elapsed` seconds inside the model: its share of the call."""
        self._partial.add(elapsed, 1.0)

    def final(self, seconds: float, elapsed: float) -> None:
        """The final of an utterance of `seconds` seconds took `elapsed` seconds inside the model."""
        self._final.add(elapsed, seconds)

    def interval(self, speakers: int) -> float:
        """The least seconds between partials that leave time for the finals, if so many speak.

        Infinite where finals alone are too much.
        """
        left = self._workers * BUDGET - speakers * self._final.value
        return speakers * self._partial.value / left if left > 0 else inf
