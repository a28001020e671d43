"""Which word is which: edit-distance alignments of word lists. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from rapidfuzz.distance import Levenshtein

# A word of a partial may stand this many places further right in the final text and still be the same word.
SHIFT = 3


@dataclass(frozen=True, slots=True)
class Alignment:
    """A reference and what was heard.

    For reference word i: `heard_as[i]` is its place among the heard words if it was heard right, else None;
    `deleted[i]` says that nothing was heard in its place; `errors[i]` counts its substitution or deletion and
    the insertions before it (the last word has those behind it, too). `errors` sum up to the edit distance,
    except that insertions count nowhere when there is no reference.
    """

    heard_as: tuple[int | None, ...]
    deleted: tuple[bool, ...]
    errors: tuple[int, ...]


def align(reference: Sequence[str], heard: Sequence[str]) -> Alignment:
    """Align with the fewest substitutions, deletions and insertions, all equally dear."""
    size = len(reference)
    heard_as: list[int | None] = [None] * size
    deleted = [False] * size
    errors = [0] * size
    for step in Levenshtein.opcodes(reference, heard):
        for offset, place in enumerate(range(step.src_start, step.src_end)):
            heard_as[place] = step.dest_start + offset if step.tag == "equal" else None
            deleted[place] = step.tag == "delete"
            errors[place] += step.tag != "equal"
        if step.tag == "insert" and size:
            errors[min(step.src_start, size - 1)] += step.dest_end - step.dest_start
    return Alignment(tuple(heard_as), tuple(deleted), tuple(errors))


def blocks(one: Sequence[str], other: Sequence[str]) -> Iterator[tuple[range, range]]:
    """Places that belong together, left to right: single equal words, and whatever differs between them."""
    start = begin = 0
    for step in Levenshtein.opcodes(one, other):
        if step.tag != "equal":
            continue
        if start < step.src_start or begin < step.dest_start:
            yield range(start, step.src_start), range(begin, step.dest_start)
        for offset in range(step.src_end - step.src_start):
            here, there = step.src_start + offset, step.dest_start + offset
            yield range(here, here + 1), range(there, there + 1)
        start, begin = step.src_end, step.dest_end
    if start < len(one) or begin < len(other):
        yield range(start, len(one)), range(begin, len(other))


def kept(earlier: Sequence[str], later: Sequence[str]) -> dict[int, int]:
    """Which words of an earlier text of a growing utterance are in a later one, at about their place.

    Returns:
        Places in `earlier` and where each is in `later`.
    """
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(earlier, later, strict=False)))
    rest = len(earlier) - same
    found = {place: place for place in range(same)}
    if rest:
        for step in Levenshtein.opcodes(earlier[same:], later[same : same + rest + SHIFT]):
            if step.tag == "equal":
                for offset in range(step.src_end - step.src_start):
                    found[same + step.src_start + offset] = same + step.dest_start + offset
    return found
