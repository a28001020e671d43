"""Utterances that are heard while they are spoken, and the order in which."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from echopanel.audio import Samples
from echopanel.engine.listener import Listener
from echopanel.engine.signal import Signal
from echopanel.engine.utterance import Utterance


@dataclass(slots=True, eq=False)
class Speech:
    """An utterance while it is spoken. Its audio is there, and surely part of it, up to sample `limit`."""

    utterance: Utterance
    limit: int
    listener: Listener
    grown: Signal = field(default_factory=Signal)

    @property
    def over(self) -> bool:
        """Whether its end is known."""
        return self.utterance.end is not None

    def grow(self, limit: int) -> None:
        """More of it is there, or its end is known."""
        self.limit = max(self.limit, limit)
        self.grown.notify()

    def read(self, start: int, end: int) -> Samples:
        """Samples [start, end), as often as wanted, until the text is final."""
        chunk = self.utterance.chunk or self.listener.chunk(start, end)
        return chunk.samples[start - chunk.start : end - chunk.start]


class SpeechQueue:
    """Utterances in the order in which they are to be heard; the newest may be open still."""

    def __init__(self) -> None:
        self.open: Speech | None = None
        self.last: Speech | None = None  # that came live
        self._waiting: deque[Speech] = deque()
        self._filled = asyncio.Event()

    def __repr__(self) -> str:
        return f"<SpeechQueue {len(self._waiting)} waiting>"

    @property
    def first(self) -> Speech | None:
        """The one to hear now."""
        return self._waiting[0] if self._waiting else None

    @property
    def closing(self) -> int:
        """Those whose end is known."""
        return sum(speech.over for speech in self._waiting)

    def opened(self) -> Speech:
        """The open one."""
        assert self.open is not None, "the endpointer ends only what it started"
        return self.open

    def add(self, speech: Speech) -> None:
        """Put one at the end."""
        if not speech.utterance.deferred:
            self.last = speech
        if not speech.over:
            self.open = speech
        self._waiting.append(speech)
        self._filled.set()

    def remove(self, speech: Speech) -> None:
        """One was dealt with."""
        self._waiting.remove(speech)
        if not self._waiting:
            self._filled.clear()

    async def wait(self) -> Speech:
        """The one to hear now, once there is one."""
        await self._filled.wait()
        return self._waiting[0]

    def behind(self, now: float) -> float:
        """How long ago the oldest live one ended."""
        return max((now - one.utterance.decided_at for one in self._waiting if one.over), default=0.0)
