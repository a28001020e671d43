"""How far word times are from a reference alignment, which has ends only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import jiwer

# A word follows the one before without a pause when their ends are no further apart: then it begins where
# that one ends.
NO_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Deviations:
    """Distances in seconds of starts and of ends, for the words that were heard right."""

    starts: list[float]
    ends: list[float]

    def __str__(self) -> str:
        """The medians."""
        return (
            f"starts off by {median(self.starts):.3f} s (N={len(self.starts)}), "
            f"ends by {median(self.ends):.3f} s (N={len(self.ends)}), medians"
        )

    def within(self, seconds: float) -> bool:
        """Whether half of the starts and half of the ends are so near."""
        return median(self.starts) <= seconds and median(self.ends) <= seconds


def plain(word: str) -> str:
    """Lower case without punctuation, as the reference has it."""
    return "".join(char for char in word.lower() if char.isalnum() or char == "'")


def deviations(
    heard: Sequence[tuple[str, float, float]], reference: Sequence[tuple[str, float]], offset: float = 0.0
) -> Deviations:
    """Compare word times.

    Args:
        heard: text, start, end.
        reference: text, end.
        offset: where the reference's time zero is.
    """
    starts, ends = [], []
    spoken = [word for word in heard if plain(word[0])]
    for here, there in pairs([word for word, _ in reference], [plain(word) for word, _, _ in spoken]):
        _, start, end = spoken[there]
        expected = reference[here][1] + offset
        ends.append(abs(end - expected))
        before = reference[here - 1][1] + offset if here else None
        if before is not None and expected - before <= NO_PAUSE_S:
            starts.append(abs(start - before))
    return Deviations(starts, ends)


def pairs(said: Sequence[str], heard: Sequence[str]) -> list[tuple[int, int]]:
    """Places of the words that are the same in an alignment of least edit distance."""
    alignment = jiwer.process_words(" ".join(said), " ".join(heard)).alignments[0]
    return [
        (chunk.ref_start_idx + step, chunk.hyp_start_idx + step)
        for chunk in alignment
        if chunk.type == "equal"
        for step in range(chunk.ref_end_idx - chunk.ref_start_idx)
    ]
