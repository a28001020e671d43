"""Marks what the microphone heard out of the loudspeakers, before it is published."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from echopanel.audio import Source
from echopanel.engine.events import Event
from echopanel.policy.bleed import Bleed, may_repeat
from echopanel.policy.overheard import AHEAD, MOST_AHEAD, leading, repeats, words_ahead
from echopanel.transcript import Final, Partial, Revision, Segment, Word

# A final of the microphone waits at most this long for the text of what was played meanwhile.
HOLD_S = 5.0
LOOK_S = 0.05
# Words of the loudspeakers may be that much older than the segment that repeats them.
REMEMBER_S = 30.0
# What an utterance of the microphone repeats was said at most so long before it began.
BEFORE_S = 2.0
# One that begins while the loudspeakers speak, or so soon before, may be theirs although their text lacks it.
BEHIND_S = 0.5
# Two who begin so close together are taken for one and its echo until there is text to tell.
TOGETHER_S = 0.6
# What the first words of an utterance repeat was said so short a time before; who answers comes later.
ECHO_S = 1.0


@dataclass(frozen=True, slots=True)
class _Held:
    """A final that is ready, and when it is published at the latest, on the monotonic clock."""

    segment: Segment
    until: float


class BleedMarker:
    """Stands between the pipelines of a session and its reader.

    A final of the microphone that may repeat what the loudspeakers still say is held until that is final too.
    A partial that only repeats them so far is marked as a whole; of one that begins so, the beginning.
    `known_until` gives the time on the session clock before which the text of the loudspeakers is final.
    """

    def __init__(self, emit: Callable[[Event], None], known_until: Callable[[], float]) -> None:
        self._emit = emit
        self._known_until = known_until
        self._policy = Bleed()
        self._heard: deque[Word] = deque()
        self._saying: dict[str, str] = {}
        self._overheard = ""  # the utterance of the microphone that only repeats them so far
        self._leading = ("", 0)  # an utterance of the microphone, and how many words at its beginning do
        self._said_at = 0.0  # when text of the loudspeakers came, on the monotonic clock
        self._held: deque[_Held] = deque()
        self._echoes: dict[str, tuple[Word, ...]] = {}  # the words of segments of which some were marked
        self._filled = asyncio.Event()

    def __repr__(self) -> str:
        return f"<BleedMarker {self._policy!r} [{len(self._held)} held]>"

    def take(self, event: Event) -> None:
        """Pass an event on, now or when it can be judged."""
        match event:
            case Final(segment) if segment.source is Source.MIC:
                self._held.append(_Held(segment, time.monotonic() + HOLD_S))
                self._filled.set()
            case Partial(source=Source.MIC):
                bleed = self._is_overheard(event)
                self._overheard = event.segment_id if bleed else ""
                self._emit(replace(event, bleed=bleed, bleed_words=0 if bleed else self._echo_before(event)))
            case Final(segment):
                self._said_at = time.monotonic()
                self._saying.pop(segment.id, None)
                self.remember((segment,))
                self._emit(event)
            case Partial(source=Source.SYSTEM):
                self._said_at = time.monotonic()
                self._saying[event.segment_id] = event.text
                if not event.text:
                    del self._saying[event.segment_id]
                self._emit(event)
            case Revision(replaced):
                if any(held.segment.id in replaced for held in self._held):
                    self.release()  # what it replaces comes first
                self._emit(self._revised(event))
            case _:
                self._emit(event)
        self._publish()

    def remember(self, segments: Sequence[Segment]) -> None:
        """Final text; that of the loudspeakers is kept for a while."""
        for segment in segments:
            if segment.source is Source.SYSTEM:
                self._heard.extend(segment.words)
        while self._heard and self._heard[0].start < self._heard[-1].start - REMEMBER_S:
            self._heard.popleft()

    def release(self) -> None:
        """Publish what is held: nothing more will be known."""
        while self._held:
            self._let_go()

    async def run(self) -> None:
        """Publish what was held for long enough, until cancelled."""
        while True:
            await self._filled.wait()
            self._publish()
            if self._held:
                await asyncio.sleep(LOOK_S)
            else:
                self._filled.clear()

    def _revised(self, revision: Revision) -> Revision:
        """Marks its words like those that were heard before at the same time."""
        before = [word for name in revision.replaces for word in self._echoes.pop(name, ())]
        marked = tuple(
            replace(segment, words=tuple(like_before(word, before) for word in segment.words))
            for segment in revision.segments
        )
        return replace(revision, segments=marked)

    def _is_overheard(self, partial: Partial) -> bool:
        """Whether a partial only repeats the loudspeakers, or begins as if it did where that is usual."""
        known = self._known_until()
        unknown = known <= partial.start + BEHIND_S
        ahead = words_ahead(time.monotonic() - self._said_at) if unknown or self._saying else 1
        likely = unknown and (self._policy.usual or abs(partial.start - known) <= TOGETHER_S)
        if likely and 0 < len(partial.text.split()) <= (AHEAD if self._saying else MOST_AHEAD):
            return True
        if partial.segment_id == self._overheard:
            ahead *= 2  # nothing shall flash by because one text came a moment later than the other
        return repeats(partial.text, self._played(partial.start - BEFORE_S), ahead, likely=likely)

    def _echo_before(self, partial: Partial) -> int:
        """How many words at the beginning of a partial are the loudspeakers', before somebody speaks."""
        name, known = self._leading
        found = leading(partial.text, self._played(partial.start - ECHO_S))
        if found == 0 and name == partial.segment_id:
            found = min(known, len(partial.text.split()))  # what is hidden shall not flash by
        self._leading = partial.segment_id, found
        return found

    def _played(self, since: float) -> str:
        """What the loudspeakers said since then, and what they are saying."""
        said = [word.text for word in self._heard if word.start >= since]
        return " ".join([*said, *self._saying.values()])

    def _publish(self) -> None:
        while self._held and self._is_ready(self._held[0]):
            self._let_go()

    def _is_ready(self, held: _Held) -> bool:
        words = held.segment.words
        if not words or self._known_until() > words[-1].start or time.monotonic() >= held.until:
            return True
        # What is said but not shown yet may be anything.
        return bool(self._saying) and not any(may_repeat(words, text) for text in self._saying.values())

    def _let_go(self) -> None:
        segment = self._held.popleft().segment
        marks = self._policy.judge(segment.words, tuple(self._heard))
        words = tuple(replace(word, bleed=mark) for word, mark in zip(segment.words, marks, strict=True))
        if any(marks):
            self._echoes[segment.id] = words
        self._emit(Final(replace(segment, words=words)))


def like_before(word: Word, before: Sequence[Word]) -> Word:
    """A word, marked as that of `before` is whose middle is nearest to its own."""
    nearest = min(before, key=lambda one: abs(one.start + one.end - word.start - word.end), default=word)
    return replace(word, bleed=nearest.bleed)
