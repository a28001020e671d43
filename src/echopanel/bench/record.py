"""What came back from the server while a script was played. Pure: messages and times in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from echopanel.audio import Source
from echopanel.bench.script import Script
from echopanel.bench.shown import Shown, side_by_side
from echopanel.transcript import Coverage, Gap, Partial, Segment
from echopanel.wire.messages import (
    Ack,
    Error,
    FinalMessage,
    Flow,
    GapMessage,
    PartialMessage,
    Ready,
    RevisionMessage,
    Stopped,
    Unknown,
)


@dataclass(slots=True, eq=False)
class SourceRecord:
    """One source: what was sent, when, and everything that was shown. Times count from its first sample.

    `histories` has every text of each segment, by arrival; `finals` the segments that hold now; `earlier`
    what stood in the place of one that was heard again, from the first text to the last final. `late` is how
    far behind schedule each frame was sent, `stalled` the seconds spent waiting for credit.
    """

    script: Script
    sent: int = 0
    acked: int = 0
    late: list[float] = field(default_factory=list)
    stalled: float = 0.0
    histories: dict[str, list[Shown]] = field(default_factory=dict)
    finals: dict[str, Segment] = field(default_factory=dict)
    earlier: dict[str, list[Shown]] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    coverage: Coverage | None = None

    def partial(self, partial: Partial, at: float) -> None:
        """Note an unfinished text."""
        self.histories.setdefault(partial.segment_id, []).append(Shown(at, partial.stable, partial.tail))

    def final(self, segment: Segment, at: float) -> None:
        """Note a text that is to stay."""
        self.histories.setdefault(segment.id, []).append(Shown(at, segment.text))
        self.finals[segment.id] = segment

    def take_back(self, replaced: Iterable[str]) -> None:
        """Note that texts do not hold any more."""
        for name in replaced:
            self.finals.pop(name, None)

    def heard_again(self, replaced: Iterable[str], segment: Segment, at: float) -> None:
        """Note a text that takes the place of others."""
        self.earlier[segment.id] = side_by_side(
            [self.earlier.get(name, []) + self.histories.get(name, []) for name in replaced]
        )
        self.final(segment, at)

    @property
    def segments(self) -> list[Segment]:
        """The transcript, in the order it was spoken."""
        return sorted(self.finals.values(), key=lambda segment: segment.start_sample)

    @property
    def unheard(self) -> int:
        """Samples sent that are neither text nor silence in the server's ledger: lost or pending."""
        if self.coverage is None:
            return self.sent
        settled = self.coverage.transcribed + self.coverage.silence
        return max(0, self.sent - settled)


@dataclass(slots=True, eq=False)
class SessionRecord:
    """One session; times are seconds on the driver's clock. `trouble` says why it ended before its time."""

    sources: Mapping[Source, SourceRecord]
    begins: Mapping[Source, float] = field(default_factory=dict)
    ready: Ready | None = None
    flows: list[tuple[float, Flow]] = field(default_factory=list)
    stopped_at: float | None = None
    trouble: str = ""

    def take(self, message: object, at: float) -> None:
        """Note a message that arrived at `at`."""
        match message:
            case PartialMessage(partial):
                self.sources[partial.source].partial(partial, at - self.begins[partial.source])
            case FinalMessage(_, final):
                source = final.segment.source
                self.sources[source].final(final.segment, at - self.begins[source])
            case Ack(source, sample):
                self.sources[source].acked = max(self.sources[source].acked, sample)
            case RevisionMessage(_, revision):
                self._revise(revision.replaces, revision.segments, at)
            case Flow():
                self.flows.append((at, message))
            case GapMessage(_, gap):
                self.sources[gap.source].gaps.append(gap)
            case _:
                self._take_rare(message, at)

    def _take_rare(self, message: object, at: float) -> None:
        match message:
            case Ready():
                self.ready = message
            case Stopped():
                self.stopped_at = at
                for source, coverage in message.coverage.items():
                    self.sources[source].coverage = coverage
            case Error(code, text) if message.fatal:
                self.trouble = f"{code}: {text}"
            case Error() | Unknown() | _:
                pass

    def _revise(self, replaced: tuple[str, ...], segments: tuple[Segment, ...], at: float) -> None:
        for record in self.sources.values():
            record.take_back(replaced)
        for segment in segments:
            record = self.sources[segment.source]
            record.heard_again(replaced, segment, at - self.begins[segment.source])
