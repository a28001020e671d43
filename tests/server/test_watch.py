"""Watching a session: who may, what is told, and that it costs the session nothing."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from echopanel.asr.fake import Fake
from echopanel.audio import SAMPLE_RATE, Source
from echopanel.errors import ErrorCode
from echopanel.server import audience, watch
from echopanel.wire import messages as m
from echopanel.wire.handshake import SUBPROTOCOL
from tests.engine.rig import soon
from tests.server.rig import Client, Served, meeting, serving, settings_of, talk
from tests.server.test_live import TOKEN, denied, protocol


def watching(served: Served, session: str, after: int = 0) -> AbstractAsyncContextManager[Client]:
    """A connection that only reads."""
    return served.client(path=f"/v1/sessions/{session}/events?after={after}", raw=True)


async def test_a_spectator_gets_what_was_and_what_comes_as_the_client_does(served: Served) -> None:
    """The finals from the beginning, partials, how the server does, and the end; no acks."""
    async with served.started(Source.MIC, Source.SYSTEM) as client:
        await client.speak(talk(0.25))
        await client.flush()
        async with watching(served, client.ready.session) as spectator:
            await spectator.got(m.FinalMessage)
            speech = talk(0.5)
            await client.speak(speech[:SAMPLE_RATE])
            await spectator.got(m.PartialMessage)
            await spectator.got(m.Flow)
            await client.speak(speech[SAMPLE_RATE:])
            await client.stop()
            assert await spectator.closed() == 1000
        assert spectator.events == client.events
        assert spectator.of(m.Stopped) == client.of(m.Stopped)
        assert not spectator.of(m.Ack)


async def test_a_spectator_who_comes_back_gets_the_rest(served: Served) -> None:
    """Behind the event that was seen last; of a session that has ended too, with its ledgers."""
    ready = await meeting(served)
    async with watching(served, ready.session) as first:
        assert await first.closed() == 1000
    assert len(first.events) == 3
    assert first.of(m.Stopped)[0].coverage[Source.MIC].received == 64_000
    async with watching(served, ready.session, after=2) as second:
        assert await second.closed() == 1000
    assert second.events == first.events[2:]


async def test_spectators_cannot_say_anything(served: Served) -> None:
    """What they send changes nothing, for themselves and for the session."""
    async with served.started() as client, watching(served, client.ready.session) as spectator:
        await spectator.socket.send('{"type": "stop"}')
        await spectator.socket.send(b"\x00" * 100)
        await client.speak(talk(0.25))
        await client.flush()
        await spectator.got(m.FinalMessage)
        await client.stop()


async def test_a_session_that_is_not_there_cannot_be_watched(served: Served) -> None:
    """The page is told, and that it need not try again."""
    for session in ("0" * 16, "nonsense"):
        async with watching(served, session) as spectator:
            assert await spectator.refusal() == (ErrorCode.UNKNOWN_SESSION, 4404)


async def test_the_audience_is_bounded(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than may is asked to come back later; a seat is free again when somebody leaves."""
    monkeypatch.setattr(audience, "MAX_SEATS", 1)
    async with served.started() as client:
        session = client.ready.session
        async with watching(served, session) as seated:
            await seated.got(m.Flow)
            async with watching(served, session) as refused:
                assert await refused.refusal() == (ErrorCode.OVERLOADED, 1013)
        live = served.sessions.roster.get(session)
        assert live is not None
        await soon(lambda: not live.session.audience.full)
        async with watching(served, session) as seated:
            await seated.got(m.Flow)
        await client.stop()


async def test_a_spectator_who_does_not_read_is_let_go(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session goes on; the spectator may come back with what it has."""
    monkeypatch.setattr(watch, "BOUND", 0)
    async with served.started() as client, watching(served, client.ready.session) as spectator:
        await client.speak(talk(0.25))
        assert await spectator.refusal() == (ErrorCode.SLOW_CLIENT, 4413)
        await client.stop()


async def test_spectators_are_told_when_the_server_goes_away(tmp_path: Path, fake: Fake) -> None:
    """And one that is not ready yet asks them to wait, because it may have the session."""
    async with serving(settings_of(tmp_path), fake) as served:
        async with served.started() as client, watching(served, client.ready.session) as spectator:
            await spectator.got(m.Flow)
            going = asyncio.create_task(served.sessions.go_away("restarting"))
            assert (await spectator.refusal())[0] is ErrorCode.GOING_AWAY
            await going
        async with watching(served, client.ready.session) as late:
            assert (await late.refusal())[0] is ErrorCode.NOT_READY


async def test_who_may_not_in_may_not_watch(tmp_path: Path, fake: Fake) -> None:
    """The same token and the same origins as for the live socket."""
    path = f"/v1/sessions/{'0' * 16}/events"
    async with serving(settings_of(tmp_path, server={"token": TOKEN}), fake) as served:
        assert (await denied(served, path=path))[0] == 401
        authorized = {"Authorization": f"Bearer {TOKEN}"}
        foreign = authorized | {"Origin": "http://evil.example"}
        assert (await denied(served, path=path, headers=foreign))[0] == 403
        for token, code in (("wrong-token", ErrorCode.UNAUTHORIZED), (TOKEN, ErrorCode.UNKNOWN_SESSION)):
            offered = [SUBPROTOCOL, protocol(token)]
            async with served.client(path=path, subprotocols=offered, raw=True) as page:
                assert (await page.refusal())[0] is code
