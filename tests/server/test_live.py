"""The socket: who may in, what is against the contract, clients that flood or do not read."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from echopanel.asr.fake import Fake
from echopanel.audio import AudioFrame, Source, float_to_pcm16
from echopanel.errors import ErrorCode
from echopanel.server.limits import Throttle
from echopanel.server.translate import live_limits
from echopanel.wire import messages as m
from echopanel.wire.closing import CLOSING
from echopanel.wire.frames import HEADER
from echopanel.wire.handshake import SUBPROTOCOL, TOKEN_SUBPROTOCOL
from tests.engine.rig import quarters, soon
from tests.server.rig import Served, serving, settings_of, talk

TOKEN = "correct-horse-battery"
START = {"type": "start", "version": 1, "sources": ["mic"]}
PCM = float_to_pcm16(talk(0.5)[:1600])


def protocol(token: str) -> str:
    """A token as browsers send it."""
    return TOKEN_SUBPROTOCOL + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


@asynccontextmanager
async def guarded(path: Path, fake: Fake, **server: object) -> AsyncIterator[Served]:
    """A server with a token."""
    async with serving(settings_of(path, server={"token": TOKEN} | server), fake) as served:
        yield served


async def denied(served: Served, **connection: Any) -> tuple[int, dict[str, Any]]:
    """Status and body of a refused handshake."""
    with pytest.raises(InvalidStatus) as refused:
        async with served.client(**connection):
            pass
    response = refused.value.response
    assert response.headers["Content-Type"] == "application/json"
    assert response.body is not None
    body = json.loads(response.body)
    assert (body["type"], body["fatal"]) == ("error", True)
    return response.status_code, body


# --- the handshake --------------------------------------------------------------------------------------


async def test_a_program_sends_the_token_as_a_header(tmp_path: Path, fake: Fake) -> None:
    """And gets in."""
    async with (
        guarded(tmp_path, fake) as served,
        served.client(headers={"Authorization": f"Bearer {TOKEN}"}) as client,
    ):
        await client.start()
        assert client.socket.subprotocol is None
        await client.stop()


async def test_a_browser_sends_the_token_as_a_subprotocol(tmp_path: Path, fake: Fake) -> None:
    """The server selects the other one, so the token does not come back."""
    async with (
        guarded(tmp_path, fake) as served,
        served.client(subprotocols=[SUBPROTOCOL, protocol(TOKEN)]) as client,
    ):
        assert client.socket.subprotocol == SUBPROTOCOL
        await client.start()
        await client.stop()


@pytest.mark.parametrize(
    ("headers", "message"),
    [({}, "this server needs a token"), ({"Authorization": "Bearer wrong-token"}, "the token is wrong")],
)
async def test_without_the_token_there_is_no_handshake(
    tmp_path: Path, fake: Fake, headers: dict[str, str], message: str
) -> None:
    """401, with an `error` as the body that says what is the matter."""
    async with guarded(tmp_path, fake) as served:
        status, body = await denied(served, headers=headers)
        assert (status, body["code"]) == (401, ErrorCode.UNAUTHORIZED)
        assert body["message"].startswith(message)
        assert not list(served.sessions.roster)


@pytest.mark.parametrize("subprotocols", [[SUBPROTOCOL], [SUBPROTOCOL, protocol("wrong-token")]])
async def test_a_page_without_the_token_is_told_on_the_socket(
    tmp_path: Path, fake: Fake, subprotocols: list[str]
) -> None:
    """It cannot read the answer to a handshake."""
    async with guarded(tmp_path, fake) as served, served.client(subprotocols=subprotocols) as client:
        assert await client.refusal() == (ErrorCode.UNAUTHORIZED, 4401)


async def test_a_foreign_page_may_not(served: Served) -> None:
    """403, whatever it offers; the server's own page may."""
    for subprotocols in ([], [SUBPROTOCOL]):
        status, body = await denied(
            served, headers={"Origin": "http://evil.example"}, subprotocols=subprotocols
        )
        assert (status, body["code"]) == (403, ErrorCode.FORBIDDEN_ORIGIN)
    async with served.client(headers={"Origin": f"http://127.0.0.1:{served.port}"}) as client:
        await client.start()
        await client.stop()


async def test_a_foreign_page_may_not_with_the_token_either(tmp_path: Path, fake: Fake) -> None:
    """Unless its origin is listed."""
    origins = ["https://meet.example"]
    async with guarded(tmp_path, fake, allowed_origins=origins) as served:
        offer = [SUBPROTOCOL, protocol(TOKEN)]
        status, _ = await denied(served, headers={"Origin": "https://evil.example"}, subprotocols=offer)
        assert status == 403
        async with served.client(headers={"Origin": origins[0]}, subprotocols=offer) as client:
            await client.start()
            await client.stop()


