"""How well one source was heard, and when: a script against what came back. Pure.

`docs/benchmarks.md` has the definitions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from echopanel.audio import to_samples, to_seconds
from echopanel.bench.align import Alignment, align
from echopanel.bench.record import SourceRecord
from echopanel.bench.reference import Normalise, SpokenWord
from echopanel.bench.script import Script
from echopanel.bench.shown import intervals, shown_since, stable_changes, tail_changes
from echopanel.transcript import Segment

# So many words in a row without any text are a hole; fewer are what recognisers leave out of fluent speech.
HOLE_WORDS = 5
# A word belongs to a segment that begins or ends this close to it; word times are good to 0.2 s.
REACH_S = 0.5


@dataclass(frozen=True, slots=True)
class PlacedWord:
    """A spoken word in a source's own time, in seconds; `index` counts within its recording."""

    recording: str
    index: int
    text: str
    start: float
    end: float
    timed: bool


@dataclass(frozen=True, slots=True)
class WordScore:
    """What became of a counted word.

    `shown_after` is None where it was not heard right or its time is unknown. `lost`: in a hole without any
    segment; `skipped`: in a hole inside a segment.
    """

    word: PlacedWord
    errors: int
    shown_after: float | None = None
    lost: bool = False
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class SourceScore:
    """One source. `final_after`: per segment, arrival of its final minus the end of its last word."""

    words: tuple[WordScore, ...]
    final_after: tuple[float, ...]
    stable_changes: int
    tail_changes: int
    heard_words: int
    intervals: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Heard:
    """A segment: the words of its final, since when each stayed on the screen, when the final came."""

    segment: Segment
    words: Sequence[str]
    since: Sequence[float]
    final_at: float

    def reaches(self, word: PlacedWord) -> bool:
        """Whether the segment covers the end of a word."""
        reach = to_samples(REACH_S)
        end = to_samples(word.end)
        return self.segment.start_sample - reach <= end <= self.segment.end_sample + reach


def place_words(script: Script, words_of: Mapping[str, Sequence[SpokenWord]]) -> list[PlacedWord]:
    """Every word of a script of which at least the beginning is sent."""
    return [
        PlacedWord(take.recording.name, index, word.text, begin + word.start, begin + word.end, word.timed)
        for take in script.takes
        for begin in (to_seconds(take.start),)
        for index, word in enumerate(words_of[take.recording.name])
        if begin + word.start < to_seconds(script.count)
    ]


def counted(words: Sequence[PlacedWord], window: tuple[float, float]) -> set[int]:
    """Places of the words in the window; where word times are unknown, recordings count as a whole."""
    inside = {place for place, word in enumerate(words) if window[0] <= word.start and word.end <= window[1]}
    for _, take in groupby(range(len(words)), key=lambda place: place - words[place].index):
        places = set(take)
        if not (places <= inside or all(words[place].timed for place in places)):
            inside -= places
    return inside


def score_source(
    record: SourceRecord,
    words: Sequence[PlacedWord],
    window: tuple[float, float],
    normalise: Normalise,
) -> SourceScore:
    """Compare what a source's script says with what came back; `window` in the source's own seconds."""
    texts = {
        name: [normalise(shown.text).split() for shown in history]
        for name, history in record.histories.items()
    }
    segments = [_hear(record, segment, texts[segment.id], normalise) for segment in record.segments]
    heard = [(segment, place) for segment in segments for place in range(len(segment.words))]
    found = align([word.text for word in words], [segment.words[place] for segment, place in heard])
    matches = [None if at is None else heard[at] for at in found.heard_as]
    inside = counted(words, window)
    holes = set(_holes(found))
    return SourceScore(
        words=tuple(
            _score(words[place], found.errors[place], matches[place], place in holes, segments)
            for place in sorted(inside)
        ),
        final_after=tuple(_finals(words, matches, inside)),
        stable_changes=sum(map(stable_changes, record.histories.values())),
        tail_changes=sum(map(tail_changes, texts.values())),
        heard_words=len(heard),
        intervals=tuple(step for history in record.histories.values() for step in intervals(history[:-1])),
    )


def _hear(
    record: SourceRecord, segment: Segment, texts: Sequence[Sequence[str]], normalise: Normalise
) -> _Heard:
    """What was heard again is as old as what stood there before, as far as it says the same."""
    earlier = record.earlier.get(segment.id, [])
    history = [*earlier, *record.histories[segment.id]]
    before = [normalise(shown.text).split() for shown in earlier]
    since = shown_since([*before, *texts], [shown.at for shown in history])
    return _Heard(segment, texts[-1], since, earlier[-1].at if earlier else history[-1].at)


def _score(
    word: PlacedWord,
    errors: int,
    match: tuple[_Heard, int] | None,
    hole: bool,
    segments: Sequence[_Heard],
) -> WordScore:
    after = None
    if match is not None and word.timed and match[0].reaches(word):
        after = match[0].since[match[1]] - word.end
    covered = hole and any(segment.reaches(word) for segment in segments)
    return WordScore(word, errors, after, lost=hole and not covered, skipped=covered)


def _finals(
    words: Sequence[PlacedWord], matches: Sequence[tuple[_Heard, int] | None], inside: set[int]
) -> Iterator[float]:
    """For segments whose last word was heard right and counts: from its end to the final."""
    for place, match in enumerate(matches):
        if match is None or place not in inside or not words[place].timed:
            continue
        segment, at = match
        if at == len(segment.words) - 1 and segment.reaches(words[place]):
            yield segment.final_at - words[place].end


def _holes(found: Alignment) -> Iterator[int]:
    """Places of words in runs of at least `HOLE_WORDS` that have no counterpart at all."""
    for deleted, run in groupby(range(len(found.deleted)), key=lambda place: found.deleted[place]):
        places = list(run)
        if deleted and len(places) >= HOLE_WORDS:
            yield from places
