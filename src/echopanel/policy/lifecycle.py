"""The life of a loaded model: states as a table, leases, and which models make room for another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class ModelState(StrEnum):
    """Where a model is in its life."""

    UNINITIALIZED = "uninitialized"
    LOADING = "loading"
    WARMING_UP = "warming_up"
    READY = "ready"
    FAILED = "failed"
    UNLOADING = "unloading"


class ModelEvent(StrEnum):
    """What happens to a model."""

    LOAD = "load"
    LOADED = "loaded"
    WARM = "warm"
    FAIL = "fail"
    UNLOAD = "unload"
    UNLOADED = "unloaded"


# What is not here is forbidden. A failed model may be tried again, or be given up.
TRANSITIONS: dict[tuple[ModelState, ModelEvent], ModelState] = {
    (ModelState.UNINITIALIZED, ModelEvent.LOAD): ModelState.LOADING,
    (ModelState.LOADING, ModelEvent.LOADED): ModelState.WARMING_UP,
    (ModelState.LOADING, ModelEvent.FAIL): ModelState.FAILED,
    (ModelState.WARMING_UP, ModelEvent.WARM): ModelState.READY,
    (ModelState.WARMING_UP, ModelEvent.FAIL): ModelState.FAILED,
    (ModelState.READY, ModelEvent.UNLOAD): ModelState.UNLOADING,
    (ModelState.READY, ModelEvent.FAIL): ModelState.FAILED,
    (ModelState.FAILED, ModelEvent.LOAD): ModelState.LOADING,
    (ModelState.FAILED, ModelEvent.UNLOAD): ModelState.UNLOADING,
    (ModelState.UNLOADING, ModelEvent.UNLOADED): ModelState.UNINITIALIZED,
}


class ForbiddenTransition(Exception):
    """An event that the table does not list for the state."""

    def __init__(self, state: ModelState, event: ModelEvent) -> None:
        super().__init__(state, event)
        self.state = state
        self.event = event

    def __str__(self) -> str:
        return f"{self.event} cannot happen to a model that is {self.state}"


class Leased(Exception):
    """The model cannot be unloaded: somebody uses it."""


class Lifecycle:
    """One model's state and the number of its users."""

    def __init__(self) -> None:
        self._state = ModelState.UNINITIALIZED
        self._leases = 0

    def __repr__(self) -> str:
        return f"<Lifecycle {self.state} [{self.leases} leases]>"

    @property
    def state(self) -> ModelState:
        """Where the model is in its life."""
        return self._state

    @property
    def leases(self) -> int:
        """How many use it."""
        return self._leases

    def advance(self, event: ModelEvent) -> ModelState:
        """Take a step of the table.

        Raises:
            ForbiddenTransition: the table does not have it.
            Leased: `unload` while somebody uses the model.
        """
        following = TRANSITIONS.get((self._state, event))
        if following is None:
            raise ForbiddenTransition(self._state, event)
        if event is ModelEvent.UNLOAD and self._leases:
            raise Leased
        self._state = following
        return following

    def lease(self) -> None:
        """Somebody begins to use the model, whatever its state; it will not be unloaded meanwhile."""
        self._leases += 1

    def release(self) -> None:
        """Somebody no longer uses it.

        Raises:
            ValueError: nobody did.
        """
        if not self._leases:
            raise ValueError("released more often than leased")
        self._leases -= 1


@dataclass(frozen=True, slots=True)
class Resident:
    """A model in memory: its size in bytes, when it was used last, and whether somebody uses it now."""

    name: str
    size: int
    used_at: float
    leased: bool


def evictions(residents: Iterable[Resident], needed: int, limit: int) -> list[str] | None:
    """Names of models to unload, least recently used first, so that `needed` more bytes stay within `limit`.

    None: it cannot be done, because what is in use takes too much.
    """
    loaded = list(residents)
    excess = sum(one.size for one in loaded) + needed - limit
    chosen: list[str] = []
    for one in sorted((one for one in loaded if not one.leased), key=lambda one: one.used_at):
        if excess <= 0:
            break
        chosen.append(one.name)
        excess -= one.size
    return chosen if excess <= 0 else None
