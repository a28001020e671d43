"""A meeting over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

import echopanel
from echopanel import Event, Final, Flow, Gap, LinkState, LinkStatus, Meeting, Partial, Revision, Source
from echopanel.audio import SAMPLE_RATE
from echopanel.errors import (
    AudioError,
    ConfigError,
    ConnectionLost,
    ErrorCode,
    LocalProtocolError,
    Overloaded,
    RemoteProtocolError,
    ServerError,
)
from echopanel.transcript import GapStatus
from echopanel.wire import messages as m
from echopanel.wire.codec import encode
from tests.client.scripted import Scripted

MIC = Source.MIC
SECOND = bytes(2 * SAMPLE_RATE)


async def read(meeting: Meeting) -> list[Event]:
    """All events to the end of the meeting."""
    return [event async for event in meeting]


def words(events: Iterable[Event]) -> list[str]:
    """The texts of the finals."""
    return [event.segment.text for event in events if isinstance(event, Final)]


def states(events: Iterable[Event]) -> list[LinkState]:
    """The states of the link."""
    return [event.state for event in events if isinstance(event, LinkStatus)]


async def test_send_stop_then_read(server: Scripted) -> None:
    """The eight lines of the README: events are kept until they are read."""
    async with echopanel.connect(server.url, sources=["mic"]) as meeting:
        await meeting.send("mic", SECOND * 3)
        stopped = await meeting.stop()
        events = await read(meeting)
    assert words(events) == ["word1", "word2", "word3"]
    assert stopped.coverage[MIC].captured == 3 * SAMPLE_RATE
    assert states(events) == [LinkState.CONNECTING, LinkState.LIVE, LinkState.CLOSED]


async def test_reading_while_sending(server: Scripted) -> None:
    """Words come while others are still being spoken."""
    async with echopanel.connect(server.url) as meeting, asyncio.TaskGroup() as group:
        reader = group.create_task(read(meeting))
        for _ in range(3):
            await meeting.send("system", SECOND)
            await meeting.flush()
        await meeting.stop()
    assert words(reader.result()) == ["word1", "word2", "word3"]


async def test_audio_arrives_as_it_was_sent(server: Scripted) -> None:
    """In frames with their place and time; bytes, int16 and float32 alike."""
    ramp = np.arange(4000, dtype=np.int16)
    async with echopanel.connect(server.url) as meeting:
        await meeting.send("mic", ramp.tobytes(), captured_ms=5000.0)
        await meeting.flush()
        await meeting.send("mic", ramp)
        await meeting.send("mic", (ramp / 32_768).astype(np.float32))
        await meeting.send("mic", memoryview(b""))
        await meeting.stop()
    assert bytes(server.session.audio[MIC]) == 3 * ramp.astype("<i2").tobytes()
    assert server.frames()[0].captured_ms == 5000.0
    assert server.frames()[1].start == server.frames()[0].end


async def test_live_audio_goes_out_in_frames_of_100_ms(server: Scripted) -> None:
    """No frame makes the words wait for longer than that."""
    async with echopanel.connect(server.url, sources=["mic"]) as meeting:
        for _ in range(4):
            await meeting.send("mic", bytes(3200))
            await meeting.flush()
        await meeting.stop()
    assert [frame.count for frame in server.frames()] == [1600] * 4


async def test_capture_times_follow_the_audio_by_default(server: Scripted) -> None:
    """What is sent in one go was recorded in one go, ending about now."""
    async with echopanel.connect(server.url, sources=["mic"]) as meeting:
        await meeting.send("mic", SECOND)
        await meeting.flush()
        meeting.skip("mic", SAMPLE_RATE)
        await meeting.send("mic", SECOND)
        await meeting.stop()
    first, *_rest, last = server.frames()
    assert last.captured_ms - first.captured_ms == pytest.approx((last.start - first.start) / 16)


async def test_a_muted_source_skips_ahead(server: Scripted) -> None:
    """The hole is marked as never captured; the end of a muted source is no hole at all."""
    async with echopanel.connect(server.url, sources=["mic"]) as meeting:
        await meeting.send("mic", SECOND)
        meeting.skip("mic", 500)
        meeting.skip("mic", 0)
        await meeting.send("mic", SECOND)
        meeting.skip("mic", 700)
        await meeting.stop()
    ((_, hole),) = server.session.holes
    assert (hole.start, hole.end, hole.skipped) == (SAMPLE_RATE, SAMPLE_RATE + 500, True)
    assert server.received[-1] == m.Stop({MIC: 2 * SAMPLE_RATE + 500})


async def test_a_given_start_leaves_a_hole(server: Scripted) -> None:
    """The caller knows what it lost; going back is a mistake."""
    async with echopanel.connect(server.url, sources=["mic"]) as meeting:
        await meeting.send("mic", SECOND, start=100)
        with pytest.raises(LocalProtocolError, match=r"sample 99 was sent already, up to 16100"):
            await meeting.send("mic", SECOND, start=99)
        await meeting.stop()
    assert [(hole.start, hole.end, hole.skipped) for _, hole in server.session.holes] == [(0, 100, False)]


async def test_without_credit_send_waits(server: Scripted) -> None:
    """Back-pressure reaches the caller, and ends with the credit."""
    server.window, server.acknowledge = 2 * SAMPLE_RATE, False
    async with echopanel.connect(server.url, sources=["mic"]) as meeting:
        sending = asyncio.create_task(meeting.send("mic", SECOND * 10))
        async for event in meeting:
            if words([event]) == ["word2"]:
                break
        assert not sending.done()
        assert server.session.timelines[MIC].next == 2 * SAMPLE_RATE
        await server.say(m.Ack(MIC, 0, 100 * SAMPLE_RATE))
        await sending
        await meeting.stop()
    assert server.session.timelines[MIC].next == 10 * SAMPLE_RATE


async def test_drop_never_waits(server: Scripted) -> None:
    """Live capture goes on; the oldest is dropped, counted and a hole for the server."""
    server.window, server.acknowledge = 2 * SAMPLE_RATE, False
    resilience = echopanel.Resilience(replay=echopanel.ReplayLimits(seconds=3))
    async with echopanel.connect(
        server.url, sources=["mic"], resilience=resilience, overflow="drop"
    ) as meeting:
        for _ in range(10):
            await meeting.send("mic", SECOND)
        server.window, server.acknowledge = 100 * SAMPLE_RATE, True
        await server.say(m.Ack(MIC, 0, 100 * SAMPLE_RATE))
        await meeting.stop()
        events = await read(meeting)
    lost = sum(hole.end - hole.start for _, hole in server.session.holes if not hole.skipped)
    assert lost > 0
    assert lost + len(server.session.audio[MIC]) // 2 == 10 * SAMPLE_RATE
    closed = events[-1]
    assert isinstance(closed, LinkStatus)
    assert closed.dropped_s >= lost / SAMPLE_RATE


async def test_every_kind_of_event_is_delivered(server: Scripted) -> None:
    """As the dataclasses of `echopanel`, in order."""
    segment = echopanel.Segment("mic-1", MIC, 0.0, 1.0, "hello", 0, 16_000)
    gap = Gap(MIC, 0, 1600, "overload", GapStatus.PENDING)
    told: list[Any] = [
        Partial("mic-1", MIC, 1, 0.0, "", "hel"),
        Final(segment),
        Revision(("mic-1",), (segment,), "repair"),
        gap,
        Flow(0, "full", "", 0, 0, 0, 0, 1, 0, {}),
        m.Error(ErrorCode.RECOGNISER_FAILED, "one chunk failed", fatal=False),
    ]
    partial, final, revision, _, flow, error = told
    async with echopanel.connect(server.url) as meeting:
        got: list[Event] = []
        await server.say(m.PartialMessage(partial))
        async for event in meeting:
            got += [] if isinstance(event, LinkStatus) else [event]
            if event == partial:
                await server.say(
                    m.FinalMessage(1, final), m.RevisionMessage(2, revision), m.GapMessage(3, gap)
                )
                await server.say(flow, error)
                await server.say_text('{"type":"applause"}')
            if event == error:
                break
        assert got == told
        assert meeting.session == meeting.ready.session == "s1"
        assert meeting.state is LinkState.LIVE


async def test_options_reach_the_server(server: Scripted) -> None:
    """Everything that `connect` takes."""
    options: dict[str, Any] = {"language": "en", "prompt": "p", "hotwords": "h", "title": "t"}
    options["partials"] = False
    async with echopanel.connect(server.url, sources=("system",), token="secret", **options) as meeting:
        await meeting.stop()
    assert server.received[0] == m.Start((Source.SYSTEM,), **options)
    assert server.requests[0].headers["Authorization"] == "Bearer secret"
    assert server.requests[0].path == "/v1/live"


async def test_leaving_early_closes_politely(server: Scripted) -> None:
    """A close code of 1000, an end for readers, and the caller's exception as it was."""
    meeting = echopanel.connect(server.url)
    with pytest.raises(KeyError):
        async with meeting:
            raise KeyError("mine")
    (socket,) = server.sockets
    await socket.wait_closed()
    assert socket.close_code == 1000
    assert states(await read(meeting))[-1] is LinkState.CLOSED
    with pytest.raises(ConnectionLost, match="the meeting was closed"):
        await meeting.flush()
    with pytest.raises(ConnectionLost, match="the meeting was closed"):
        await meeting.send("mic", SECOND)


