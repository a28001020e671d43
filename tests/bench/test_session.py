"""Playing scripts to a server over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from echopanel.audio import SAMPLE_RATE, Source
from echopanel.bench.script import Script
from echopanel.bench.session import LiveSession
from echopanel.client.address import Address, live_url
from echopanel.errors import EchoPanelError, ErrorCode
from echopanel.transcript import Gap, GapStatus, Partial, Revision, Segment
from echopanel.wire.messages import Error, GapMessage, PartialMessage, RevisionMessage
from tests.bench.speech import recording, script_of
from tests.client.scripted import Scripted, listening

DRAIN_S = 5.0


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    """A server that says "word1", "word2", ... after each second of audio."""
    scripted = Scripted()
    async with listening(scripted):
        yield scripted


def short(seconds: float = 0.25) -> Script:
    """A script of so many seconds."""
    return script_of(recording("a", "one", seconds=seconds))


async def play(server: Scripted, session: LiveSession, late: float = 2.0) -> None:
    """Play a script that began `late` seconds ago, so that it is sent at once."""
    await session.open(Address(live_url(server.url)))
    now = asyncio.get_running_loop().time()
    await session.play(dict.fromkeys(session.record.sources, now - late), DRAIN_S)
    await session.close()


async def test_everything_is_sent_and_what_comes_back_is_kept(server: Scripted) -> None:
    """Frames without a hole, finals with their times, the ledger."""
    session = LiveSession({Source.MIC: short(1.25)}, 0.1, "en")
    await play(server, session)
    record = session.record.sources[Source.MIC]
    assert session.record.trouble == ""
    assert [frame.start for frame in server.frames()] == list(range(0, 20_000, 1600))
    assert record.sent == record.acked == 20_000
    assert [segment.text for segment in record.segments] == ["word1"]
    assert record.histories["mic-1"][0].at == pytest.approx(2.0, abs=1.0)
    assert record.unheard == 0
    assert server.session.start is not None
    assert server.session.start.language == "en"


async def test_frames_leave_when_their_last_sample_has_been_spoken(server: Scripted) -> None:
    """In real time: never early."""
    session = LiveSession({Source.MIC: short()}, 0.1, None)
    await play(server, session, late=0.0)
    late = session.record.sources[Source.MIC].late
    assert len(late) == 3
    assert min(late) >= 0
    assert [frame.captured_ms for frame in server.frames()] == pytest.approx(
        [server.frames()[0].captured_ms + after for after in (0, 100, 200)]
    )


async def test_both_channels_of_a_session_are_played(server: Scripted) -> None:
    """Each with its own script."""
    session = LiveSession({Source.MIC: short(0.2), Source.SYSTEM: short(0.3)}, 0.1, None)
    await play(server, session)
    assert session.record.sources[Source.MIC].sent == 3200
    assert session.record.sources[Source.SYSTEM].sent == 4800
    assert len(server.frames(Source.SYSTEM)) == 3


async def test_without_credit_a_source_waits_and_the_wait_is_counted() -> None:
    """Nothing is thrown away; the server lets it go on."""
    server = Scripted(window=1600)
    async with listening(server):
        session = LiveSession({Source.MIC: short(0.5)}, 0.1, None)
        await play(server, session)
    assert session.record.trouble == ""
    assert session.record.sources[Source.MIC].sent == SAMPLE_RATE // 2
    assert session.record.sources[Source.MIC].stalled > 0


async def test_a_refusal_is_told(server: Scripted) -> None:
    """Before anything is measured."""
    server.refusal = Error(ErrorCode.SESSION_LIMIT, "10 of 10 sessions are open", retry_after=5.0)
    with pytest.raises(EchoPanelError, match="10 of 10 sessions are open"):
        await LiveSession({Source.MIC: short()}, 0.1, None).open(Address(live_url(server.url)))


@pytest.mark.parametrize("after", ["ready", "error"])
async def test_a_session_that_ends_early_is_noted(server: Scripted, after: str) -> None:
    """The others go on, so it must not raise; all its audio counts as dropped."""
    session = LiveSession({Source.MIC: short(5.0)}, 0.1, None)
    await session.open(Address(live_url(server.url)))
    if after == "error":
        await server.say(Error(ErrorCode.STORAGE_FAILED, "the disk is full"))
    server.cut()
    await session.play({Source.MIC: asyncio.get_running_loop().time()}, DRAIN_S)
    assert ("the disk is full" in session.record.trouble) is (after == "error")
    assert session.record.trouble
    record = session.record.sources[Source.MIC]
    assert record.sent < record.script.count
    assert record.unheard == record.sent


async def test_a_server_that_does_not_finish_is_noted(server: Scripted) -> None:
    """The drain is bounded."""
    session = LiveSession({Source.MIC: short(0.1)}, 0.1, None)
    await session.open(Address(live_url(server.url)))
    server.silent = True
    await session.play({Source.MIC: 0.0}, 0.05)
    assert session.record.trouble == "the server did not finish within 0.05 s"
    await session.close()


async def test_partials_revisions_and_gaps_are_kept(server: Scripted) -> None:
    """A revision takes the place of finals; every text of a segment stays in its history."""
    session = LiveSession({Source.MIC: short(1.0)}, 0.1, None)
    await session.open(Address(live_url(server.url)))
    now = asyncio.get_running_loop().time()
    session.record.begins = {Source.MIC: now}
    better = Segment("mic-1r1", Source.MIC, 0.0, 1.0, "better", 0, SAMPLE_RATE)
    for message in (
        PartialMessage(Partial("mic-1", Source.MIC, 1, 0.0, "wo", "rd")),
        RevisionMessage(2, Revision(("mic-1",), (better,), "repair")),
        GapMessage(3, Gap(Source.MIC, 0, 10, "not_received", GapStatus.LOST)),
    ):
        session.record.take(message, now + 1.0)
    record = session.record.sources[Source.MIC]
    assert record.segments == [better]
    assert [shown.text for shown in record.histories["mic-1"]] == ["wo rd"]
    assert record.histories["mic-1r1"][0].at == pytest.approx(1.0)
    assert len(record.gaps) == 1
    await session.close()
