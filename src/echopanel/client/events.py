"""What a meeting tells its reader, one typed event after the other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from echopanel.transcript import Final, Gap, Partial, Revision
from echopanel.wire.encoding import to_json
from echopanel.wire.messages import (
    Error,
    FinalMessage,
    Flow,
    GapMessage,
    PartialMessage,
    RevisionMessage,
    ServerMessage,
    Stopped,
)


class LinkState(StrEnum):
    """How the client stands to the server."""

    CONNECTING = "connecting"
    LIVE = "live"
    CATCHING_UP = "catching_up"
    WAITING = "waiting"
    LOST = "lost"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """A change of the link. `buffered_s` of audio wait for an acknowledgement, `dropped_s` had to be dropped.

    `retry_in` is when the next attempt begins (state `waiting`), in seconds; `reason` says why there is one,
    or, once connected again, how it goes on: the session resumed, or a new one that continues it.
    """

    state: LinkState
    reason: str = ""
    retry_in: float | None = None
    buffered_s: float = 0.0
    dropped_s: float = 0.0
    session: str | None = None


Event = Partial | Final | Revision | Gap | Flow | Error | LinkStatus


def as_json(event: Event | Stopped) -> dict[str, object]:
    """An event as the JSON object of the protocol; a `LinkStatus` has `"type": "link"`."""
    if isinstance(event, LinkStatus):
        return {"type": "link"} | {name: getattr(event, name) for name in LinkStatus.__slots__}
    return {name: value for name, value in to_json(_message(event)).items() if name != "event"}


def _message(event: Partial | Final | Revision | Gap | Flow | Error | Stopped) -> ServerMessage:
    match event:
        case Partial():
            return PartialMessage(event)
        case Final():
            return FinalMessage(0, event)
        case Revision():
            return RevisionMessage(0, event)
        case Gap():
            return GapMessage(0, event)
        case _:
            return event