async def test_who_waits_for_an_answer_when_the_meeting_closes_is_told(server: Scripted) -> None:
    """No task hangs behind a closed meeting."""
    server.silent = False
    async with echopanel.connect(server.url) as meeting:
        server.silent = True
        waiting = asyncio.create_task(meeting.stop())
        await asyncio.sleep(0)
    with pytest.raises(ConnectionLost):
        await waiting


async def test_mistakes_of_the_caller(server: Scripted) -> None:
    """Told at once, and the meeting goes on."""
    async with echopanel.connect(server.url, sources=["mic"]) as meeting:
        with pytest.raises(AudioError, match="not whole 16-bit samples"):
            await meeting.send("mic", b"123")
        with pytest.raises(AudioError, match=r"shape \(2, 2\)"):
            await meeting.send("mic", np.zeros((2, 2), np.float32))
        with pytest.raises(LocalProtocolError, match="not among the sources"):
            await meeting.send("system", SECOND)
        with pytest.raises(ConfigError, match="must be one of: mic, system"):
            await meeting.send("tape", SECOND)
        with pytest.raises(ValueError, match="cannot skip -1"):
            meeting.skip("mic", -1)
        await meeting.send("mic", SECOND)
        await meeting.stop()
        with pytest.raises(LocalProtocolError, match=r"stop\(\) was called"):
            await meeting.send("mic", SECOND)
        assert (await meeting.stop()).coverage[MIC].captured == SAMPLE_RATE
        await meeting.flush()


