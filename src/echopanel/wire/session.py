"""One connection without I/O: data in, messages out, and the other way round, held to the contract both ways.

    client, server = ClientConnection(), ServerConnection()
    server.receive(client.send(Start(sources=(Source.MIC,))))  ->  [Start(...)]

A session may live through several connections; each has its own `Connection`.
"""

from __future__ import annotations

from typing import Generic, TypeVar, cast

from echopanel.audio import Source
from echopanel.errors import ErrorCode, LocalProtocolError, RemoteProtocolError
from echopanel.wire.codec import Bounds, decode, encode
from echopanel.wire.credit import Credit
from echopanel.wire.messages import ClientMessage, Message, ServerMessage, Unknown, kind_of
from echopanel.wire.rules import Rules
from echopanel.wire.states import SENDER, TRANSITIONS, Role, State

Sent = TypeVar("Sent", ClientMessage, ServerMessage)
Received = TypeVar("Received", ClientMessage, ServerMessage)


class Connection(Generic[Sent, Received]):
    """What both ends have in common; `bounds` are the largest messages that this end takes."""

    role: Role

    def __init__(self, bounds: Bounds) -> None:
        self.state = State.OPEN
        self._bounds = bounds
        self._rules = Rules()

    def __repr__(self) -> str:
        credit = "".join(f" {name} {at.sent}/{at.limit}" for name, at in self.credit.items())
        return f"<{type(self).__name__} {self.state.value}{credit} event {self.last_event}>"

    @property
    def last_event(self) -> int:
        """The newest event number seen; what `Start.last_event` wants on resuming."""
        return self._rules.last_event

    @property
    def credit(self) -> dict[Source, Credit]:
        """The credit per source; empty before `Ready`. Not to be changed from outside."""
        return self._rules.credit

    def send(self, message: Sent) -> str | bytes:
        """What to put into the socket to send `message`.

        Raises:
            LocalProtocolError: the state or a rule does not allow it, or it cannot be encoded.
        """
        data = encode(message)
        self._advance(message, self.role)
        return data

    def receive(self, data: str | bytes) -> list[Received | Unknown]:
        """The messages in what the socket brought; `Unknown` ones are to be ignored.

        Raises:
            RemoteProtocolError: the other side broke the contract; its `code` is what to answer with.
        """
        message = decode(data, self._bounds)
        if isinstance(message, Unknown):
            return [message]
        try:
            self._advance(message, self.role.peer)
        except LocalProtocolError as error:
            raise RemoteProtocolError(error.message, error.code) from error
        return [cast(Received, message)]

    def _advance(self, message: Message, sender: Role) -> None:
        """Hold a message to the tables and the rules, then take the step it causes."""
        kind = kind_of(message)
        if SENDER[kind] is not sender:
            raise LocalProtocolError(f"{kind} is not the {sender}'s to send", ErrorCode.UNEXPECTED_MESSAGE)
        following = TRANSITIONS.get((self.state, kind))
        if following is None:
            complaint = f"{kind} cannot come while the connection is {self.state.value}"
            raise LocalProtocolError(complaint, ErrorCode.UNEXPECTED_MESSAGE)
        self._rules.observe(message)
        self.state = following
