"""Events on their way to the reader."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

from echopanel.client.events import Event
from echopanel.errors import EchoPanelError
from echopanel.transcript import Final, Partial
from echopanel.wire.messages import Flow


class Inbox:
    """A queue for a reader who may be slow, or may read only after the meeting.

    What a newer event makes pointless (a partial by a newer partial or the final of its segment, a flow by a
    newer flow) is superseded, so only what must not be missed can pile up: a few per utterance.
    """

    def __init__(self) -> None:
        self._events: dict[Hashable, Event] = {}  # in order of arrival
        self._count = 0
        self._failure: EchoPanelError | None = None
        self._closed = False
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Inbox [{len(self._events)} unread]{' closed' if self._closed else ''}>"

    def put(self, event: Event) -> None:
        """Add an event behind all others."""
        if isinstance(event, Final):
            self._events.pop(_slot_of_partial(event.segment.id), None)
        slot = self._slot(event)
        self._events.pop(slot, None)
        self._events[slot] = event
        self._changed.set()

    def fail(self, error: EchoPanelError) -> None:
        """Behind what is there, the reader gets `error`, once."""
        self._failure = error
        self._changed.set()

    def close(self) -> None:
        """Nothing more will come."""
        self._closed = True
        self._changed.set()

    async def get(self) -> Event | None:
        """The oldest event; None at the end.

        Raises:
            EchoPanelError: what `fail` was told.
        """
        while True:
            if self._events:
                return self._events.pop(next(iter(self._events)))
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            if self._closed:
                return None
            self._changed.clear()
            await self._changed.wait()

    def _slot(self, event: Event) -> Hashable:
        """Events with equal slots supersede each other."""
        if isinstance(event, Partial):
            return _slot_of_partial(event.segment_id)
        if isinstance(event, Flow):
            return Flow
        self._count += 1
        return self._count


def _slot_of_partial(segment: str) -> Hashable:
    return (Partial, segment)