async def test_a_name_that_was_rebound_is_not_answered_to(served: Served) -> None:
    """A page of evil.example whose name now means 127.0.0.1 sends its own name as Host."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(
        b"GET /v1/live HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n"
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 403 ")
    writer.close()
    await writer.wait_closed()


async def test_there_is_no_other_socket(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    """Another path is refused without a traceback."""
    for path in ("/", "/v1/other", "/health"):
        with pytest.raises(InvalidStatus) as refused:
            async with served.client(path=path):
                pass
        assert refused.value.response.status_code in (403, 404)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


# --- against the contract -------------------------------------------------------------------------------

Raw = str | bytes


def header(version: int = 1, source: int = 0, start: int = 0, at: float = 0.0) -> bytes:
    """The 20 bytes before audio."""
    return HEADER.pack(version, source, 0, 0, start, at)


def text(**fields: object) -> str:
    """A control message."""
    return json.dumps(fields)


BEFORE_START: list[tuple[Raw, ErrorCode]] = [
    ("", ErrorCode.MALFORMED),
    ("no json", ErrorCode.MALFORMED),
    ("[]", ErrorCode.MALFORMED),
    ('{"type": 1}', ErrorCode.MALFORMED),
    ("{}", ErrorCode.MALFORMED),
    ("[" * 30_000, ErrorCode.MALFORMED),
    ('{"type": "start", "version": 1e999, "sources": ["mic"]}', ErrorCode.INVALID_START),
    ('{"type": "start", "version": NaN}', ErrorCode.MALFORMED),
    (b"\x00", ErrorCode.MALFORMED),
    (header() + PCM, ErrorCode.UNEXPECTED_MESSAGE),
    (text(type="flush", id="f"), ErrorCode.UNEXPECTED_MESSAGE),
    (text(type="stop"), ErrorCode.UNEXPECTED_MESSAGE),
    (text(type="ready"), ErrorCode.MALFORMED),
    (text(type="pong", id="1"), ErrorCode.UNEXPECTED_MESSAGE),
    (text(type="start", version=2, sources=["mic"]), ErrorCode.UNSUPPORTED_VERSION),
    (text(type="start", version="1", sources=["mic"]), ErrorCode.INVALID_START),
    (text(type="start", version=1), ErrorCode.INVALID_START),
    (text(type="start", version=1, sources=[]), ErrorCode.INVALID_START),
    (text(type="start", version=1, sources=["mic", "mic"]), ErrorCode.INVALID_START),
    (text(type="start", version=1, sources="mic"), ErrorCode.INVALID_START),
    (text(type="start", version=1, sources=["phone"]), ErrorCode.UNKNOWN_SOURCE),
    (text(type="start", version=1, sources=["mic"], session="x"), ErrorCode.INVALID_START),
    (text(type="start", version=1, sources=["mic"], title="x" * 201), ErrorCode.INVALID_START),
    (text(type="start", version=1, sources=["mic"], partials="yes"), ErrorCode.INVALID_START),
    (text(type="start", version=1, sources=["mic"], sample_rate=44_100), ErrorCode.INVALID_START),
    (text(type="start", version=1, sources=["mic"], title="\ud800"), ErrorCode.INVALID_START),
]
AFTER_START: list[tuple[Raw, ErrorCode]] = [
    (json.dumps(START), ErrorCode.UNEXPECTED_MESSAGE),
    (header(), ErrorCode.MALFORMED),
    (header()[:19], ErrorCode.MALFORMED),
    (header() + PCM[:-1], ErrorCode.MALFORMED),
    (header(version=2) + PCM, ErrorCode.UNSUPPORTED_VERSION),
    (header(source=1) + PCM, ErrorCode.UNKNOWN_SOURCE),
    (header(source=9) + PCM, ErrorCode.UNKNOWN_SOURCE),
    (header(start=2**63) + PCM, ErrorCode.MALFORMED),
    (header(at=float("nan")) + PCM, ErrorCode.MALFORMED),
    (header(at=-1.0) + PCM, ErrorCode.MALFORMED),
    (header() + bytes(32_002), ErrorCode.MESSAGE_TOO_LARGE),
    (text(type="flush"), ErrorCode.MALFORMED),
    (text(type="flush", id=7), ErrorCode.MALFORMED),
    (text(type="stop", captured={"system": 1}), ErrorCode.UNKNOWN_SOURCE),
    (text(type="stop", captured={"mic": -1}), ErrorCode.MALFORMED),
    (text(type="stop", captured=[]), ErrorCode.MALFORMED),
    (text(type="flow"), ErrorCode.MALFORMED),
    (text(type="stopped", session="x", coverage={}), ErrorCode.UNEXPECTED_MESSAGE),
    (text(type="ping"), ErrorCode.MALFORMED),
]


async def test_what_breaks_the_contract_ends_its_own_connection(served: Served) -> None:
    """With the right error and close code, before and after `start`; another session hears nothing of it."""
    async with served.started(partials=False) as bystander:
        for messages, started in ((BEFORE_START, False), (AFTER_START, True)):
            for data, code in messages:
                async with served.client(raw=True) as client:
                    if started:
                        await client.socket.send(json.dumps(START))
                        await client.got(m.Ready)
                    await client.socket.send(data)
                    told = await client.refusal()
                    assert told == (code, CLOSING[code].close_code), (data[:60], client.received[-1])
        await soon(lambda: served.slots == 1 and len(list(served.sessions.roster)) == 1)
        await bystander.speak(talk(0.5))
        await bystander.stop()
        assert quarters(bystander.texts) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "data",
    [
        header(start=32_000) + PCM[:-1],
        header(start=32_000) + bytes(32_002),
        header(start=32_000, at=float("nan")) + PCM,
        header(start=32_000, source=1) + PCM,
    ],
)
async def test_what_came_before_broken_audio_is_kept(served: Served, data: Raw) -> None:
    """The session ends, complete: every sample that was taken is accounted for, and the words are there."""
    async with served.started(partials=False) as client:
        await client.speak(talk(0.5))
        await client.socket.send(data)
        await client.closed()
        session = client.ready.session
        await soon(lambda: session not in served.sessions.roster)
        ledger = (await served.coverage(session))["mic"]
        assert (ledger.captured, ledger.pending, ledger.lost) == (32_000, 0, 0)
        kept = (await served.http.get(f"/v1/sessions/{session}/transcript")).json()
        assert quarters(one["text"] for one in kept["segments"]) == [0, 1, 2, 3]


async def test_a_message_that_is_too_large_is_not_even_read(served: Served) -> None:
    """1009, for text and for audio."""
    for data in ("x" * 70_000, bytes(70_000), "x" * 10_000_000):
        async with served.client(raw=True) as client:
            with suppress(ConnectionClosed):
                await client.socket.send(data)
            assert await client.closed() == 1009


async def test_text_that_is_no_text(served: Served) -> None:
    """Broken UTF-8 in a text message ends the connection; nothing else."""
    async with served.client(raw=True) as client:
        await client.socket.send(b"\xff\xfe", text=True)
        assert await client.closed() == 1007
    async with served.started() as client:
        await client.stop()


async def test_unknown_types_and_fields_are_ignored(served: Served) -> None:
    """So that later versions can add to this one."""
    async with served.client(raw=True) as client:
        await client.socket.send(text(type="hello", from_="the future"))
        await client.socket.send(json.dumps(START | {"mood": "good", "nested": {"a": [1]}}))
        await client.got(m.Ready)
        await client.socket.send(text(type="dance", id=1))
        await client.socket.send(text(type="ping", id="1", extra=None))
        assert await client.got(m.Pong) == m.Pong("1")
        await client.socket.send(text(type="stop"))
        await client.got(m.Stopped)


@pytest.mark.parametrize("seed", range(2))
async def test_rubbish_never_takes_down_more_than_its_session(served: Served, seed: int) -> None:
    """Random bytes, damaged messages, wrong orders: a bystander goes on, no slot and no session stays."""
    chance = random.Random(seed)
    valid: list[Raw] = [
        json.dumps(START),
        text(type="flush", id="f"),
        text(type="ping", id="p"),
        text(type="stop", captured={"mic": 10}),
        header() + PCM,
        header(start=10**9) + PCM,
    ]

    def rubbish() -> Raw:
        data = chance.choice([*valid, chance.randbytes(chance.randrange(60))])
        if chance.random() < 0.5:
            return data
        raw = bytearray(data.encode() if isinstance(data, str) else data)
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(raw) + 1)
            raw[at : at + chance.randrange(9)] = chance.randbytes(chance.randrange(9))
        return bytes(raw) if chance.random() < 0.5 else raw.decode("latin-1")

    async with served.started(partials=False) as bystander:
        for _ in range(40):
            async with served.client(raw=True) as client:
                if chance.random() < 0.6:
                    await client.socket.send(json.dumps(START))
                for _ in range(chance.randrange(1, 6)):
                    with suppress(ConnectionClosed):
                        await client.socket.send(rubbish())
                if chance.random() < 0.5:
                    with suppress(ConnectionClosed):
                        await client.socket.send(b"!")
                    await client.closed()
        await bystander.speak(talk(0.5))
        await bystander.stop()
        assert quarters(bystander.texts) == [0, 1, 2, 3]
    await soon(lambda: served.slots == 0)
    assert (await served.http.get("/health")).json()["status"] == "ready"


async def test_more_than_the_credit_is_refused(tmp_path: Path, fake: Fake) -> None:
    """A client that does not wait for it is told so."""
    async with (
        serving(settings_of(tmp_path, limits={"credit_s": 1}), fake) as served,
        served.client(raw=True) as client,
    ):
        await client.socket.send(json.dumps(START))
        await client.got(m.Ready)
        for number in range(30):
            await client.socket.send(header(start=number * 1600) + PCM)
        assert await client.refusal() == (ErrorCode.RATE_EXCEEDED, 4429)


async def test_who_does_not_start_has_to_go(
    tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when it keeps pinging; who started stays."""

    def impatient(*arguments: Any) -> Any:
        return replace(live_limits(*arguments), start_timeout_s=0.2)

    monkeypatch.setattr("echopanel.server.app.live_limits", impatient)
    async with serving(settings_of(tmp_path), fake) as served, served.started() as patient:
        async with served.client() as client:
            await client.send(m.Ping("1"))
            assert await client.refusal() == (ErrorCode.IDLE_TIMEOUT, 4408)
        await patient.stop()


