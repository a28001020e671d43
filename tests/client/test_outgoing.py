"""How much audio goes into a frame."""

from __future__ import annotations

from typing import cast

import pytest

from echopanel.audio import SAMPLE_BYTES, AudioFrame, Source, to_samples
from echopanel.client.outgoing import Outgoing
from echopanel.policy.replay import ReplayLimits
from echopanel.wire.client import ClientConnection
from echopanel.wire.states import State

CRUMB = bytes(to_samples(0.05) * SAMPLE_BYTES)


class Open:
    """A connection that takes anything."""

    state = State.LIVE

    def allowance(self, source: Source, start: int) -> int:
        return 1_000_000


WIRE = cast(ClientConnection, Open())


@pytest.fixture
def outgoing() -> Outgoing:
    """One source of which nothing was said yet."""
    return Outgoing((Source.MIC,), ReplayLimits())


def frames(outgoing: Outgoing, crumbs: int) -> list[float]:
    """Seconds of the frames that are sent while so many crumbs of 50 ms come in."""
    sent: list[float] = []
    for at in range(crumbs):
        outgoing.add(Source.MIC, CRUMB, at * 0.05, None, None)
        while (message := outgoing.next_message(WIRE, 1_000_000)) is not None:
            assert isinstance(message, AudioFrame)
            sent.append(round(message.count / 16_000, 3))
    return sent


def test_frames_are_longer_while_the_server_decodes_rarely(outgoing: Outgoing) -> None:
    """As long as its `flow` says so."""
    assert frames(outgoing, 3) == [0.05] * 3
    outgoing.follow(4.0)
    assert frames(outgoing, 16) == [0.4, 0.4]
    outgoing.follow(0.5)
    assert frames(outgoing, 3) == [0.05] * 3


def test_what_nothing_comes_behind_is_not_kept_for_long(outgoing: Outgoing) -> None:
    """Two `flow`s later it goes as it is: its source may be muted."""
    frames(outgoing, 1)
    outgoing.follow(8.0)
    assert frames(outgoing, 3) == []
    outgoing.follow(8.0)
    (frame,) = (outgoing.next_message(WIRE, 1_000_000),)
    assert isinstance(frame, AudioFrame)
    assert frame.count == 3 * len(CRUMB) // SAMPLE_BYTES
    assert outgoing.next_message(WIRE, 1_000_000) is None


def test_nothing_is_kept_from_a_flush_or_the_end(outgoing: Outgoing) -> None:
    """What was asked for behind it is to have it."""
    outgoing.follow(8.0)
    frames(outgoing, 1)
    outgoing.follow(8.0)
    assert frames(outgoing, 1) == []
    outgoing.flush()
    assert isinstance(outgoing.next_message(WIRE, 1_000_000), AudioFrame)