def test_mistakes_before_connecting() -> None:
    """Seen without a server."""
    with pytest.raises(ConfigError, match="url=nowhere"):
        echopanel.connect("nowhere")
    for sources in ([], ["tape"]):
        with pytest.raises(ConfigError, match="mic, system"):
            echopanel.connect("http://127.0.0.1:1", sources=sources)
    with pytest.raises(LocalProtocolError, match="async with"):
        _ = echopanel.connect("http://127.0.0.1:1").ready


async def test_nobody_listens() -> None:
    """The first connection is not retried: most often the address is wrong."""
    async with asyncio.timeout(20):
        with pytest.raises(
            ConnectionLost, match=r"cannot reach ws://127\.0\.0\.1:1/v1/live: Connection refused; is the"
        ):
            async with echopanel.connect("http://127.0.0.1:1"):
                pass


async def test_a_refusal_says_when_to_come_back(server: Scripted) -> None:
    """As an `error` message."""
    server.refusal = m.Error(ErrorCode.SESSION_LIMIT, "10 of 10 sessions are open", retry_after=5.0)
    with pytest.raises(Overloaded, match="try again in 5 s") as caught:
        async with echopanel.connect(server.url):
            pass
    assert caught.value.retry_after == 5.0


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected", "match"),
    [
        (401, "", {}, ServerError, "unauthorized: .*HTTP 401"),
        (403, "", {}, ServerError, "forbidden_origin"),
        (503, "busy", {"Retry-After": "7"}, Overloaded, "try again in 7 s"),
        (503, "busy", {"Retry-After": "Fri, 31 Dec"}, Overloaded, "overloaded"),
        (
            503,
            encode(m.Error(ErrorCode.NOT_READY, "the model is loading", retry_after=2.0)),
            {},
            Overloaded,
            "not_ready: the model is loading",
        ),
        (502, "bad gateway", {}, ConnectionLost, "HTTP 502"),
        (404, "", {}, ConfigError, "is this an EchoPanel server"),
    ],
)
async def test_http_refusals(
    server: Scripted, status: int, body: str, headers: dict[str, str], expected: type[Exception], match: str
) -> None:
    """What the handshake can say."""
    server.http = (status, body, headers)
    with pytest.raises(expected, match=match):
        async with echopanel.connect(server.url):
            pass


