"""Those who read along with a session and cannot change it."""

from __future__ import annotations

from echopanel.server.outbox import Outbox
from echopanel.wire.messages import Ack, Flushed, ServerMessage

MAX_SEATS = 8


class Audience:
    """The outboxes of a session's spectators; a bounded number of them."""

    def __init__(self) -> None:
        self._seats: set[Outbox] = set()

    def __repr__(self) -> str:
        return f"<Audience of {len(self._seats)}>"

    @property
    def full(self) -> bool:
        """Whether nobody else may come."""
        return len(self._seats) >= MAX_SEATS

    def add(self, outbox: Outbox) -> None:
        """Tell this one, too."""
        self._seats.add(outbox)

    def remove(self, outbox: Outbox) -> None:
        """Tell this one no more; harmless when it is not there."""
        self._seats.discard(outbox)

    def tell(self, message: ServerMessage) -> None:
        """Tell all of them, except answers that are meant for the client alone."""
        if not isinstance(message, Ack | Flushed):
            for outbox in self._seats:
                outbox.put(message)
