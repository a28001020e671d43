"""Which words of the microphone repeat the loudspeakers: the same words, in order, a steady moment later.

Word times of a recogniser are good to about 0.2 s, and it hears the repetition a little differently. So a
single word that both sources have proves nothing, but a run of them at one lag does; what was heard
differently inside or at the edge of a run belongs to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from statistics import median

from echopanel.transcript import Word


@dataclass(frozen=True, slots=True)
class BleedSettings:
    """What counts as a repetition; times in seconds.

    Args:
        earliest_s: least lag of a repeated word; below zero because word times are not exact.
        latest_s: greatest lag.
        steady_s: how far lags inside a run may lie apart.
        likeness: how alike two words must be, from 0 to 1.
        letters: how many letters a run of at least two words must have.
        reach: how many words inside a run may have been heard differently, on either side.
        known_s: how far the lag of a lone word may lie from that of earlier runs.
        lone_letters: how many letters a lone word must have that is not all of its segment.
        memory: how many runs tell the usual lag.
    """

    earliest_s: float = -0.4
    latest_s: float = 0.8
    steady_s: float = 0.35
    likeness: float = 0.6
    letters: int = 8
    reach: int = 3
    known_s: float = 0.2
    lone_letters: float = 5.0
    memory: int = 20


@dataclass(frozen=True, slots=True)
class _Match:
    """Word `own` of the microphone is word `other` of the loudspeakers, `lag` seconds later."""

    own: int
    other: int
    lag: float
    letters: float


class Bleed:
    """Judges segments one after the other, and learns the usual lag from those that are certain."""

    def __init__(self, settings: BleedSettings | None = None) -> None:
        self._settings = settings or BleedSettings()
        self._lags: deque[float] = deque(maxlen=self._settings.memory)

    def __repr__(self) -> str:
        lag = f"{median(self._lags):+.2f} s" if self._lags else "none yet"
        return f"<Bleed lag {lag}>"

    @property
    def usual(self) -> bool:
        """Whether the microphone is known to hear the loudspeakers."""
        return bool(self._lags)

    def judge(self, words: Sequence[Word], heard: Sequence[Word]) -> tuple[bool, ...]:
        """For each of `words` whether it repeats one of `heard`; both in order, on the session clock."""
        marks = [False] * len(words)
        taken: set[int] = set()
        matches = self._matches(words, heard)
        while self._counts(run := self._best_run(matches)):
            for own in _inside(run):
                marks[own] = True
            taken.update(match.other for match in run)
            matches = [one for one in matches if not marks[one.own] and one.other not in taken]
        for one in matches:
            if one.letters >= (0 if len(words) == 1 else self._settings.lone_letters) and self._is_usual(
                one.lag
            ):
                marks[one.own] = True
        free = [word for other, word in enumerate(heard) if other not in taken]
        for block in _blocks(marks):
            if len(block) < self._settings.reach and all(self._is_played(words[own], free) for own in block):
                for own in block:
                    marks[own] = True
        return tuple(marks)

    def _matches(self, words: Sequence[Word], heard: Sequence[Word]) -> list[_Match]:
        """Pairs of like words at a possible lag, in order."""
        settings = self._settings
        spelled = [_letters(word.text) for word in heard]
        found: list[_Match] = []
        for own, word in enumerate(words):
            text = _letters(word.text)
            for other, source in enumerate(heard):
                lag = word.start - source.start
                if settings.earliest_s <= lag <= settings.latest_s:
                    alike = likeness(text, spelled[other])
                    if alike >= settings.likeness:
                        found.append(_Match(own, other, lag, alike * len(text)))
        return found

    def _best_run(self, matches: Sequence[_Match]) -> list[_Match]:
        """The run with most letters."""
        scores: list[float] = []
        before: list[int | None] = []
        for index, match in enumerate(matches):
            score, link = 0.0, None
            for earlier in range(index):
                if scores[earlier] > score and self._follows(matches[earlier], match):
                    score, link = scores[earlier], earlier
            scores.append(score + match.letters)
            before.append(link)
        at = max(range(len(matches)), key=scores.__getitem__, default=None)
        run: list[_Match] = []
        while at is not None:
            run.insert(0, matches[at])
            at = before[at]
        return run

    def _follows(self, first: _Match, second: _Match) -> bool:
        reach = self._settings.reach
        return (
            0 < second.own - first.own <= reach + 1
            and 0 < second.other - first.other <= reach + 1
            and abs(second.lag - first.lag) <= self._settings.steady_s
        )

    def _counts(self, run: Sequence[_Match]) -> bool:
        """Whether a run proves something; what it says of the lag is remembered."""
        if len(run) < 2 or sum(match.letters for match in run) < self._settings.letters:
            return False
        self._lags.append(median(match.lag for match in run))
        return True

    def _is_usual(self, lag: float) -> bool:
        return self.usual and abs(lag - median(self._lags)) <= self._settings.known_s

    def _is_played(self, word: Word, heard: Sequence[Word]) -> bool:
        """Whether some word was played just when this one would be its repetition."""
        return any(self._is_usual(word.start - source.start) for source in heard)


def _inside(run: Sequence[_Match]) -> set[int]:
    """The run's words, and those between them that were only heard differently."""
    inside = {match.own for match in run}
    for first, second in pairwise(run):
        if second.own - first.own <= second.other - first.other + 1:
            inside.update(range(first.own, second.own))
    return inside


def _blocks(marks: Sequence[bool]) -> list[range]:
    """Where words without a mark stand together, beside one that has it."""
    edges = [-1, *(own for own, mark in enumerate(marks) if mark), len(marks)]
    return [range(a + 1, b) for a, b in pairwise(edges) if b - a > 1] if any(marks) else []


def likeness(first: str, second: str) -> float:
    """How alike two words are, from 0 to 1."""
    if first == second:
        return 1.0
    return SequenceMatcher(None, first, second, autojunk=False).ratio()


def _letters(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())


def spelled(text: str) -> list[str]:
    """The words of a text as they are compared: without case and punctuation."""
    return [word for part in text.split() if (word := _letters(part))]


def may_repeat(words: Sequence[Word], text: str) -> bool:
    """Whether `words` may repeat what is still being said, of which `text` has been heard so far."""
    own = [_letters(word.text) for word in words]
    other = spelled(text)
    if len(own) < 2 or len(other) < 2:
        return bool(set(own) & set(other))
    return not set(pairwise(own)).isdisjoint(pairwise(other))
