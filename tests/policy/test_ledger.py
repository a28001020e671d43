"""The ledger equals a picture that paints every sample, and always sums up."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from echopanel.policy.ledger import LISTED_LOSSES, Ledger
from echopanel.transcript import Coverage, LostRange

SECOND = 16_000
lengths = st.integers(0, 6)
reasons = st.sampled_from(["not_received", "quota"])


class Painting(RuleBasedStateMachine):
    """Every operation, legal or not, against one label a sample."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.labels: list[str] = []  # a loss is "lost " and its reason
        self.arrived: list[bool] = []

    def paint(self, start: int, end: int, label: str) -> None:
        """Do it if the picture says it is legal, else check that it is refused without a trace."""
        operation = getattr(self.ledger, label)
        nothing = start == end
        if nothing or (start < end <= len(self.labels) and set(self.labels[start:end]) == {"pending"}):
            operation(start, end)
            self.labels[start:end] = [label] * (end - start)
        else:
            before = self.ledger.coverage()
            with pytest.raises(ValueError, match=r"\["):
                operation(start, end)
            assert self.ledger.coverage() == before

    @rule(length=lengths)
    def receive(self, length: int) -> None:
        self.ledger.receive(len(self.labels), len(self.labels) + length)
        self.extend("pending", length, arrived=True)

    @rule(length=lengths)
    def skip(self, length: int) -> None:
        self.ledger.skip(len(self.labels), len(self.labels) + length)
        self.extend("not captured", length, arrived=False)

    def extend(self, label: str, length: int, *, arrived: bool) -> None:
        self.labels += [label] * length
        self.arrived += [arrived] * length

    @rule(length=lengths, reason=reasons)
    def lose_what_did_not_arrive(self, length: int, reason: str) -> None:
        self.ledger.lose(len(self.labels), len(self.labels) + length, reason)
        self.extend(f"lost {reason}", length, arrived=False)

    @rule(where=st.floats(0, 1), length=st.integers(0, 9), reason=reasons)
    def lose(self, where: float, length: int, reason: str) -> None:
        start = int(where * len(self.labels))
        end = start + length
        if set(self.labels[start:end]) <= {"pending"}:
            self.ledger.lose(start, end, reason)
            self.extend("", max(0, end - len(self.labels)), arrived=False)
            self.labels[start:end] = [f"lost {reason}"] * length
        else:
            with pytest.raises(ValueError, match="not pending"):
                self.ledger.lose(start, end, reason)

    @rule(
        where=st.floats(0, 1.1), length=st.integers(-1, 9), label=st.sampled_from(["silence", "transcribe"])
    )
    def settle(self, where: float, length: int, label: str) -> None:
        start = int(where * len(self.labels))
        self.paint(start, start + length, label)

    @invariant()
    def it_sums_up(self) -> None:
        coverage = self.ledger.coverage()
        assert coverage.balanced()
        assert coverage == Coverage(
            captured=len(self.labels) - self.labels.count("not captured"),
            received=sum(self.arrived),
            transcribed=self.labels.count("transcribe"),
            silence=self.labels.count("silence"),
            pending=self.labels.count("pending"),
            lost=sum(label.startswith("lost") for label in self.labels),
            lost_ranges=tuple(
                LostRange(start, end, label.removeprefix("lost "))
                for start, end, label in self.ranges()
                if label.startswith("lost")
            ),
        )

    @invariant()
    def it_knows_what_is_pending(self) -> None:
        pending = [(start, end) for start, end, label in self.ranges() if label == "pending"]
        assert self.ledger.pending_ranges() == pending
        assert self.ledger.end == len(self.labels)
        assert self.ledger.handled == (pending[0][0] if pending else len(self.labels))

    @rule(where=st.floats(0, 1))
    def it_knows_what_has_no_text(self, where: float) -> None:
        sample = round(where * len(self.labels))
        known = ("transcribe", "silence")
        ends = [at + 1 for at in range(sample) if self.labels[at] not in known]
        assert self.ledger.unknown_until(sample) == max(ends, default=0)

    def ranges(self) -> list[tuple[int, int, str]]:
        """The picture as ranges of one label."""
        result, at = [], 0
        for label, run in itertools.groupby(self.labels):
            length = len(list(run))
            result.append((at, at + length, label))
            at += length
        return result


Painting.TestCase.settings = examples(stateful_step_count=40, max_examples=100, deadline=None)
TestPainting = Painting.TestCase


