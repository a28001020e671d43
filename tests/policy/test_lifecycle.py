"""The life of a model: only what the table lists happens, leases hold it, and the least used makes room."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.policy.lifecycle import (
    TRANSITIONS,
    ForbiddenTransition,
    Leased,
    Lifecycle,
    ModelEvent,
    ModelState,
    Resident,
    evictions,
)

# The shortest way to each state.
WAYS = {
    ModelState.UNINITIALIZED: "",
    ModelState.LOADING: "load",
    ModelState.WARMING_UP: "load loaded",
    ModelState.READY: "load loaded warm",
    ModelState.FAILED: "load fail",
    ModelState.UNLOADING: "load loaded warm unload",
}


def in_state(state: ModelState) -> Lifecycle:
    """A model that has come to `state`."""
    life = Lifecycle()
    for event in WAYS[state].split():
        life.advance(ModelEvent(event))
    assert life.state is state
    return life


@pytest.mark.parametrize(("state", "event"), list(itertools.product(ModelState, ModelEvent)))
def test_every_event_in_every_state_is_legal_or_refused(state: ModelState, event: ModelEvent) -> None:
    """What the table lists leads where it says; anything else raises and changes nothing."""
    life = in_state(state)
    if (state, event) in TRANSITIONS:
        assert life.advance(event) is life.state is TRANSITIONS[state, event]
    else:
        with pytest.raises(ForbiddenTransition) as caught:
            life.advance(event)
        assert (caught.value.state, caught.value.event) == (state, event)
        assert life.state is state


def test_a_model_is_ready_only_after_loading_and_warming_up() -> None:
    """No way leads to READY but through WARMING_UP, and none to WARMING_UP but through LOADING."""
    into = {state: {before for (before, _), after in TRANSITIONS.items() if after is state} for state in WAYS}
    assert into[ModelState.READY] == {ModelState.WARMING_UP}
    assert into[ModelState.WARMING_UP] == {ModelState.LOADING}


def test_from_every_state_a_model_can_become_ready_again() -> None:
    """No failure is for ever."""
    reach = {ModelState.READY}
    for _ in ModelState:
        reach |= {before for (before, _), after in TRANSITIONS.items() if after in reach}
    assert reach == set(ModelState)


def test_the_refusal_says_what_cannot_happen() -> None:
    """One line with state and event."""
    with pytest.raises(ForbiddenTransition, match=r"^warm cannot happen to a model that is uninitialized$"):
        Lifecycle().advance(ModelEvent.WARM)


def test_a_lease_forbids_unloading() -> None:
    """Until it is released, whoever asks."""
    life = in_state(ModelState.READY)
    life.lease()
    with pytest.raises(Leased):
        life.advance(ModelEvent.UNLOAD)
    life.release()
    assert life.advance(ModelEvent.UNLOAD) is ModelState.UNLOADING


@given(st.lists(st.sampled_from([*ModelEvent, "lease", "release"]), max_size=60))
def test_a_leased_model_is_never_unloaded(script: list[ModelEvent | str]) -> None:
    """Leases are counted exactly, never negative, and forbid `unload` in any order of events."""
    life, leases = Lifecycle(), 0
    for step in script:
        before = life.state
        if step == "lease":
            life.lease()
            leases += 1
        elif step == "release":
            if leases:
                life.release()
                leases -= 1
            else:
                with pytest.raises(ValueError, match="more often"):
                    life.release()
        elif (before, step) not in TRANSITIONS:
            with pytest.raises(ForbiddenTransition):
                life.advance(ModelEvent(step))
        elif step is ModelEvent.UNLOAD and leases:
            with pytest.raises(Leased):
                life.advance(step)
            assert life.state is before
        else:
            life.advance(ModelEvent(step))
        assert life.leases == leases >= 0
        assert repr(life) == f"<Lifecycle {life.state} [{leases} leases]>"


def test_a_lease_is_released_once() -> None:
    """Releasing what nobody holds is a mistake that is not hidden."""
    life = Lifecycle()
    life.lease()
    life.release()
    with pytest.raises(ValueError, match="more often"):
        life.release()


@pytest.mark.parametrize(
    ("needed", "names"), [(1, []), (4, ["old"]), (6, ["old", "newer"]), (8, None)], ids=str
)
def test_room_for_a_newcomer(needed: int, names: list[str] | None) -> None:
    """In ten bytes that hold two free models and a leased one, which was used least recently of all."""
    loaded = [
        Resident("newer", 2, 2.0, leased=False),
        Resident("leased", 3, 0.0, leased=True),
        Resident("old", 4, 1.0, leased=False),
    ]
    assert evictions(loaded, needed, limit=10) == names


residents = st.lists(
    st.builds(
        Resident,
        name=st.uuids().map(str),
        size=st.integers(1, 10),
        used_at=st.integers(0, 20).map(float),
        leased=st.booleans(),
    ),
    max_size=8,
    unique_by=lambda one: one.name,
)


@given(residents, st.integers(0, 30), st.integers(0, 60))
def test_the_least_recently_used_make_room(loaded: list[Resident], needed: int, limit: int) -> None:
    """As many as needed and no more, least recently used first, never one in use; else None."""
    chosen = evictions(loaded, needed, limit)
    free = sorted((one for one in loaded if not one.leased), key=lambda one: one.used_at)
    held = sum(one.size for one in loaded if one.leased)
    if chosen is None:
        assert held + needed > limit
        return
    assert chosen == [one.name for one in free[: len(chosen)]]
    left = held + sum(one.size for one in free[len(chosen) :])
    assert left + needed <= limit
    if chosen:
        assert left + free[len(chosen) - 1].size + needed > limit
