"""What one segment showed over time, and since when each of its words has stayed on the screen. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from echopanel.bench.align import kept


@dataclass(frozen=True, slots=True)
class Shown:
    """A text of a segment as it arrived: `at` in seconds; a final is all stable."""

    at: float
    stable: str
    tail: str = ""

    @property
    def text(self) -> str:
        """Everything on the screen."""
        return f"{self.stable} {self.tail}".strip()


def shown_since(texts: Sequence[Sequence[str]], times: Sequence[float]) -> tuple[float, ...]:
    """For each word of the last text: since when every text has had it at about its place.

    Args:
        texts: normalised words of each text in the order of arrival, the final last; not empty.
        times: when each arrived.
    """
    final = texts[-1]
    since = [times[-1]] * len(final)
    staying = set(range(len(final)))
    for words, at in zip(reversed(texts[:-1]), reversed(times[:-1]), strict=True):
        staying &= set(kept(words, final).values())
        for place in staying:
            since[place] = at
        if not staying:
            break
    return tuple(since)


def side_by_side(histories: Sequence[Sequence[Shown]]) -> list[Shown]:
    """The history of neighbouring segments taken as one: after each text, what all of them showed."""
    arrivals = sorted(
        ((shown.at, place, shown.text) for place, history in enumerate(histories) for shown in history),
        key=lambda arrival: arrival[0],
    )
    showing = [""] * len(histories)
    together: list[Shown] = []
    for at, place, text in arrivals:
        showing[place] = text
        together.append(Shown(at, "", " ".join(filter(None, showing))))
    return together


def stable_changes(history: Sequence[Shown]) -> int:
    """How often stable text did not begin the stable text that followed, word for word as shown."""
    stable = [shown.stable.split() for shown in history]
    return sum(later[: len(earlier)] != earlier for earlier, later in pairwise(stable))


def tail_changes(texts: Sequence[Sequence[str]]) -> int:
    """How many words were taken back or replaced after they had been shown.

    Args:
        texts: normalised words of each text in the order of arrival, so case and punctuation do not count.
    """
    return sum(len(earlier) - len(kept(earlier, later)) for earlier, later in pairwise(texts))


def intervals(history: Sequence[Shown]) -> list[float]:
    """Seconds between one text and the next."""
    return [later.at - earlier.at for earlier, later in pairwise(history)]