@given(st.integers(-5, 20), st.integers(-5, 20))
def test_the_timeline_has_no_holes(start: int, end: int) -> None:
    """What arrives or is skipped must begin where the timeline ends, and what is lost at most there."""
    for name in ("receive", "skip"):
        ledger = Ledger()
        ledger.receive(0, 10)
        if start == 10 <= end:
            getattr(ledger, name)(start, end)
            assert ledger.end == end
        else:
            with pytest.raises(ValueError, match="does not continue"):
                getattr(ledger, name)(start, end)
    if start > 10 or end < start:
        with pytest.raises(ValueError, match="leaves a hole"):
            ledger.lose(start, end, "not_received")


def test_two_hours_stay_small() -> None:
    """Finished audio is a few numbers, however many utterances it had."""
    ledger = Ledger()
    for second in range(7200):
        start = second * SECOND
        ledger.receive(start, start + SECOND)
        ledger.silence(start, start + SECOND // 2)
        ledger.transcribe(start + SECOND // 2, start + SECOND)
    assert ledger.pending_ranges() == []
    assert ledger.coverage() == Coverage(
        captured=7200 * SECOND, received=7200 * SECOND, transcribed=3600 * SECOND, silence=3600 * SECOND
    )
    assert repr(ledger) == f"<Ledger at {7200 * SECOND} [0 pending in 0 ranges, 0 lost]>"


def test_a_shed_range_is_pending_until_it_is_repaired() -> None:
    """What is settled around it does not hide it; `handled` waits for it."""
    ledger = Ledger()
    ledger.receive(0, 30)
    ledger.silence(0, 10)
    ledger.transcribe(20, 30)
    assert (ledger.handled, ledger.pending_ranges()) == (10, [(10, 20)])
    ledger.transcribe(10, 20)
    assert (ledger.handled, ledger.pending_ranges()) == (30, [])


def test_losses_are_listed_in_order_and_joined() -> None:
    """Neighbours with the same reason are one range, whichever was lost first."""
    ledger = Ledger()
    ledger.receive(0, 50)
    for start, reason in ((30, "quota"), (10, "quota"), (20, "quota"), (40, "broken"), (0, "broken")):
        ledger.lose(start, start + 10, reason)
    ledger.lose(50, 60, "broken")
    assert ledger.coverage().lost_ranges == (
        LostRange(0, 10, "broken"),
        LostRange(10, 40, "quota"),
        LostRange(40, 60, "broken"),
    )


def test_what_is_lost_may_reach_beyond_what_arrived() -> None:
    """The pending end of the timeline and what should have followed are lost together."""
    ledger = Ledger()
    ledger.receive(0, 10)
    ledger.lose(5, 20, "crash")
    assert ledger.coverage() == Coverage(
        captured=20, received=10, pending=5, lost=15, lost_ranges=(LostRange(5, 20, "crash"),)
    )


def test_audio_is_settled_once() -> None:
    """What is transcribed, silent or lost cannot become anything else."""
    ledger = Ledger()
    ledger.receive(0, 30)
    ledger.silence(0, 10)
    ledger.transcribe(10, 20)
    for start, end in ((0, 10), (15, 25), (25, 31), (-5, 5), (28, 22)):
        with pytest.raises(ValueError, match="not pending"):
            ledger.transcribe(start, end)
    ledger.transcribe(7, 7)
    ledger.receive(30, 30)
    ledger.lose(30, 30, "nothing")
    assert ledger.coverage() == Coverage(captured=30, received=30, transcribed=10, silence=10, pending=10)
    with pytest.raises(ValueError, match="leaves a hole"):
        ledger.lose(31, 32, "too far")
    with pytest.raises(ValueError, match="does not continue"):
        ledger.skip(31, 32)


def test_thousands_of_losses_are_counted_but_not_all_listed() -> None:
    """A client that makes a hole of every other frame cannot grow the list without end."""
    ledger = Ledger()
    for frame in range(0, 2 * (LISTED_LOSSES + 100), 2):
        ledger.receive(frame, frame + 1)
        ledger.lose(frame + 1, frame + 2, "not_received")
    coverage = ledger.coverage()
    assert coverage.balanced()
    assert coverage.lost == LISTED_LOSSES + 100
    assert len(coverage.lost_ranges) == LISTED_LOSSES