async def test_pings_are_answered_at_any_time(served: Served) -> None:
    """Before `start`, and while the session ends."""
    async with served.client() as client:
        await client.send(m.Ping("before"))
        await client.got(m.Pong)
        await client.start()
        await client.send(m.Ping("after"))
        assert await client.got(m.Pong, 2) == m.Pong("after")
        await client.stop()


# --- clients that flood or do not read ------------------------------------------------------------------


def test_a_flood_of_frames_is_slowed_down() -> None:
    """A burst is free, then each frame costs its share of a second."""
    throttle = Throttle(rate=100.0, burst=10.0, now=0.0)
    waits = [throttle.take(0.0) for _ in range(12)]
    assert waits[:10] == [0.0] * 10
    assert waits[10:] == pytest.approx([0.01, 0.02])
    assert throttle.take(1.0) == 0.0
    assert [throttle.take(100.0) for _ in range(11)][-1] == pytest.approx(0.01)


async def test_a_client_that_does_not_read_is_let_go_and_may_come_back(
    tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for it is bounded; its session stays, and the resumed connection gets everything."""

    def small(*arguments: Any) -> Any:
        return replace(live_limits(*arguments), outbox=50)

    monkeypatch.setattr("echopanel.server.app.live_limits", small)
    monkeypatch.setattr("echopanel.server.door.CLOSE_TIMEOUT_S", 0.1)
    async with serving(settings_of(tmp_path), fake) as served:
        async with served.started(partials=False) as client:
            await client.speak(talk(0.5))
            await client.flush()
            events = client.events
            client.pause()
            client.socket.transport.pause_reading()
            with suppress(ConnectionClosed):
                while served.slots:
                    await client.socket.send(text(type="ping", id="x" * 128))
        async with served.resumed(client.ready) as again:
            await again.stop()
            assert again.events == events


async def test_a_dead_network_is_noticed(tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that answers no ping frees its slot, and its session waits."""
    monkeypatch.setattr("echopanel.server.web.WS_PING_S", 0.1)
    async with serving(settings_of(tmp_path), fake) as served, served.started() as client:
        client.socket.transport.pause_reading()
        await soon(lambda: served.slots == 0)
        assert client.ready.session in served.sessions.roster


async def test_a_catch_up_is_not_throttled(served: Served) -> None:
    """A minute in short frames goes through at once, each sample once."""
    pcm = bytes(640)
    async with served.started() as client:
        await client.send(*(AudioFrame(Source.MIC, 320 * number, pcm) for number in range(1500)))
        stopped = await client.stop()
        assert stopped.coverage[Source.MIC].silence == 480_000


async def test_half_a_handshake_is_nothing(served: Served) -> None:
    """Connections that never become one cost nothing."""
    socks = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(5)]
    for one in socks:
        one.sendall(b"GET /v1/live HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: webso")
    async with served.started() as client:
        await client.stop()
    for one in socks:
        one.close()
