"""What is believed, tried again and dropped."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from echopanel.asr.guards import Limits, Loop, Signals, Verdict, compression_ratio, find_loop, judge

GOOD = "It was the best of times, it was the worst of times."


def signals(
    text: str = GOOD,
    seconds: float = 4.0,
    avg_logprob: float = -0.2,
    no_speech_prob: float = 0.1,
    exhausted: bool = False,
    loop: Loop | None = None,
) -> Signals:
    """A decode that is beyond doubt but for what is given."""
    return Signals(text, seconds, avg_logprob, no_speech_prob, exhausted, loop)


@pytest.mark.parametrize(
    ("doubt", "verdict"),
    [
        (signals(), Verdict.KEEP),
        (signals(text=""), Verdict.KEEP),
        (signals(no_speech_prob=0.99), Verdict.KEEP),
        (signals(avg_logprob=-1.2), Verdict.KEEP),
        (signals(avg_logprob=-1.2, no_speech_prob=0.9), Verdict.DROP),
        (signals(exhausted=True), Verdict.RETRY),
        (signals(loop=Loop(0, 4, 3)), Verdict.RETRY),
        (signals(text="thank you " * 30, seconds=60.0), Verdict.RETRY),
        (signals(seconds=0.1), Verdict.RETRY),
    ],
)
def test_each_sign_alone_leads_to_its_verdict(doubt: Signals, verdict: Verdict) -> None:
    """A confident text is kept even where speech is unlikely; an unsure one only where that is likely."""
    assert judge(doubt, Limits()) is verdict


def test_compression_ratio_tells_repetition_from_speech() -> None:
    """Repetition compresses well, prose does not."""
    assert compression_ratio(GOOD) < 1.5
    assert compression_ratio("it was the age of wisdom, " * 12) > Limits().compression_ratio


@pytest.mark.parametrize(
    ("tokens", "loop"),
    [
        ([], None),
        ([1], None),
        ([1, 2, 3, 4], None),
        ([5, 5], None),
        ([1, 5, 5, 5], Loop(1, 1, 3)),
        ([9, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1], Loop(1, 3, 3)),
        ([1, 2, 3, 1, 2, 3], None),
        ([7, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8], Loop(1, 8, 2)),
        ([1, 1, 1, 2], None),
    ],
)
def test_loops_are_found_at_the_end_only(tokens: list[int], loop: Loop | None) -> None:
    """Three copies of anything, or two of something long, make a loop; people do say things twice."""
    assert find_loop(tokens) == loop


@given(
    head=st.lists(st.integers(0, 4), max_size=6),
    body=st.lists(st.integers(5, 9), min_size=1, max_size=6, unique=True),
    copies=st.integers(3, 6),
    cut=st.integers(0, 5),
)
def test_a_made_loop_is_always_found(head: list[int], body: list[int], copies: int, cut: int) -> None:
    """However long the body and wherever the last copy is cut, one copy of it is what remains."""
    assume(cut < len(body))
    loop = find_loop(head + body * copies + body[:cut])
    assert loop == Loop(len(head), len(body), copies)


@given(st.lists(st.integers(0, 3), max_size=40))
def test_a_found_loop_is_a_loop(tokens: list[int]) -> None:
    """What is reported really repeats, up to the end."""
    loop = find_loop(tokens)
    if loop:
        body = tokens[loop.start : loop.start + loop.period]
        copies = body * (loop.repeats + 1)
        assert tokens[loop.start :] == copies[: len(tokens) - loop.start]
        assert (len(tokens) - loop.start) // loop.period == loop.repeats
