"""What waits for a client: in order, bounded, and never older than it has to be."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from echopanel.audio import Source
from echopanel.errors import ErrorCode
from echopanel.server.outbox import Outbox
from echopanel.transcript import Final, Partial, Segment
from echopanel.wire.messages import (
    Ack,
    Error,
    FinalMessage,
    Flow,
    PartialMessage,
    Pong,
    ServerMessage,
    Stopped,
)


def pong(number: int) -> Pong:
    """Something that is never replaced."""
    return Pong(str(number))


def partial(segment: str, revision: int) -> PartialMessage:
    """Text of an open segment."""
    return PartialMessage(Partial(segment, Source.MIC, revision, 0.0, "", "text"))


def final(segment: str) -> FinalMessage:
    """The end of a segment."""
    return FinalMessage(1, Final(Segment(segment, Source.MIC, 0.0, 1.0, "text", 0, 16_000)))


def flow(queue_depth: int) -> Flow:
    """How it goes."""
    return Flow(0, "full", "", 0.0, 0.0, 0.0, 0.0, 0.5, queue_depth, {})


async def drain(outbox: Outbox) -> list[ServerMessage]:
    """All that waits."""
    return [await outbox.get() for _ in range(len(outbox))]


async def test_messages_come_in_order() -> None:
    """First in, first out."""
    outbox = Outbox(10)
    for number in range(5):
        outbox.put(pong(number))
    assert await drain(outbox) == [pong(number) for number in range(5)]


async def test_getting_waits() -> None:
    """Until there is something."""
    outbox = Outbox(10)
    getting = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    assert not getting.done()
    outbox.put(pong(1))
    assert await getting == pong(1)


async def test_a_newer_one_of_its_kind_replaces_an_unsent_one() -> None:
    """Acks per source, partials per segment, the flow; it goes to the end, so the order of news is kept."""
    outbox = Outbox(10)
    outbox.put(partial("mic-1", 1))
    outbox.put(Ack(Source.MIC, 100, 200))
    outbox.put(flow(1))
    outbox.put(Ack(Source.SYSTEM, 100, 200))
    outbox.put(pong(1))
    outbox.put(partial("mic-2", 1))
    outbox.put(partial("mic-1", 2))
    outbox.put(Ack(Source.MIC, 300, 400))
    outbox.put(flow(2))
    assert await drain(outbox) == [
        Ack(Source.SYSTEM, 100, 200),
        pong(1),
        partial("mic-2", 1),
        partial("mic-1", 2),
        Ack(Source.MIC, 300, 400),
        flow(2),
    ]


async def test_a_final_stays_behind_its_partials() -> None:
    """Finals are never replaced and never overtaken."""
    outbox = Outbox(10)
    outbox.put(partial("mic-1", 1))
    outbox.put(final("mic-1"))
    outbox.put(partial("mic-2", 1))
    assert await drain(outbox) == [partial("mic-1", 1), final("mic-1"), partial("mic-2", 1)]


async def test_a_client_that_does_not_read_is_noticed() -> None:
    """At the bound nothing more is taken; what replaces something needs no room."""
    outbox = Outbox(3)
    outbox.put(flow(1))
    outbox.put(pong(1))
    outbox.put(pong(2))
    outbox.put(flow(2))
    assert not outbox.overflowed.is_set()
    outbox.put(pong(3))
    assert outbox.overflowed.is_set()
    outbox.put(pong(4))
    assert len(outbox) == 3


async def test_what_was_missed_has_room() -> None:
    """However much it is, it does not count; what comes after it does."""
    outbox = Outbox(2)
    outbox.preload([pong(number) for number in range(100)])
    outbox.put(pong(100))
    outbox.put(pong(101))
    assert not outbox.overflowed.is_set()
    assert await drain(outbox) == [pong(number) for number in range(102)]
    for number in range(3):
        outbox.put(pong(number))
    assert outbox.overflowed.is_set()


async def test_how_long_messages_wait_is_told() -> None:
    """For the metric."""
    waits: list[float] = []
    outbox = Outbox(2, waits.append)
    outbox.put(pong(1))
    await outbox.get()
    assert len(waits) == 1
    assert waits[0] >= 0


news = st.one_of(
    st.builds(pong, st.integers(0, 5)),
    st.builds(flow, st.integers(0, 5)),
    st.builds(partial, st.sampled_from(["a", "b", "c"]), st.integers(0, 5)),
    st.builds(lambda sample: Ack(Source.MIC, sample, sample), st.integers(0, 5)),
)


@given(st.lists(news, max_size=40), st.integers(1, 10))
def test_it_never_holds_more_than_its_bound(messages: list[ServerMessage], bound: int) -> None:
    """Whatever comes, and nothing that may not be replaced is lost before it has overflowed."""

    async def run() -> None:
        outbox = Outbox(bound)
        for message in messages:
            outbox.put(message)
            assert len(outbox) <= bound
        if not outbox.overflowed.is_set():
            left = await drain(outbox)
            assert [m for m in left if isinstance(m, Pong)] == [m for m in messages if isinstance(m, Pong)]
            for kind in (Flow, Ack):
                newest = [m for m in messages if isinstance(m, kind)][-1:]
                assert [m for m in left if isinstance(m, kind)] == newest

    asyncio.run(run())


async def test_nothing_comes_behind_the_end() -> None:
    """What comes later neither follows it nor takes the place of what was said before it."""
    for end in (Stopped("s", {}), Error(ErrorCode.GOING_AWAY, "restart")):
        outbox = Outbox(10)
        for message in (flow(1), Error(ErrorCode.STORAGE_FAILED, "full", fatal=False), end):
            outbox.put(message)
        outbox.put(flow(2))
        assert [type(message) for message in await drain(outbox)] == [Flow, Error, type(end)]
