"""How far ahead a client may send."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from echopanel.wire.credit import Credit

actions = st.lists(st.tuples(st.sampled_from("sjgd"), st.integers(min_value=0, max_value=500)), max_size=60)


@given(actions, st.integers(min_value=1, max_value=400))
def test_the_client_never_believes_in_more_credit_than_was_granted(
    script: list[tuple[str, int]], window: int
) -> None:
    """Grants are under way while the client sends and jumps: what it sends is within the server's figure."""
    client, server = Credit(0, window), Credit(0, window)
    upward: list[tuple[int, int]] = []
    downward: list[int] = []
    for what, size in script:
        if what == "s" and (count := min(size, client.allowance(client.sent))):
            upward.append((client.sent, client.sent + count))
            client.spend(*upward[-1])
        elif what == "j" and (count := min(size, client.allowance(client.sent + size))):
            upward.append((client.sent + size, client.sent + size + count))
            client.spend(*upward[-1])
        elif what == "g" and upward:
            start, end = upward.pop(0)
            assert end - start <= server.allowance(start)
            server.spend(start, end)
            downward.append(server.grant(server.sent + window))
        elif what == "d" and downward:
            client.grant(downward.pop(0))
        assert client.limit <= server.limit + sum(end - start for start, end in upward) + _jumps(
            upward, server.sent
        )


def _jumps(upward: list[tuple[int, int]], at: int) -> int:
    total = 0
    for start, end in upward:
        total += max(0, start - at)
        at = max(at, end)
    return total


def test_granting_again_changes_nothing() -> None:
    """Credit is a place, so a repeated or late grant does no harm."""
    credit = Credit(0, 100)
    assert credit.grant(300) == credit.grant(300) == credit.grant(200) == 300


def test_a_muted_hour_costs_no_credit() -> None:
    """Nothing is sent for what is skipped."""
    credit = Credit(sent=50, limit=100)
    assert credit.allowance(50) == 50
    assert credit.allowance(50 + 3600 * 16_000) == 50
    credit.spend(1000, 1050)
    assert credit.allowance(1050) == 0
    assert repr(credit) == "<Credit 1050/1050>"


def test_samples_sent_again_need_to_be_below_the_limit() -> None:
    """An overlap is within the credit that was there for it."""
    credit = Credit(sent=80, limit=100)
    assert credit.allowance(60) == 40
    credit.spend(60, 90)
    assert (credit.sent, credit.limit) == (90, 100)
