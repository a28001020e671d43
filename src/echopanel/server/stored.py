"""What is stored of the messages of a session."""

from __future__ import annotations

from echopanel.store.transcripts import StoredEvent
from echopanel.transcript import Final, Gap, Revision
from echopanel.wire.messages import FinalMessage, GapMessage, RevisionMessage, ServerMessage


def to_stored(message: ServerMessage) -> StoredEvent | None:
    """What the store keeps of a message, if anything."""
    match message:
        case FinalMessage(number, event) | RevisionMessage(number, event) | GapMessage(number, event):
            return StoredEvent(number, event)
    return None


def from_stored(stored: StoredEvent) -> ServerMessage:
    """The message that a stored event was and is."""
    match stored.event:
        case Final():
            return FinalMessage(stored.number, stored.event)
        case Revision():
            return RevisionMessage(stored.number, stored.event)
        case Gap():
            return GapMessage(stored.number, stored.event)
