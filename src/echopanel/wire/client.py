"""The client's end of a connection."""

from __future__ import annotations

from echopanel.audio import Source
from echopanel.wire.codec import Bounds
from echopanel.wire.messages import ClientMessage, ServerMessage
from echopanel.wire.session import Connection
from echopanel.wire.states import Role, State

# A client asked for everything that comes, so it takes the revision of a whole meeting.
BOUNDS = Bounds(max_message_bytes=16 * 2**20)


class ClientConnection(Connection[ClientMessage, ServerMessage]):
    """Sends `Start`, audio, `Flush`, `Stop` and `Ping`; receives the rest."""

    role = Role.CLIENT

    def __init__(self, bounds: Bounds = BOUNDS) -> None:
        super().__init__(bounds)

    def allowance(self, source: Source, start: int) -> int:
        """How many samples may be sent now in one stretch from `start` on; 0 while not live."""
        credit = self.credit.get(source)
        return credit.allowance(start) if credit and self.state is State.LIVE else 0
