"""Who may have a session: a bound for the server and one for each client, and slots that cannot leak."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass

from echopanel.errors import ErrorCode


@dataclass(frozen=True, slots=True)
class AdmissionSettings:
    """Sessions at once, in all and from one client; how long a refused client is told to wait, in seconds."""

    limit: int = 10
    per_client: int = 10
    retry_after_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Slot:
    """The right to one session; give it back with `release`."""

    id: int
    client: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no slot, and when to come back, in seconds."""

    code: ErrorCode
    message: str
    retry_after: float


class Admission:
    """Hands out slots."""

    def __init__(self, settings: AdmissionSettings) -> None:
        self._settings = settings
        self._ids = itertools.count(1)
        self._taken: dict[int, Slot] = {}

    def __repr__(self) -> str:
        return f"<Admission {len(self._taken)} of {self._settings.limit}>"

    @property
    def taken(self) -> int:
        """Slots that are out."""
        return len(self._taken)

    def try_acquire(self, client: str) -> Slot | Refusal:
        """A slot for `client`, or at once the reason why not."""
        settings = self._settings
        if len(self._taken) >= settings.limit:
            return Refusal(
                ErrorCode.SESSION_LIMIT,
                f"all {settings.limit} sessions are taken; end one, or start the server with --max-sessions",
                settings.retry_after_s,
            )
        if Counter(slot.client for slot in self._taken.values())[client] >= settings.per_client:
            return Refusal(
                ErrorCode.CLIENT_LIMIT,
                f"{client} has {settings.per_client} sessions already; end one of them",
                settings.retry_after_s,
            )
        slot = Slot(next(self._ids), client)
        self._taken[slot.id] = slot
        return slot

    def release(self, slot: Slot) -> None:
        """Take a slot back; doing so again does nothing."""
        self._taken.pop(slot.id, None)
