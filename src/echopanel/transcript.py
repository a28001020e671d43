"""What comes out: words, segments, partial and final text, and how much of the audio is accounted for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from echopanel.audio import Source


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word; `start` and `end` in seconds on the session clock, `text` without outer spaces.

    `bleed`: the microphone heard it out of the loudspeakers, so that it stands in the other source too.
    """

    start: float
    end: float
    text: str
    probability: float = 1.0
    bleed: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """One utterance. Times are seconds on the session clock; samples index the source's own timeline."""

    id: str
    source: Source
    start: float
    end: float
    text: str
    start_sample: int
    end_sample: int
    words: tuple[Word, ...] = ()
    language: str | None = None

    def without_bleed(self) -> Segment | None:
        """The segment without words that another source has too; None when nothing is left."""
        own = tuple(word for word in self.words if not word.bleed)
        if len(own) == len(self.words):
            return self
        if not own:
            return None
        text = " ".join(word.text for word in own)
        return replace(self, start=own[0].start, end=max(word.end for word in own), text=text, words=own)


@dataclass(frozen=True, slots=True)
class Partial:
    """Text of an utterance that is still being spoken: `stable` only ever grows, `tail` may change.

    `bleed`: so far it only repeats another source; `bleed_words`: so many words at its beginning do.
    """

    segment_id: str
    source: Source
    revision: int
    start: float
    stable: str
    tail: str
    bleed: bool = False
    bleed_words: int = 0

    @property
    def text(self) -> str:
        """All words shown now."""
        return " ".join(part for part in (self.stable, self.tail) if part)

    def without_bleed(self) -> Partial | None:
        """The same without what only repeats another source; None when nothing is left."""
        if self.bleed:
            return None
        stable, tail = self.stable.split(), self.tail.split()
        own, rest = stable[self.bleed_words :], tail[max(0, self.bleed_words - len(stable)) :]
        return (
            replace(self, stable=" ".join(own), tail=" ".join(rest), bleed_words=0) if own or rest else None
        )


@dataclass(frozen=True, slots=True)
class Final:
    """A finished segment; from here on only an explicit `Revision` may replace it."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class Revision:
    """A later and better recognition of a range: `segments` take the place of those named in `replaces`."""

    replaces: tuple[str, ...]
    segments: tuple[Segment, ...]
    reason: str


class GapStatus(StrEnum):
    """What becomes of audio that has no text: it will be recognised later, or never, or nobody spoke in it.

    `SILENCE` is only said of what was `PENDING`.
    """

    PENDING = "pending"
    LOST = "lost"
    SILENCE = "silence"


@dataclass(frozen=True, slots=True)
class Gap:
    """A range of a source without text, in samples, and why."""

    source: Source
    start_sample: int
    end_sample: int
    reason: str
    status: GapStatus

    def without(self, start: int, end: int) -> tuple[Gap, ...]:
        """What is left when samples [start, end) are taken out."""
        pieces = (
            (self.start_sample, min(start, self.end_sample)),
            (max(end, self.start_sample), self.end_sample),
        )
        if start >= self.end_sample or end <= self.start_sample:
            return (self,)
        return tuple(replace(self, start_sample=a, end_sample=b) for a, b in pieces if a < b)


TranscriptEvent = Final | Revision | Gap  # what a client must not miss


@dataclass(frozen=True, slots=True)
class LostRange:
    """Samples [start, end) that can never become text, and why."""

    start: int
    end: int
    reason: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """The ledger of one source, in samples: captured = transcribed + silence + pending + lost, always."""

    captured: int = 0
    received: int = 0
    transcribed: int = 0
    silence: int = 0
    pending: int = 0
    lost: int = 0
    lost_ranges: tuple[LostRange, ...] = field(default=())

    def balanced(self) -> bool:
        """Whether every captured sample is accounted for exactly once."""
        return self.captured == self.transcribed + self.silence + self.pending + self.lost


@dataclass(frozen=True, slots=True)
class Transcript:
    """The text of a session: segments in the order they were spoken, ranges without text, the ledgers.

    `created` is wall time with its zone.
    """

    session: str = ""
    title: str = ""
    created: datetime | None = None
    language: str | None = None
    provider: str = ""
    model: str = ""
    segments: tuple[Segment, ...] = ()
    gaps: tuple[Gap, ...] = ()
    coverage: Mapping[Source, Coverage] = field(default_factory=dict)

    def without_bleed(self) -> Transcript:
        """The transcript with every word in the source that it was said to."""
        kept = (segment.without_bleed() for segment in self.segments)
        return replace(self, segments=tuple(segment for segment in kept if segment is not None))

    @classmethod
    def fold(cls, events: Iterable[TranscriptEvent]) -> Transcript:
        """Apply events in order: revisions replace segments, what arrives for a pending range closes it."""
        segments: dict[str, Segment] = {}
        gaps: list[Gap] = []
        for event in events:
            match event:
                case Final(segment):
                    arrived: tuple[Segment, ...] = (segment,)
                case Revision(replaced, arrived):
                    for name in replaced:
                        segments.pop(name, None)
                case Gap():
                    gaps = _still_pending(gaps, event)
                    gaps += [event] if event.status is not GapStatus.SILENCE else []
                    continue
            for segment in arrived:
                segments[segment.id] = segment
                gaps = _still_pending(gaps, segment)
        return cls(segments=tuple(sorted(segments.values(), key=_spoken)), gaps=tuple(gaps))


@dataclass(frozen=True, slots=True)
class Refined:
    """What a second pass over the recordings of a session heard.

    `heard`: the samples [start, end) of each source that the recordings have. `made` is wall time with zone.
    """

    made: datetime
    provider: str
    model: str
    segments: tuple[Segment, ...] = ()
    heard: Mapping[Source, tuple[tuple[int, int], ...]] = field(default_factory=dict)


def _spoken(segment: Segment) -> tuple[float, Source, str]:
    return segment.start, segment.source, segment.id


def _still_pending(gaps: Iterable[Gap], now: Segment | Gap) -> list[Gap]:
    """The gaps without the pending parts that `now` settles."""
    return [
        piece
        for gap in gaps
        for piece in (
            gap.without(now.start_sample, now.end_sample)
            if gap.source is now.source and gap.status is GapStatus.PENDING
            else (gap,)
        )
    ]
