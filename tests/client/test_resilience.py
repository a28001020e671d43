"""What a meeting does when the connection fails."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import AsyncExitStack

import numpy as np
import pytest

import echopanel
from echopanel import Event, Final, LinkState, LinkStatus, Meeting, Resilience, Source
from echopanel.audio import SAMPLE_RATE
from echopanel.errors import ConnectionLost, ErrorCode, ServerError
from echopanel.policy.backoff import Backoff
from echopanel.wire import messages as m
from tests.client.scripted import Scripted, listening
from tests.helpers.proxy import Proxy, Weather, proxied

MIC, SYSTEM = Source.MIC, Source.SYSTEM
SECOND = bytes(2 * SAMPLE_RATE)
AT_ONCE = Backoff(base=0.001, cap=0.01)
TIRELESS = Resilience(attempts=100_000, backoff=AT_ONCE, breaker_failures=100_000, quick_failure_s=0.0)
QUICK = Resilience(backoff=AT_ONCE, breaker_open_s=0.01, quick_failure_s=0.0)


def meeting_with(server: Scripted, resilience: Resilience = QUICK, *sources: str) -> Meeting:
    """A meeting that does not waste the time of tests."""
    return echopanel.connect(server.url, sources=sources or ["mic"], resilience=resilience, open_timeout=5)


async def until(meeting: Meeting, wanted: Callable[[Event], bool]) -> list[Event]:
    """The events up to the first that is wanted."""
    events: list[Event] = []
    async for event in meeting:
        events.append(event)
        if wanted(event):
            return events
    raise AssertionError(f"the meeting ended: {events}")


def is_state(state: LinkState) -> Callable[[Event], bool]:
    """Whether an event says that the link is in `state` now."""
    return lambda event: isinstance(event, LinkStatus) and event.state is state


def words(events: list[Event]) -> list[str]:
    """The texts of the finals."""
    return [event.segment.text for event in events if isinstance(event, Final)]


async def test_a_cut_is_survived_without_the_caller_noticing(server: Scripted) -> None:
    """The session goes on, no sample is missing or doubled, and every final comes once."""
    audio = np.arange(10 * SAMPLE_RATE, dtype=np.int16).astype("<i2").tobytes()
    async with meeting_with(server) as meeting:
        for second in range(10):
            await meeting.send("mic", audio[second * 32_000 : (second + 1) * 32_000])
            await meeting.flush()
            if second % 3 == 1:
                server.cut()
        await meeting.stop()
        events = [event async for event in meeting]
    assert list(server.sessions) == ["s1"]
    assert bytes(server.session.audio[MIC]) == audio
    assert server.session.holes == []
    assert words(events) == [f"word{n}" for n in range(1, 11)]


async def test_the_link_is_observable(server: Scripted) -> None:
    """Each step is an event: when the next attempt comes, why, and how much is buffered."""
    server.acknowledge = False
    async with meeting_with(server) as meeting:
        await meeting.send("mic", SECOND * 5)
        await meeting.flush()
        server.cut()
        events = await until(meeting, is_state(LinkState.WAITING))
        waiting = events[-1]
        assert isinstance(waiting, LinkStatus)
        assert waiting.retry_in == pytest.approx(0.001, rel=0.21)
        assert (waiting.buffered_s, waiting.dropped_s, waiting.session) == (5.0, 0.0, "s1")
        assert waiting.reason == "the network connection broke"
        events = await until(meeting, is_state(LinkState.LIVE))
        states = [(event.state, event.reason) for event in events if isinstance(event, LinkStatus)]
        assert states == [("connecting", ""), ("live", "resumed")]


async def test_audio_of_an_outage_is_caught_up(server: Scripted) -> None:
    """Live audio goes on behind what is sent again, in order, within the credit."""
    server.window = 3 * SAMPLE_RATE
    async with meeting_with(server, QUICK, "mic", "system") as meeting:
        await meeting.send("mic", SECOND)
        await meeting.flush()
        server.refusal = m.Error(ErrorCode.GOING_AWAY, "restarting")
        server.cut()
        await until(meeting, is_state(LinkState.WAITING))
        for _ in range(10):
            await meeting.send("mic", SECOND)
            await meeting.send("system", SECOND)
        server.refusal = None
        await until(meeting, is_state(LinkState.CATCHING_UP))
        await until(meeting, is_state(LinkState.LIVE))
        await meeting.stop()
    assert {source: len(audio) // 32_000 for source, audio in server.session.audio.items()} == {
        MIC: 11,
        SYSTEM: 10,
    }
    assert server.session.holes == []


async def test_frames_in_arrears_are_longer(server: Scripted) -> None:
    """Catching up costs few messages."""
    async with meeting_with(server) as meeting:
        server.refusal = m.Error(ErrorCode.GOING_AWAY, "restarting")
        server.cut()
        await until(meeting, is_state(LinkState.WAITING))
        await meeting.send("mic", SECOND * 10)
        server.refusal = None
        await meeting.stop()
    assert {frame.count for frame in server.frames()} == {SAMPLE_RATE}


async def test_what_was_asked_is_asked_again(server: Scripted) -> None:
    """`flush` and `stop` return although their answers were lost."""
    async with meeting_with(server) as meeting:
        await meeting.send("mic", SECOND)
        server.silent = True
        asked = asyncio.gather(meeting.flush(), meeting.stop())
        await server.has_received(m.Stop)
        server.silent = False
        server.cut()
        _, stopped = await asked
    assert stopped.coverage[MIC].captured == SAMPLE_RATE


async def test_a_restarted_server_is_found_again() -> None:
    """While nobody listens audio is kept; nothing is left to be done by hand."""
    before = Scripted()
    async with AsyncExitStack() as stack:
        async with listening(before):
            meeting = await stack.enter_async_context(meeting_with(before, TIRELESS))
            await meeting.send("mic", SECOND)
            await meeting.flush()
        await until(meeting, is_state(LinkState.WAITING))
        await meeting.send("mic", SECOND)
        after = Scripted(sessions=before.sessions)
        async with listening(after, before.port):
            stopped = await meeting.stop()
            await stack.aclose()
    assert list(after.sessions) == ["s1"]
    assert stopped.coverage[MIC].captured == 2 * SAMPLE_RATE


async def test_a_lost_session_is_continued_by_a_new_one(server: Scripted) -> None:
    """What the server never acknowledged is sent to it; what came before is not its loss."""
    async with meeting_with(server) as meeting:
        await meeting.send("mic", SECOND * 2)
        await meeting.flush()
        await until(meeting, lambda event: words([event]) == ["word2"])
        server.acknowledge = False
        await meeting.send("mic", SECOND)
        await meeting.flush()
        old = server.sessions.pop("s1")
        server.sessions["unrelated"] = old
        server.acknowledge = True
        server.cut()
        await until(meeting, is_state(LinkState.WAITING))
        events = await until(meeting, is_state(LinkState.LIVE))
        assert meeting.session == "s2"
        assert getattr(events[-1], "reason", "") == "session s1 is over, a new one continues it"
        await meeting.send("mic", SECOND)
        await meeting.stop()
    session = server.session
    assert session.start is not None
    assert session.start.continues == "s1"
    assert [(hole.start, hole.end, hole.skipped) for _, hole in session.holes] == [(0, 2 * SAMPLE_RATE, True)]
    assert len(session.audio[MIC]) == 2 * len(SECOND)


async def test_after_all_attempts_the_connection_is_lost(server: Scripted) -> None:
    """Reader and callers are told; by hand it can be tried again, and nothing was lost meanwhile."""
    async with meeting_with(server, Resilience(attempts=15, backoff=AT_ONCE, breaker_open_s=0.01)) as meeting:
        await meeting.send("mic", SECOND)
        await meeting.flush()
        refused = server.refusal = m.Error(ErrorCode.OVERLOADED, "too busy")
        server.cut()
        events = await until(meeting, is_state(LinkState.LOST))
        assert len([event for event in events if is_state(LinkState.CONNECTING)(event)]) == 1 + 15
        with pytest.raises(ConnectionLost, match="too busy; gave up after 15 attempts"):
            await until(meeting, is_state(LinkState.LIVE))
        for call in (meeting.flush(), meeting.stop(), meeting.send("mic", SECOND)):
            with pytest.raises(ConnectionLost, match="gave up"):
                await call
        assert meeting.state is LinkState.LOST
        meeting.reconnect()
        await until(meeting, is_state(LinkState.LOST))
        server.refusal = None
        assert refused.code is ErrorCode.OVERLOADED
        meeting.reconnect()
        stopped = await meeting.stop()
    assert stopped.coverage[MIC].captured == SAMPLE_RATE


async def test_live_capture_goes_on_while_the_connection_is_lost(server: Scripted) -> None:
    """With overflow "drop" `send` keeps the newest, so that `reconnect` has something to send."""
    limits = echopanel.ReplayLimits(seconds=3)
    resilience = Resilience(attempts=0, replay=limits)
    async with echopanel.connect(
        server.url, sources=["mic"], resilience=resilience, overflow="drop"
    ) as meeting:
        server.cut()
        await until(meeting, is_state(LinkState.LOST))
        for _ in range(5):
            await meeting.send("mic", SECOND)
        meeting.reconnect()
        await meeting.stop()
    ((_, hole),) = server.session.holes
    assert (hole.start, hole.end, hole.skipped) == (0, 2 * SAMPLE_RATE, False)


async def test_a_full_buffer_makes_the_caller_wait(server: Scripted) -> None:
    """With overflow "wait" an outage never costs audio; `send` returns when there is room again."""
    resilience = Resilience(
        attempts=1000, backoff=AT_ONCE, breaker_failures=10_000, replay=echopanel.ReplayLimits(seconds=2)
    )
    async with meeting_with(server, resilience) as meeting:
        server.refusal = m.Error(ErrorCode.GOING_AWAY, "restarting")
        server.cut()
        await until(meeting, is_state(LinkState.WAITING))
        sending = asyncio.create_task(meeting.send("mic", SECOND * 10))
        await until(meeting, is_state(LinkState.WAITING))
        assert not sending.done()
        server.refusal = None
        await sending
        await meeting.stop()
    assert server.session.timelines[MIC].next == 10 * SAMPLE_RATE
    assert server.session.holes == []


async def test_reconnecting_by_hand_cuts_the_wait_short(server: Scripted) -> None:
    """Who knows that the network is back need not wait for the backoff."""
    async with meeting_with(server, Resilience(backoff=Backoff(base=1000, cap=1000))) as meeting:
        server.cut()
        await until(meeting, is_state(LinkState.WAITING))
        meeting.reconnect()
        await until(meeting, is_state(LinkState.LIVE))


async def test_a_connection_that_dies_right_after_ready_counts_as_a_failure(server: Scripted) -> None:
    """Else a server that crashes on each session would be asked for ever."""
    async with meeting_with(server, Resilience(attempts=3, backoff=AT_ONCE, breaker_open_s=0.01)) as meeting:
        server.cut_after_ready = True
        server.cut()
        events = await until(meeting, is_state(LinkState.LOST))
    assert len([event for event in events if is_state(LinkState.LIVE)(event)]) == 1 + 3


async def test_final_errors_are_not_retried(server: Scripted) -> None:
    """A token that was withdrawn, a session that somebody else took over."""
    async with meeting_with(server) as meeting:
        await server.say(m.Error(ErrorCode.SESSION_TAKEN_OVER, "another connection resumed it"))
        with pytest.raises(ServerError, match="session_taken_over"):
            await meeting.stop()
        with pytest.raises(ServerError, match="session_taken_over"):
            await until(meeting, is_state(LinkState.WAITING))
        assert meeting.state is LinkState.CLOSED


async def test_a_close_code_alone_says_why(server: Scripted) -> None:
    """Where the `error` message did not make it."""
    async with meeting_with(server) as meeting:
        (socket,) = server.sockets
        await socket.close(1012, "restarting")
        events = await until(meeting, is_state(LinkState.WAITING))
        status = events[-1]
        assert isinstance(status, LinkStatus)
        assert status.reason == "going_away: restarting"
        await until(meeting, is_state(LinkState.LIVE))
        (socket,) = server.sockets
        await socket.close(3000, "odd")
        await until(meeting, is_state(LinkState.LIVE))
        await meeting.stop()


async def test_a_server_that_stops_answering_is_left(server: Scripted) -> None:
    """Silence behind an open connection is a failure too; pongs are a sign of life."""
    async with meeting_with(server, Resilience(backoff=AT_ONCE, ping_s=0.02, dead_s=0.2)) as meeting:
        while sum(isinstance(got, m.Ping) for got in server.received) < 20:
            await meeting.flush()
        assert meeting.state is LinkState.LIVE
        server.answer_pings = False
        events = await until(meeting, is_state(LinkState.WAITING))
        status = events[-1]
        assert isinstance(status, LinkStatus)
        assert status.reason == "the server has stopped answering"
        server.answer_pings = True
        await until(meeting, is_state(LinkState.LIVE))


async def test_a_network_that_swallows_everything_is_noticed(server: Scripted) -> None:
    """Also when so much waits to be sent that not even a ping gets out; and one can leave in the middle."""
    server.window = 1000 * SAMPLE_RATE
    proxy = Proxy(server.port, random.Random(1))
    quick = Resilience(attempts=100, backoff=AT_ONCE, ping_s=0.05, dead_s=0.3, breaker_open_s=0.01)
    async with (
        proxied(proxy),
        echopanel.connect(proxy.url, sources=["mic"], resilience=quick, overflow="drop") as meeting,
    ):
        proxy.change(Weather(hole=True))
        await meeting.send("mic", SECOND * 500)
        events = await until(meeting, is_state(LinkState.WAITING))
        status = events[-1]
        assert isinstance(status, LinkStatus)
        assert status.reason == "the server has stopped answering"
        proxy.change(Weather())
        await until(meeting, is_state(LinkState.CATCHING_UP))
        proxy.change(Weather(hole=True))


async def test_messages_that_come_twice_change_nothing(server: Scripted) -> None:
    """A network that repeats audio, slowly."""
    proxy = Proxy(server.port, random.Random(2), weather=Weather(repeat=0.7, delay_s=0.01, rate=2_000_000))
    audio = random.Random(3).randbytes(2 * 6 * SAMPLE_RATE)
    async with proxied(proxy), echopanel.connect(proxy.url, sources=["mic"], resilience=QUICK) as meeting:
        for at in range(0, len(audio), 8000):
            await meeting.send("mic", audio[at : at + 8000])
        await meeting.stop()
    assert bytes(server.session.audio[MIC]) == audio
    assert server.session.holes == []
    frames = [frame.start for frame in server.frames()]
    assert len(frames) > len(set(frames))


@pytest.mark.parametrize("seed", range(10))
async def test_cuts_at_random_bytes_lose_and_double_nothing(server: Scripted, seed: int) -> None:
    """Through a network that breaks in the middle of anything the server gets every sample once."""
    chance = random.Random(seed)
    proxy = Proxy(server.port, chance, cuts=8, most_bytes=80_000, refuse=seed % 3)
    audio = {source: chance.randbytes(2 * 6 * SAMPLE_RATE) for source in Source}
    async with proxied(proxy):
        meeting = await connected(proxy)
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(all_of(meeting))
            for at in range(0, 6 * SAMPLE_RATE * 2, 8000):
                for source in Source:
                    await meeting.send(source, audio[source][at : at + 8000])
                if chance.random() < 0.1:
                    await meeting.flush()
            stopped = await meeting.stop()
        await meeting.__aexit__(None, None, None)
    session = server.session
    assert {source: bytes(session.audio[source]) for source in Source} == audio
    assert session.holes == []
    assert [(e.segment.source, e.segment.text) for e in reader.result() if isinstance(e, Final)] == [
        (event.final.segment.source, event.final.segment.text) for event in session.events
    ]
    assert {source: ledger.captured for source, ledger in stopped.coverage.items()} == dict.fromkeys(
        Source, 6 * SAMPLE_RATE
    )


async def connected(proxy: Proxy) -> Meeting:
    """A meeting through the proxy; its first connection may be cut too, so it is tried until it holds."""
    while True:
        meeting = echopanel.connect(proxy.url, resilience=TIRELESS, open_timeout=5)
        try:
            return await meeting.__aenter__()
        except ConnectionLost:
            continue


async def all_of(meeting: Meeting) -> list[Event]:
    """Every event."""
    return [event async for event in meeting]
