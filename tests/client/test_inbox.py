"""Events on their way to the reader."""

from __future__ import annotations

import pytest

from echopanel.audio import Source
from echopanel.client.events import Event, LinkState, LinkStatus, as_json
from echopanel.client.inbox import Inbox
from echopanel.errors import ConnectionLost, ErrorCode
from echopanel.transcript import Coverage, Final, Gap, GapStatus, Partial, Revision, Segment
from echopanel.wire.messages import Error, Flow, Stopped


def partial(segment: str, revision: int) -> Partial:
    """A partial."""
    return Partial(segment, Source.MIC, revision, 0.0, "a", "b")


def final(segment: str) -> Final:
    """A final."""
    return Final(Segment(segment, Source.MIC, 0.0, 1.0, "a b", 0, 16_000))


def flow(level: int) -> Flow:
    """A flow."""
    return Flow(level, "full", "", 0, 0, 0, 0, 1, 0, {})


async def unread(inbox: Inbox) -> list[Event]:
    """Everything in a closed inbox."""
    events = []
    while (event := await inbox.get()) is not None:
        events.append(event)
    return events


async def test_what_is_overtaken_is_not_delivered() -> None:
    """A newer partial, the final, a newer flow; everything else stays, in order."""
    inbox = Inbox()
    for event in (partial("a", 1), flow(0), partial("a", 2), partial("b", 1), final("a"), flow(1)):
        inbox.put(event)
    assert repr(inbox) == "<Inbox [3 unread]>"
    inbox.close()
    assert await unread(inbox) == [partial("b", 1), final("a"), flow(1)]


async def test_nobody_reading_costs_no_memory_for_partials() -> None:
    """Hours of partials and flows are as good as the newest."""
    inbox = Inbox()
    for n in range(1000):
        inbox.put(partial("a", n))
        inbox.put(flow(n))
    inbox.close()
    assert await unread(inbox) == [partial("a", 999), flow(999)]


async def test_a_failure_comes_behind_the_events_and_once() -> None:
    """What was heard before is not lost with the connection."""
    inbox = Inbox()
    inbox.put(final("a"))
    inbox.fail(ConnectionLost("gone", resumable=True))
    assert await inbox.get() == final("a")
    with pytest.raises(ConnectionLost, match="gone"):
        await inbox.get()
    inbox.close()
    assert await inbox.get() is None


SEGMENT = final("a").segment
LINK = {"type": "link", "state": "waiting", "reason": "cut", "retry_in": 2.0, "session": "s1"}


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        (partial("a", 1), {"type": "partial", "segment": "a", "text": "a b"}),
        (final("a"), {"type": "final", "segment": "a", "text": "a b", "source": "mic"}),
        (Revision(("z",), (SEGMENT,), "repair"), {"type": "revision", "replaces": ["z"], "reason": "repair"}),
        (Gap(Source.MIC, 0, 5, "muted", GapStatus.LOST), {"type": "gap", "end_sample": 5, "status": "lost"}),
        (flow(2), {"type": "flow", "level": 2}),
        (Error(ErrorCode.INTERNAL, "oops", fatal=False), {"type": "error", "code": "internal"}),
        (Stopped("s1", {Source.MIC: Coverage()}), {"type": "stopped", "session": "s1"}),
        (
            LinkStatus(LinkState.WAITING, "cut", 2.0, 1.5, 0.0, "s1"),
            LINK,
        ),
    ],
)
def test_events_look_like_messages_in_json(event: Event | Stopped, fields: dict[str, object]) -> None:
    """One vocabulary for people who read the socket and people who read the command line."""
    shown = as_json(event)
    assert {name: shown[name] for name in fields} == fields
    assert "event" not in shown
