"""Which words of an unfinished utterance may be shown for good: LocalAgreement-2.

Machacek, Dabre, Bojar: "Turning Whisper into Real-Time Transcription System" (2023): what two hypotheses in a
row have in common from the beginning is stable. Here words are compared without case and punctuation.

The paper decodes about once a second. Two decodes that are 0.3 s apart mostly make the same mistakes, so
what counts here is time: a word is stable when all hypotheses of the last `hold_s` seconds of audio have it,
one of them at least that much older than the newest.
"""

from __future__ import annotations

import unicodedata
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AgreedText:
    """Words to show: `stable` only ever grows, `tail` may change.

    `changed`: shown words of the tail before this update that had to be withdrawn (erasure: Arivazhagan et
    al., "Re-translation versus Streaming", 2020).
    """

    stable: tuple[str, ...]
    tail: tuple[str, ...]
    changed: int


@dataclass(frozen=True, slots=True)
class FinalWord:
    """A word of the final text; `heard` is its index in the final hypothesis, None if that lacks the word."""

    text: str
    heard: int | None


class Agreement:
    """The stable words of one utterance.

    Args:
        guard_words: so many words at the end of a hypothesis never become stable.
        hold_s: seconds of audio for which hypotheses must have agreed; 0: two in a row.
    """

    def __init__(self, guard_words: int = 1, hold_s: float = 0.0) -> None:
        self._guard_words = guard_words
        self._hold_s = hold_s
        self._heard: deque[tuple[float, tuple[str, ...]]] = deque()  # audio seconds, words behind stable ones
        self._stable: tuple[str, ...] = ()
        self._tail: tuple[str, ...] = ()
        self.changes = 0

    def __repr__(self) -> str:
        return f"<Agreement [{len(self._stable)} stable, {len(self._tail)} open, {self.changes} changes]>"

    @property
    def stable(self) -> tuple[str, ...]:
        """Words that will not change any more."""
        return self._stable

    @property
    def tail(self) -> tuple[str, ...]:
        """Words behind the stable ones that may change."""
        return self._tail

    @property
    def stable_text(self) -> str:
        """The stable words, joined by spaces."""
        return " ".join(self._stable)

    @property
    def tail_text(self) -> str:
        """The words of the tail, joined by spaces."""
        return " ".join(self._tail)

    def update(self, words: Sequence[str], heard_s: float = 0.0) -> AgreedText:
        """Take the next hypothesis, which is of the first `heard_s` seconds of the utterance."""
        tail = self._behind_stable(words)
        changed = len(self._tail) - common_prefix(self._tail, tail)
        agreed = max(0, min(self._confirmed(tail, heard_s), len(tail) - self._guard_words))
        # The newer hypothesis had more context, so its spelling and punctuation are the better ones.
        self._stable += tail[:agreed]
        self._tail = tail[agreed:]
        self._heard.append((heard_s, tail))
        self._heard = deque((at, before[agreed:]) for at, before in self._heard)
        self.changes += changed
        return AgreedText(self._stable, self._tail, changed)

    def preview(self, words: Sequence[str]) -> AgreedText:
        """Show a hypothesis that nothing is concluded from: stable words stay what they are."""
        tail = self._behind_stable(words)
        changed = len(self._tail) - common_prefix(self._tail, tail)
        self.changes += changed
        self._tail = tail
        return AgreedText(self._stable, tail, changed)

    def _confirmed(self, tail: Sequence[str], heard_s: float) -> int:
        """How many words at the beginning of `tail` all hypotheses have had for long enough."""
        while len(self._heard) > 1 and self._heard[1][0] <= heard_s - self._hold_s:
            self._heard.popleft()
        if not self._heard or self._heard[0][0] > heard_s - self._hold_s:
            return 0
        return min(common_prefix(before, tail) for _, before in self._heard)

    def finish(self, words: Sequence[str]) -> tuple[FinalWord, ...]:
        """Turn the final hypothesis into the final text and count the words that it changes in the tail."""
        final = self._align(words)
        rest = [word.text for word in final[len(self._stable) :]]
        self.changes += len(self._tail) - common_prefix(self._tail, rest)
        return final

    def _behind_stable(self, words: Sequence[str]) -> tuple[str, ...]:
        return tuple(word.text for word in self._align(words)[len(self._stable) :])

    def _align(self, words: Sequence[str]) -> tuple[FinalWord, ...]:
        # What followed tells a hypothesis that lacks stable words from one that has others in their place.
        followed = self._heard[-1][1] if self._heard else ()
        covered = align((*self._stable, *followed), words)[: len(self._stable)]
        behind = 1 + max((index for index in covered if index is not None), default=-1)
        kept = [FinalWord(text, index) for text, index in zip(self._stable, covered, strict=True)]
        return (*kept, *(FinalWord(words[index], index) for index in range(behind, len(words))))


def normalise(word: str) -> str:
    """A word without case and punctuation; a word that is nothing else stays itself."""
    folded = word.casefold()
    return "".join(c for c in folded if unicodedata.category(c)[0] not in "PS") or folded


def common_prefix(first: Sequence[str], second: Sequence[str]) -> int:
    """How many words both begin with."""
    for count, (one, other) in enumerate(zip(first, second, strict=False)):
        if normalise(one) != normalise(other):
            return count
    return min(len(first), len(second))


def align(shown: Sequence[str], heard: Sequence[str]) -> list[int | None]:
    """For each shown word the index of the heard word that stands for it, increasing; None if none does.

    The beginning of `heard` that is nearest to `shown` in edit distance counts as the same speech. Of equally
    near ones it is the longest, so that no word follows that was shown already.
    """
    same = common_prefix(shown, heard)
    one = [normalise(word) for word in shown[same:]]
    other = [normalise(word) for word in heard[same:]]
    rows = edit_distances(one, other)
    nearest = max(range(len(other) + 1), key=lambda column: (-rows[-1][column], column))
    behind = [None if index is None else same + index for index in trace(rows, nearest)]
    return [*range(same), *behind]


def edit_distances(one: Sequence[str], other: Sequence[str]) -> list[list[int]]:
    """Levenshtein distances of all pairs of prefixes, shape (len(one) + 1, len(other) + 1)."""
    rows = [list(range(len(other) + 1))]
    for word in one:
        above = rows[-1]
        row = [above[0] + 1]
        for column, candidate in enumerate(other):
            row.append(min(above[column] + (word != candidate), above[column + 1] + 1, row[column] + 1))
        rows.append(row)
    return rows


def trace(rows: Sequence[Sequence[int]], column: int) -> list[int | None]:
    """For each row but the first the column it is paired with on a shortest way to (last row, `column`)."""
    pairs: list[int | None] = [None] * (len(rows) - 1)
    row = len(rows) - 1
    while row:
        here = rows[row][column]
        if here == rows[row - 1][column] + 1:
            row -= 1
        elif here == rows[row][column - 1] + 1:
            column -= 1
        else:
            row, column = row - 1, column - 1
            pairs[row] = column
    return pairs
