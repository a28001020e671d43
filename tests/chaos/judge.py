"""Whether a disturbed meeting came out like the undisturbed one: words, ledgers, order. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from rapidfuzz.distance import Levenshtein

from tests.helpers.speech import SAMPLE_RATE, normalised, word_errors

Json = Mapping[str, Any]

# A word's times come from the model's attention and are good to about this, in samples.
BLUR = round(0.3 * SAMPLE_RATE)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a client ended with: its events of one meeting in the order in which they came."""

    events: tuple[Json, ...]

    def finals(self, source: str) -> list[Json]:
        """The finished segments of a source."""
        return [one for one in self.events if one["type"] == "final" and one["source"] == source]

    def words(self, source: str) -> list[str]:
        """The words of a source as they are compared."""
        return normalised(" ".join(final["text"] for final in self.finals(source))).split()

    @property
    def coverage(self) -> Mapping[str, Json]:
        """The ledgers of `stopped`; empty when that did not come."""
        stopped = [one for one in self.events if one["type"] == "stopped"]
        return stopped[-1]["coverage"] if stopped else {}

    @property
    def sessions(self) -> set[str]:
        """The sessions that the client was in."""
        return {one["session"] for one in self.events if one["type"] == "link" and one["session"]}

    @property
    def reconnects(self) -> int:
        """How often a new connection was tried."""
        return sum(one["type"] == "link" and one["state"] == "waiting" for one in self.events)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Figures of one disturbed meeting, or sums of several.

    `words` were said. `errors` and `calm_errors` are the word errors against what was said, disturbed and
    undisturbed; `differences` are those between the two. `lost` words were heard right undisturbed and lie
    where the disturbed run has no segment; `doubled` words are in segments that share samples. `repeated`
    words, among the differences, stand once more beside themselves. `ledger_lost` is in samples. `broken`
    says in words what must never be.
    """

    schedules: int = 0
    words: int = 0
    errors: int = 0
    calm_errors: int = 0
    differences: int = 0
    lost: int = 0
    doubled: int = 0
    repeated: int = 0
    ledger_lost: int = 0
    reconnects: int = 0
    broken: tuple[str, ...] = ()

    def __add__(self, other: Verdict) -> Verdict:
        return Verdict(*(getattr(self, name) + getattr(other, name) for name in Verdict.__slots__))


def judge(said: Mapping[str, str], sent: Mapping[str, int], calm: Heard, heard: Heard) -> Verdict:
    """Compare a disturbed meeting with an undisturbed one of the same recordings.

    Args:
        said: the true text of each source.
        sent: the samples of each source.
        calm: the undisturbed run.
        heard: the disturbed one.
    """
    verdict = Verdict(schedules=1, reconnects=heard.reconnects, broken=tuple(_broken(sent, heard)))
    for source, text in said.items():
        errors, words = word_errors(text, " ".join(heard.words(source)))
        verdict += Verdict(
            words=words,
            errors=errors,
            calm_errors=word_errors(text, " ".join(calm.words(source)))[0],
            differences=Levenshtein.distance(calm.words(source), heard.words(source)),
            lost=_lost(text, calm.finals(source), heard.finals(source)),
            doubled=_overlapping(heard.finals(source)),
            repeated=_repeated(calm.words(source), heard.words(source)),
            ledger_lost=heard.coverage[source]["lost"] if heard.coverage else 0,
        )
    return verdict


def changes(calm: Heard, heard: Heard, sources: Iterable[str]) -> Iterator[str]:
    """Each difference between two runs in words, with a word before it."""
    for source in sources:
        before, after = calm.words(source), heard.words(source)
        for step in Levenshtein.opcodes(before, after):
            if step.tag != "equal":
                was = " ".join(before[max(0, step.src_start - 1) : step.src_end])
                became = " ".join(after[max(0, step.dest_start - 1) : step.dest_end])
                yield f"{source}: {was!r} became {became!r}"


def _broken(sent: Mapping[str, int], heard: Heard) -> Iterable[str]:
    """What must never be."""
    if not heard.coverage:
        yield "the meeting did not end"
    if len(heard.sessions) > 1:
        yield f"{len(heard.sessions)} sessions"
    numbers = [one["segment"] for one in heard.events if one["type"] == "final"]
    if len(numbers) > len(set(numbers)):
        yield "a final came twice"
    for ledger in _ledgers(heard.events):
        parts = sum(ledger[part] for part in ("transcribed", "silence", "pending", "lost"))
        if ledger["captured"] != parts:
            yield f"the ledger does not sum up: {ledger}"
    for source, ledger in heard.coverage.items():
        if ledger["captured"] != sent[source] or ledger["pending"]:
            yield f"{source}: {sent[source]} samples sent, but {ledger}"


def _ledgers(events: Iterable[Json]) -> Iterable[Json]:
    for event in events:
        if event["type"] == "stopped":
            yield from event["coverage"].values()
        elif event["type"] == "flow":
            yield from (flow["coverage"] for flow in event["sources"].values())


def _lost(said: str, calm: Sequence[Json], heard: Sequence[Json]) -> int:
    """Words that the undisturbed run heard right, at samples where the disturbed run has no segment.

    What nobody said, and the recogniser made of a noise, is not there to be lost.
    """
    ranges = [(one["start_sample"] - BLUR, one["end_sample"] + BLUR) for one in heard]
    true = [token for word in said.split() for token in normalised(word).split()]
    found = [
        (token, (word["start"] + word["end"]) / 2 * SAMPLE_RATE)
        for final in calm
        for word in final["words"]
        for token in normalised(word["text"]).split()
    ]
    right = [
        middle
        for step in Levenshtein.opcodes(true, [token for token, _ in found])
        if step.tag == "equal"
        for _, middle in found[step.dest_start : step.dest_end]
    ]
    return sum(not any(start <= middle <= end for start, end in ranges) for middle in right)


def _overlapping(finals: Sequence[Json]) -> int:
    """Words of segments that begin before the segment in front of them ends."""
    return sum(
        len(later["words"])
        for sooner, later in pairwise(finals)
        if later["start_sample"] < sooner["end_sample"]
    )


def _repeated(calm: Sequence[str], heard: Sequence[str]) -> int:
    """Words that only the disturbed run has, and that repeat what stands before or behind them."""
    found = 0
    for step in Levenshtein.opcodes(calm, heard):
        if step.tag == "insert":
            first, last = step.dest_start, step.dest_end
            size = last - first
            extra = heard[first:last]
            if extra in (heard[max(0, first - size) : first], heard[last : last + size]):
                found += size
    return found
