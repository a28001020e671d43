"""Made-up recordings and sources for tests of the benchmark."""

from __future__ import annotations

from echopanel.audio import SAMPLE_RATE, Source
from echopanel.bench.corpus import Recording
from echopanel.bench.record import SourceRecord
from echopanel.bench.script import Script, Take
from echopanel.transcript import Partial, Segment


def recording(name: str, words: str, *, seconds: float = 0.0, timed: bool = True) -> Recording:
    """A word a second, each ending on the second; as long as its words unless told otherwise."""
    texts = words.split()
    length = seconds or len(texts)
    times = tuple((word, float(end)) for end, word in enumerate(texts, 1)) if timed else ()
    return Recording(name, "read", words, bytes(2 * round(length * SAMPLE_RATE)), times)


def script_of(*recordings: Recording) -> Script:
    """Recordings without pauses."""
    takes, at = [], 0
    for one in recordings:
        takes.append(Take(one, at))
        at = takes[-1].end
    return Script(tuple(takes), at)


class Screen:
    """What a server says about one source, in seconds since the source began."""

    def __init__(self, script: Script) -> None:
        self.record = SourceRecord(script)
        self._revision = 0

    def partial(self, segment: str, at: float, stable: str, tail: str = "") -> None:
        self._revision += 1
        self.record.partial(Partial(segment, Source.MIC, self._revision, 0.0, stable, tail), at)

    def final(self, segment: str, at: float, text: str, start: float, end: float) -> None:
        self.record.final(spoken(segment, text, start, end), at)

    def revision(
        self, replaced: tuple[str, ...], segment: str, at: float, text: str, start: float, end: float
    ) -> None:
        self.record.take_back(replaced)
        self.record.heard_again(replaced, spoken(segment, text, start, end), at)


def spoken(segment: str, text: str, start: float, end: float) -> Segment:
    """A segment of the microphone from second `start` to second `end`."""
    first, last = round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)
    return Segment(segment, Source.MIC, start, end, text, first, last)
