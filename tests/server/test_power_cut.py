"""A server that comes back with less than it had told its clients, as a power cut leaves it."""

from __future__ import annotations

import random
import sqlite3
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import echopanel
from echopanel import Final, Resilience, Revision
from echopanel.asr.fake import Fake
from echopanel.audio import Source
from echopanel.client.standing import LOST_BY_SERVER
from echopanel.policy.backoff import Backoff
from echopanel.transcript import Transcript
from echopanel.wire import messages as m
from tests.engine.rig import quarters
from tests.helpers.proxy import Proxy, proxied
from tests.server.rig import Client, serving, settings_of, talk

AUDIO = talk(0.2, 0.4, 0.6, 0.8)
WORDS = [quarter for second in (0, 8, 16, 24) for quarter in range(second, second + 4)]
TIRELESS = Resilience(attempts=10_000, backoff=Backoff(0.01, 0.05), breaker_failures=10_000)


def power_cut(data: Path, session: str, events: int, share: float) -> None:
    """What was not forced to the medium is gone: all but `events` events, and `share` of the journal."""
    with sqlite3.connect(data / "transcripts.sqlite3") as database:
        database.execute("DELETE FROM segments WHERE session = ? AND event > ?", (session, events))
        database.execute("DELETE FROM events WHERE session = ? AND number > ?", (session, events))
    database.close()
    for journal in (data / "journal" / session).glob("*.journal"):
        kept = journal.read_bytes()
        journal.write_bytes(kept[: round(len(kept) * (1 - share))])


async def say(client: Client, first: int = 0) -> None:
    """Speak, a piece at a time, each of them a record of the journal."""
    for at in range(first, len(AUDIO), 8_000):
        piece = AUDIO[at : at + 8_000]
        await client.speak(piece, start=at)
        await client.until(partial(at_least, client, at + len(piece)))


def at_least(client: Client, sample: int) -> bool:
    """Whether everything before `sample` is acknowledged."""
    return client.acked >= sample


@pytest.mark.parametrize("events", [0, 1, 3])
@pytest.mark.parametrize("share", [0.0, 0.4])
async def test_a_client_that_knows_more_is_told_what_to_forget(
    tmp_path: Path, fake: Fake, events: int, share: float
) -> None:
    """Finals that the server lost come again, under numbers that nobody has seen; audio is wanted again."""
    settings = settings_of(tmp_path)
    async with serving(settings, fake) as served, served.started(partials=False) as first:
        await say(first)
        await first.flush()
        assert [event.event for event in first.events] == [1, 2, 3, 4]
    for _ in range(2):  # the second cut takes what the first restart brought
        power_cut(tmp_path, first.ready.session, events, share)
        async with serving(settings, fake) as served, served.resumed(first.ready, last_event=4) as again:
            assert again.ready.last_event == events
            await say(again, again.ready.sources[Source.MIC].next)
            await again.flush()
            assert quarters([*first.texts[:events], *again.texts]) == WORDS
            assert min(event.event for event in again.events) > 4
    async with (
        serving(settings, fake) as served,
        served.resumed(first.ready, again.events[-1].event) as last,
    ):
        stopped = await last.stop()
        assert last.events == []
        coverage = stopped.coverage[Source.MIC]
        assert (coverage.captured, coverage.pending, coverage.lost) == (len(AUDIO), 0, 0)
        stored = await served.server.keeper.store(
            served.server.keeper.transcripts.transcript, first.ready.session
        )
        assert quarters(segment.text for segment in stored.segments) == WORDS


async def test_a_spectator_is_told_what_to_forget(tmp_path: Path, fake: Fake) -> None:
    """Of what it has seen and the server lost; what comes instead is behind it, and all of it is there."""
    settings = settings_of(tmp_path)
    async with serving(settings, fake) as served, served.started(partials=False) as first:
        await say(first)
        await first.flush()
        session = first.ready.session
        async with served.client(path=f"/v1/sessions/{session}/events?after=4", raw=True) as whole:
            assert await whole.got(m.Watching) == m.Watching(session, 4)
    power_cut(tmp_path, session, events=1, share=0.0)
    async with serving(settings, fake) as served, served.resumed(first.ready, last_event=4) as again:
        await again.flush()
        async with served.client(path=f"/v1/sessions/{session}/events?after=4", raw=True) as spectator:
            await spectator.got(m.FinalMessage, 3)
            assert spectator.received[0] == m.Watching(session, 1)
            assert spectator.events == again.events
            assert quarters([*first.texts[:1], *spectator.texts]) == WORDS


async def test_a_meeting_goes_on_behind_a_power_cut(tmp_path: Path, fake: Fake) -> None:
    """The library sends acknowledged audio again, takes back what it told, and has every word once."""
    settings = settings_of(tmp_path)
    proxy = Proxy(0, random.Random(1))
    half = len(AUDIO) // 2
    async with proxied(proxy):
        async with serving(settings, fake) as served:
            proxy.target = served.port
            meeting = echopanel.connect(proxy.url, sources=["mic"], partials=False, resilience=TIRELESS)
            await meeting.__aenter__()
            session = meeting.session
            for block in np.split(AUDIO[:half], 8):
                await meeting.send("mic", block)
            await meeting.flush()
        power_cut(tmp_path, session, events=1, share=0.6)
        async with serving(settings, fake) as served:
            proxy.target = served.port
            await meeting.send("mic", AUDIO[half:])
            stopped = await meeting.stop()
            events = [event async for event in meeting if isinstance(event, Final | Revision)]
            await meeting.__aexit__(None, None, None)
    assert (stopped.session, meeting.session) == (session, session)
    (taken_back,) = [event for event in events if isinstance(event, Revision)]
    assert taken_back == Revision(("mic-2",), (), LOST_BY_SERVER)
    assert quarters(segment.text for segment in Transcript.fold(events).segments) == WORDS
    coverage = stopped.coverage[Source.MIC]
    assert (coverage.captured, coverage.transcribed + coverage.silence) == (len(AUDIO), len(AUDIO))


async def test_a_session_that_is_gone_is_continued(tmp_path: Path, fake: Fake) -> None:
    """Where not even its beginning was on the medium, a new one says which it continues; nothing is twice."""
    settings = settings_of(tmp_path)
    proxy = Proxy(0, random.Random(1))
    half = len(AUDIO) // 2
    async with proxied(proxy):
        async with serving(settings, fake) as served:
            proxy.target = served.port
            meeting = echopanel.connect(proxy.url, sources=["mic"], partials=False, resilience=TIRELESS)
            await meeting.__aenter__()
            gone = meeting.session
            await meeting.send("mic", AUDIO[:half])
            await meeting.flush()
        with sqlite3.connect(tmp_path / "transcripts.sqlite3") as database:
            database.execute("DELETE FROM sessions WHERE id = ?", (gone,))
        database.close()
        async with serving(settings, fake) as served:
            proxy.target = served.port
            await meeting.send("mic", AUDIO[half:])
            stopped = await meeting.stop()
            texts = [event.segment.text async for event in meeting if isinstance(event, Final)]
            await meeting.__aexit__(None, None, None)
            store = served.server.keeper.transcripts
            record = await served.server.keeper.store(store.session, stopped.session)
    assert (record.continues, record.id != gone) == (gone, True)
    assert quarters(texts) == WORDS
    coverage = stopped.coverage[Source.MIC]
    assert (coverage.captured, coverage.lost) == (len(AUDIO) - half, 0)