async def test_a_server_that_says_nothing(server: Scripted) -> None:
    """Opening takes no longer than allowed."""
    server.silent = True
    with pytest.raises(ConnectionLost, match="accepts connections but does not answer"):
        async with echopanel.connect(server.url, open_timeout=0.3):
            pass


async def test_a_port_where_something_else_listens() -> None:
    """It accepts and hangs, or answers in the clear where TLS was asked for."""

    gone = asyncio.Semaphore(0)

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (await reader.read(1)) == b"\x16":  # a TLS handshake
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with suppress(OSError):
            await reader.read()
            writer.close()
            await writer.wait_closed()
        gone.release()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as other:
        port = other.sockets[0].getsockname()[1]
        with pytest.raises(ConnectionLost, match="does not answer"):
            async with echopanel.connect(f"ws://127.0.0.1:{port}", open_timeout=0.2):
                pass
        with pytest.raises(ConfigError, match="TLS failed"):
            async with echopanel.connect(f"wss://127.0.0.1:{port}"):
                pass
        await gone.acquire()
        await gone.acquire()


async def test_a_server_of_another_kind(server: Scripted) -> None:
    """Nonsense in the place of `ready`, and later, ends the meeting for good."""
    async with echopanel.connect(server.url) as meeting:
        await server.say_text('{"type":"ack","source":"mic"}')
        with pytest.raises(RemoteProtocolError, match=r"ack\.sample is missing"):
            await meeting.stop()
        with pytest.raises(RemoteProtocolError):
            await read(meeting)
        with pytest.raises(RemoteProtocolError):
            await meeting.send("mic", SECOND)


async def test_a_mistake_of_ours_is_not_hidden(server: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that nobody foresaw reaches the reader and the end of the block."""

    def broken(*_: object) -> None:
        raise RuntimeError("bug")

    async def provoke(meeting: Meeting) -> None:
        async with meeting:
            monkeypatch.setattr(meeting._traffic, "receive", broken)
            await server.say(m.Error(ErrorCode.INTERNAL, "any", fatal=False))
            with pytest.raises(ConnectionLost, match="the client failed"):
                await meeting.stop()

    with pytest.raises(ExceptionGroup):
        await provoke(echopanel.connect(server.url))


async def test_crumbs_are_collected(server: Scripted) -> None:
    """Browsers bring 8 ms at a time; servers limit frames per second. Nothing is held back from a flush."""
    async with echopanel.connect(server.url, sources=["mic"]) as meeting:
        for n in range(25):
            await meeting.send("mic", bytes(2 * 128))
            await asyncio.sleep(0)
            if n == 0:
                await meeting.flush()
        await meeting.stop()
    first, *others, _last = [frame.count for frame in server.frames()]
    assert first == 128
    assert min(others) >= SAMPLE_RATE // 50
    assert len(server.session.audio[MIC]) == 25 * 2 * 128
