"""Admission: never more sessions than there are slots, and no slot is ever lost or given back twice."""

from __future__ import annotations

from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from echopanel.errors import ErrorCode
from echopanel.policy.admission import Admission, AdmissionSettings, Refusal, Slot

SETTINGS = AdmissionSettings(limit=4, per_client=2, retry_after_s=7.0)
clients = st.sampled_from(["127.0.0.1", "10.0.0.1", "10.0.0.2"])


def acquire(admission: Admission, client: str = "me") -> Slot:
    """A slot that must be there."""
    slot = admission.try_acquire(client)
    assert isinstance(slot, Slot)
    return slot


def test_a_full_server_refuses_with_a_reason_and_a_time() -> None:
    """The refusal carries the wire error code, what to do, and when to come back."""
    admission = Admission(SETTINGS)
    for client in "abcd":
        acquire(admission, client)
    refusal = admission.try_acquire("e")
    assert isinstance(refusal, Refusal)
    assert refusal.code is ErrorCode.SESSION_LIMIT
    assert "all 4 sessions are taken" in refusal.message
    assert refusal.retry_after == 7.0
    assert repr(admission) == "<Admission 4 of 4>"


def test_one_client_cannot_take_all() -> None:
    """Ten starts of one client take what one client may have; others still get in."""
    admission = Admission(SETTINGS)
    answers = [admission.try_acquire("greedy") for _ in range(10)]
    assert [isinstance(answer, Slot) for answer in answers] == [True] * 2 + [False] * 8
    assert {answer.code for answer in answers if isinstance(answer, Refusal)} == {ErrorCode.CLIENT_LIMIT}
    acquire(admission, "modest")


def test_a_slot_given_back_is_free_again() -> None:
    """Also for the same client, as often as one likes."""
    admission = Admission(AdmissionSettings(limit=1, per_client=1))
    for _ in range(100):
        admission.release(acquire(admission))
    assert admission.taken == 0


def test_giving_back_twice_takes_nothing_from_others() -> None:
    """A release that comes again, late, does not free the slot that somebody got meanwhile."""
    admission = Admission(AdmissionSettings(limit=1, per_client=1))
    first = acquire(admission)
    admission.release(first)
    second = acquire(admission)
    admission.release(first)
    assert isinstance(admission.try_acquire("other"), Refusal)
    admission.release(second)
    assert admission.taken == 0


class Doorkeeper(RuleBasedStateMachine):
    """Against a plain set of the slots that are out."""

    def __init__(self) -> None:
        super().__init__()
        self.admission = Admission(SETTINGS)
        self.out: set[Slot] = set()

    slots: Bundle[Slot] = Bundle("slots")

    @rule(target=slots, client=clients)
    def come(self, client: str) -> Slot:
        """Refused exactly when a limit is reached; a refused client holds a slot of the past, if anything."""
        own = sum(slot.client == client for slot in self.out)
        answer = self.admission.try_acquire(client)
        if len(self.out) >= SETTINGS.limit:
            assert isinstance(answer, Refusal)
            assert answer.code is ErrorCode.SESSION_LIMIT
        elif own >= SETTINGS.per_client:
            assert isinstance(answer, Refusal)
            assert answer.code is ErrorCode.CLIENT_LIMIT
        else:
            assert isinstance(answer, Slot)
            assert answer.client == client
            assert answer not in self.out
            self.out.add(answer)
            return answer
        return Slot(-1, client)

    @rule(slot=slots)
    def leave_perhaps_again_later(self, slot: Slot) -> None:
        self.admission.release(slot)
        self.out.discard(slot)

    @rule(slot=consumes(slots))
    def leave(self, slot: Slot) -> None:
        self.leave_perhaps_again_later(slot)

    @invariant()
    def the_count_is_right(self) -> None:
        assert 0 <= self.admission.taken == len(self.out) <= SETTINGS.limit


Doorkeeper.TestCase.settings = examples(stateful_step_count=40, max_examples=60, deadline=None)
TestDoorkeeper = Doorkeeper.TestCase
