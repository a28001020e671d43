"""How busy the recogniser is: real-time factor, and demanded over available compute."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LoadReading:
    """`load` = RTF x audio seconds asked for per second / workers; unlike utilisation it can pass 1.

    It is never less than the share of the time that the workers were busy: a source asks for no further
    partial while one is under way, and takes longer audio the longer it waits.
    """

    load: float
    rtf_last: float
    rtf_mean: float
    rtf_p95: float


class LoadMeter:
    """Sliding-window measurement of demand and cost. Times in seconds on any monotonic clock."""

    def __init__(self, workers: int, window_s: float = 10.0) -> None:
        self._workers = workers
        self._window_s = window_s
        self._demand: deque[tuple[float, float]] = deque()  # (when, audio seconds asked for)
        self._calls: deque[tuple[float, float, float]] = deque()  # (when, audio, seconds in the model)
        self._cost = 0.0  # seconds in the model per audio second, lately
        self._last_rtf = 0.0
        self._started: float | None = None

    def __repr__(self) -> str:
        return f"<LoadMeter [{len(self._demand)} asked, {len(self._calls)} done in {self._window_s:g} s]>"

    @property
    def cost(self) -> float:
        """Mean RTF of the latest calls, however long ago they were; 0 before the first."""
        return self._cost

    def asked(self, audio_s: float, now: float) -> None:
        """A job for `audio_s` seconds of audio was submitted, whether or not it is ever run."""
        if self._started is None:
            self._started = now
        self._demand.append((now, audio_s))

    def called(self, audio_s: float, elapsed: float, now: float) -> None:
        """A recogniser call over `audio_s` seconds of audio spent `elapsed` seconds inside the model."""
        if audio_s <= 0:
            return
        self._last_rtf = elapsed / audio_s
        self._calls.append((now, audio_s, elapsed))
        self._forget(now - self._window_s)
        self._cost = sum(spent for _, _, spent in self._calls) / sum(heard for _, heard, _ in self._calls)

    def reading(self, now: float) -> LoadReading:
        """The figures over the window that ends at `now`."""
        self._forget(now - self._window_s)
        asked = sum(seconds for _, seconds in self._demand)
        # Shortly after the start the window is not full yet; one second is the least that says anything.
        span = self._window_s if self._started is None else min(self._window_s, max(1.0, now - self._started))
        ratios = sorted(elapsed / seconds for _, seconds, elapsed in self._calls)
        busy = sum(elapsed for _, _, elapsed in self._calls)
        return LoadReading(
            load=max(self._cost * asked, busy) / (span * self._workers),
            rtf_last=self._last_rtf,
            rtf_mean=self._cost if self._calls else 0.0,
            rtf_p95=ratios[int(0.95 * (len(ratios) - 1))] if ratios else 0.0,
        )

    def _forget(self, before: float) -> None:
        while self._demand and self._demand[0][0] < before:
            self._demand.popleft()
        while self._calls and self._calls[0][0] < before:
            self._calls.popleft()
