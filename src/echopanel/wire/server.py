"""The server's end of a connection."""

from __future__ import annotations

from echopanel.wire.codec import Bounds
from echopanel.wire.messages import ClientMessage, ServerMessage, Unknown
from echopanel.wire.session import Connection
from echopanel.wire.states import Role, State

BOUNDS = Bounds()


class ServerConnection(Connection[ServerMessage, ClientMessage]):
    """Receives `Start`, audio, `Flush`, `Stop` and `Ping`; sends the rest."""

    role = Role.SERVER

    def __init__(self, bounds: Bounds = BOUNDS) -> None:
        super().__init__(bounds)

    def receive(self, data: str | bytes) -> list[ClientMessage | Unknown]:
        """The messages in what came.

        Only the server ends a connection, so what was under way then is dropped.

        Raises:
            RemoteProtocolError: the client broke the contract; its `code` is what to answer with.
        """
        return [] if self.state is State.CLOSED else super().receive(data)
