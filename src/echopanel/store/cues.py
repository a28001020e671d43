"""Subtitle cues: segments cut so that a viewer can read along."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from echopanel.audio import Source
from echopanel.transcript import Segment

# Netflix's timed text guide for English: two lines of 42 characters, at most 7 s; we show a cue 1 s at least.
LINES = 2
WIDTH = 42
MAX_MS = 7000
MIN_MS = 1000
PAUSE_MS = 1500  # silence after which a new cue begins
_SENTENCE_END = tuple(".?!…。？！")  # noqa: RUF001 - also of scripts with wide punctuation


@dataclass(frozen=True, slots=True)
class Cue:
    """Lines shown from `start` to `end`, in milliseconds on the session clock."""

    source: Source
    start: int
    end: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    """Text that stays on one line; `spaced` when a space stands in front of it."""

    start: int
    end: int
    text: str
    spaced: bool


def cut_cues(segments: Iterable[Segment], indent: int = 0) -> list[Cue]:
    """Cut segments into cues, in the order of time.

    Args:
        segments: in any order.
        indent: characters that the first line of every cue has to leave free.
    """
    cues = [cue for segment in segments for cue in _cues_of(segment, indent)]
    cues.sort(key=lambda cue: (cue.source, cue.start))
    shown = [cue for _, group in groupby(cues, key=lambda cue: cue.source) for cue in _hold(list(group))]
    return sorted(shown, key=lambda cue: (cue.start, cue.source))


def one_line(text: str) -> str:
    """Text with every run of white space made a single space."""
    return " ".join(text.split())


def _hold(cues: list[Cue]) -> Iterator[Cue]:
    """Show short cues longer where the next one of the same source leaves time."""
    for cue, following in pairwise(cues):
        yield replace(cue, end=max(cue.start + 1, min(max(cue.end, cue.start + MIN_MS), following.start)))
    for cue in cues[-1:]:
        yield replace(cue, end=max(cue.end, cue.start + MIN_MS))


def _cues_of(segment: Segment, indent: int) -> Iterator[Cue]:
    taken: list[_Piece] = []
    lines: list[str] = []
    for piece in _pieces(segment, WIDTH - indent):
        longer = _append(lines, piece, indent)
        if taken and (longer is None or _ends(taken, lines, piece)):
            yield _cue(segment.source, taken, lines)
            taken, longer = [], _append([], piece, indent)
        assert longer is not None, "a piece fits on a line of its own"
        lines = longer
        taken.append(piece)
    if taken:
        yield _cue(segment.source, taken, lines)


def _cue(source: Source, taken: list[_Piece], lines: list[str]) -> Cue:
    start = taken[0].start
    return Cue(source, start, min(max(taken[-1].end, start + 1), start + MAX_MS), tuple(lines))


def _ends(taken: list[_Piece], lines: list[str], piece: _Piece) -> bool:
    """Whether `piece` begins a new cue: this one gets too long, or there is a pause or a sentence end."""
    sentence = taken[-1].text.endswith(_SENTENCE_END) and len(lines) == LINES
    pause = piece.start - taken[-1].end > PAUSE_MS
    return sentence or pause or piece.end - taken[0].start > MAX_MS


def _append(lines: list[str], piece: _Piece, indent: int) -> list[str] | None:
    """Add a piece to the last line or a new one; None when there is no room."""
    if lines:
        longer = lines[-1] + " " * piece.spaced + piece.text
        if len(longer) <= WIDTH - indent * (len(lines) == 1):
            return [*lines[:-1], longer]
    room = WIDTH - indent * (not lines)
    if len(lines) < LINES and (len(piece.text) <= room or not lines):
        return [*lines, piece.text]
    return None


def _pieces(segment: Segment, width: int) -> list[_Piece]:
    """The words with their times, those that are longer than a line cut; starts never go back."""
    timed = _spoken(segment) or _spread(one_line(segment.text).split(), segment.start, segment.end)
    pieces: list[_Piece] = []
    latest = _ms(segment.start)
    for start, end, text, spaced in timed:
        parts = [text[at : at + width] for at in range(0, len(text), width)]
        for part_start, part_end, part, inside in _spread(parts, start, end):
            latest = max(latest, _ms(part_start))
            pieces.append(_Piece(latest, max(latest, _ms(part_end)), part, spaced and not inside))
    return pieces


_Timed = tuple[float, float, str, bool]


def _spoken(segment: Segment) -> list[_Timed] | None:
    """The segment's own words, provided that they spell its text."""
    text = one_line(segment.text)
    timed: list[_Timed] = []
    place = 0
    for word in segment.words:
        spaced = text.startswith(" ", place)
        spelled = one_line(word.text)
        place += spaced
        if not spelled or not text.startswith(spelled, place):
            return None
        timed.append((word.start, word.end, spelled, spaced))
        place += len(spelled)
    return timed if place == len(text) else None


def _spread(texts: list[str], start: float, end: float) -> list[_Timed]:
    """Share a span of time among texts by their lengths."""
    total = sum(map(len, texts))
    timed: list[_Timed] = []
    for text in texts:
        until = start + (end - start) * len(text) / total
        timed.append((start, until, text, bool(timed)))
        total -= len(text)
        start = until
    return timed


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))
