"""What speakers cost, and so how often each of them can have a partial: known before a queue builds up."""

from __future__ import annotations

from math import inf

# Share of the workers' time to plan with; the rest is for what is uneven.
BUDGET = 0.9
# What is expected before anything was measured, and how much that counts: seconds in the model per partial,
# and per second of speech for finals (Whisper tiny.en on one core).
USUAL_PARTIAL, PARTIALS = 0.06, 10.0
USUAL_FINAL, FINAL_SECONDS = 0.025, 60.0
# How much less a measurement counts at each further one; of partials there are dozens a second.
FADING = 0.98
SLOWLY = 0.995
# Partials that a second of speech lacks of 1 / interval: the last half interval of an utterance, which has
# 4 s in the mean, brings none any more.
MISSING = 0.5 / 4.0
# Partials this far apart say that time is short: then finals cost less too, with fewer beams, no word times
# and at last no left context, but the shortest utterances cost more each second. (From so many seconds on, so
# many times as dear as the cheapest: tiny.en, 28.7, 18.4, 15.4, 17.3 ms a second.)
BUSY_FROM_S = 1.0
LOADED_FROM_S = 3.0
STRAINED_FROM_S = 8.0
DEARNESS = ((0.0, 1.9), (BUSY_FROM_S, 1.2), (LOADED_FROM_S, 1.0), (STRAINED_FROM_S, 1.1))


class Ratio:
    """A mean of `amount` per `count` in which old measurements fade."""

    def __init__(self, usual: float, weight: float, fading: float = FADING) -> None:
        self._amount = usual * weight
        self._count = weight
        self._fading = fading

    @property
    def value(self) -> float:
        """The mean now."""
        return self._amount / self._count

    def add(self, amount: float, count: float) -> None:
        """Take a measurement."""
        self._amount = self._fading * self._amount + amount
        self._count = self._fading * self._count + count

    def scale(self, factor: float) -> None:
        """From now on everything takes `factor` times as much."""
        self._amount *= factor


class Demand:
    """Seconds inside the model per partial, and per second of speech for the cheapest finals, lately."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._partial = Ratio(USUAL_PARTIAL, PARTIALS, SLOWLY)
        self._final = Ratio(USUAL_FINAL, FINAL_SECONDS)
        self._dearness = 1.0

    def __repr__(self) -> str:
        return f"<Demand [partial {self._partial.value:.3f}s, final {self._final.value:.3f}s a second]>"

    def at(self, interval_s: float) -> None:
        """What is measured from now on is measured with partials so many seconds apart."""
        self._dearness = dearness(interval_s)

    def scale(self, factor: float) -> None:
        """Another model recognises from now on, which takes `factor` times as long."""
        self._partial.scale(factor)
        self._final.scale(factor)

    def partial(self, elapsed: float) -> None:
        """A partial took `elapsed` seconds inside the model: its share of the call."""
        self._partial.add(elapsed, 1.0)

    def final(self, seconds: float, elapsed: float) -> None:
        """The final of an utterance of `seconds` seconds took `elapsed` seconds inside the model."""
        self._final.add(elapsed / self._dearness, seconds)

    def load(self, speakers: float, interval_s: float) -> float:
        """Demanded over available compute, if so many speak with partials `interval_s` seconds apart."""
        final = self._final.value * dearness(interval_s)
        return speakers * (final + self._partial.value * partials(interval_s)) / self._workers

    def interval(self, speakers: float) -> float:
        """The least seconds between partials that leave time for the finals, if so many speak.

        Infinite where finals alone are too much.
        """
        shortest, spent = inf, speakers * self._partial.value
        ends = (*(least for least, _ in DEARNESS[1:]), inf)
        for (least, times), end in zip(DEARNESS, ends, strict=True):
            left = self._workers * BUDGET - speakers * self._final.value * times
            shortest = max(least, spent / (left + MISSING * spent)) if left > 0 else inf
            if shortest < end:
                return shortest
        return shortest


def partials(interval_s: float) -> float:
    """Partials that a second of speech has."""
    return max(0.0, 1 / interval_s - MISSING)


def dearness(interval_s: float) -> float:
    """How many times as much as the cheapest the finals cost beside partials so many seconds apart."""
    return next(times for least, times in reversed(DEARNESS) if interval_s >= least)
