"""All state transitions of a connection.

Rule 1: everything that decides in which order messages may come lives in this file.
Rule 2: this file does not know which role we play.
"""

from __future__ import annotations

from enum import Enum, StrEnum

from echopanel.wire.messages import Kind


class Role(StrEnum):
    """An end of the connection."""

    CLIENT = "client"
    SERVER = "server"

    @property
    def peer(self) -> Role:
        """The other end."""
        return Role.SERVER if self is Role.CLIENT else Role.CLIENT


class State(Enum):
    """Where a connection stands. It ends with its socket; the session may live on."""

    OPEN = "open"
    STARTING = "starting"
    LIVE = "live"
    STOPPING = "stopping"
    CLOSED = "closed"


SENDER: dict[Kind, Role] = {
    Kind.START: Role.CLIENT,
    Kind.AUDIO: Role.CLIENT,
    Kind.FLUSH: Role.CLIENT,
    Kind.STOP: Role.CLIENT,
    Kind.PING: Role.CLIENT,
    Kind.READY: Role.SERVER,
    Kind.ACK: Role.SERVER,
    Kind.PARTIAL: Role.SERVER,
    Kind.FINAL: Role.SERVER,
    Kind.REVISION: Role.SERVER,
    Kind.GAP: Role.SERVER,
    Kind.FLOW: Role.SERVER,
    Kind.FLUSHED: Role.SERVER,
    Kind.STOPPED: Role.SERVER,
    Kind.WATCHING: Role.SERVER,  # to spectators, who have no states
    Kind.PONG: Role.SERVER,
    Kind.ERROR: Role.SERVER,
    Kind.FATAL_ERROR: Role.SERVER,
}

_OUTPUT = (Kind.ACK, Kind.PARTIAL, Kind.FINAL, Kind.REVISION, Kind.GAP, Kind.FLOW, Kind.FLUSHED)
_ANYTIME = (Kind.PING, Kind.PONG, Kind.ERROR)

TRANSITIONS: dict[tuple[State, Kind], State] = {
    (State.OPEN, Kind.START): State.STARTING,
    (State.OPEN, Kind.FATAL_ERROR): State.CLOSED,
    (State.STARTING, Kind.READY): State.LIVE,
    (State.STARTING, Kind.FATAL_ERROR): State.CLOSED,
    (State.LIVE, Kind.AUDIO): State.LIVE,
    (State.LIVE, Kind.FLUSH): State.LIVE,
    (State.LIVE, Kind.STOP): State.STOPPING,
    (State.LIVE, Kind.STOPPED): State.CLOSED,  # a stop that was asked on an earlier connection
    (State.LIVE, Kind.FATAL_ERROR): State.CLOSED,
    (State.STOPPING, Kind.STOPPED): State.CLOSED,
    (State.STOPPING, Kind.FATAL_ERROR): State.CLOSED,
    **{(state, kind): state for state in (State.LIVE, State.STOPPING) for kind in _OUTPUT},
    **{(state, kind): state for state in State if state is not State.CLOSED for kind in _ANYTIME},
}
