"""A whole server in the test's own event loop, and a client that checks all that it gets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection as Socket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from echopanel.asr.fake import Fake, FakeModel
from echopanel.audio import SAMPLE_RATE, AudioFrame, Samples, Source, float_to_pcm16
from echopanel.config import Settings
from echopanel.errors import ErrorCode
from echopanel.policy.backoff import Backoff
from echopanel.server.main import listen
from echopanel.server.server import Server
from echopanel.server.sessions import Sessions
from echopanel.server.web import WebServer, web_config
from echopanel.transcript import Coverage, Segment
from echopanel.wire import messages as m
from echopanel.wire.client import ClientConnection
from echopanel.wire.codec import Bounds, decode
from echopanel.wire.handshake import PATH
from tests.engine.rig import PATIENCE_S, install, soon

T = TypeVar("T", bound=m.ServerMessage)

FRAME = SAMPLE_RATE // 10


@dataclass
class Client:
    """One connection. Everything that comes is decoded by the client's half of the protocol."""

    socket: Socket
    wire: ClientConnection = field(default_factory=ClientConnection)
    received: list[m.ServerMessage] = field(default_factory=list)
    sent: dict[Source, int] = field(default_factory=dict)
    reading: asyncio.Task[None] | None = None
    raw: bool = False  # do not hold what comes to the client's half of the contract

    async def read(self) -> None:
        """Take messages until the server closes; every ledger in them must sum up."""
        with contextlib.suppress(ConnectionClosed):
            async for data in self.socket:
                messages = [decode(data, Bounds(2**24))] if self.raw else self.wire.receive(data)
                for message in messages:
                    assert isinstance(message, m.ServerMessage)
                    for coverage in ledgers(message):
                        assert coverage.balanced(), coverage
                    self.received.append(message)

    def pause(self) -> None:
        """Read no more, as a client that hangs."""
        assert self.reading is not None
        self.reading.cancel()

    async def send(self, *messages: m.ClientMessage) -> None:
        """Send by the rules."""
        for message in messages:
            await self.socket.send(self.wire.send(message))

    async def start(self, *sources: Source, **fields: Any) -> m.Ready:
        """Open a session and wait until it is ready."""
        await self.send(m.Start(sources=sources or (Source.MIC,), **fields))
        return await self.got(m.Ready)

    async def speak(
        self,
        samples: Samples,
        source: Source = Source.MIC,
        start: int | None = None,
        *,
        began_ms: float = 1000,
    ) -> int:
        """Send audio as fast as credit allows; sample 0 was captured at `began_ms`. Returns where it ends."""
        at = self.sent.get(source, 0) if start is None else start
        pcm = float_to_pcm16(samples)
        for first in range(0, len(samples), FRAME):
            piece = pcm[2 * first : 2 * (first + FRAME)]
            await soon(lambda: self.wire.allowance(source, at + first) >= len(piece) // 2)  # noqa: B023
            await self.send(AudioFrame(source, at + first, piece, captured_ms=(at + first) / 16 + began_ms))
        self.sent[source] = at + len(samples)
        return self.sent[source]

    async def flush(self, flush_id: str = "f") -> None:
        """Return when everything sent is final."""
        await self.send(m.Flush(flush_id))
        await self.until(lambda: m.Flushed(flush_id) in self.received)

    async def stop(self, **captured: int) -> m.Stopped:
        """End the session."""
        await self.send(m.Stop({Source(source): sample for source, sample in captured.items()}))
        stopped = await self.got(m.Stopped)
        await self.closed()
        return stopped

    async def got(self, kind: type[T], count: int = 1) -> T:
        """The last of `count` messages of a kind."""
        await self.until(lambda: len(self.of(kind)) >= count)
        return self.of(kind)[count - 1]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something; a connection that ends before is an error that shows what came."""
        await soon(lambda: condition() or self.over)
        assert condition(), f"closed with {self.socket.close_code}: {self.received[-5:]}"

    async def closed(self) -> int | None:
        """The close code, once there is one."""
        assert self.reading is not None
        await asyncio.wait([self.reading], timeout=PATIENCE_S)
        assert self.over
        return self.socket.close_code

    async def refusal(self) -> tuple[ErrorCode, int | None]:
        """The last words of the server and its close code."""
        code = await self.closed()
        last = self.received[-1]
        assert isinstance(last, m.Error), last
        assert last.fatal
        return last.code, code

    def cut(self) -> None:
        """The network is gone."""
        self.socket.transport.abort()

    @property
    def acked(self) -> int:
        """The sample up to which the server keeps everything."""
        return max((ack.sample for ack in self.of(m.Ack)), default=0)

    @property
    def over(self) -> bool:
        """Whether the connection has ended."""
        if self.reading is not None and self.reading.done() and not self.reading.cancelled():
            self.reading.result()
            return True
        return False

    def of(self, kind: type[T]) -> list[T]:
        """Messages of one kind."""
        return [message for message in self.received if isinstance(message, kind)]

    @property
    def ready(self) -> m.Ready:
        """The session."""
        return self.of(m.Ready)[0]

    @property
    def segments(self) -> list[Segment]:
        """The finals' segments."""
        return [final.final.segment for final in self.of(m.FinalMessage)]

    @property
    def texts(self) -> list[str]:
        """The finals' text."""
        return [segment.text for segment in self.segments]

    @property
    def errors(self) -> list[ErrorCode]:
        """What went wrong, fatal or not."""
        return [error.code for error in self.of(m.Error)]

    @property
    def events(self) -> list[m.FinalMessage | m.GapMessage | m.RevisionMessage]:
        """What must not be missed."""
        return [
            message
            for message in self.received
            if isinstance(message, m.FinalMessage | m.GapMessage | m.RevisionMessage)
        ]


def ledgers(message: m.ServerMessage) -> Iterable[Coverage]:
    """The ledgers that a message tells of."""
    match message:
        case m.Flow():
            return [flow.coverage for flow in message.sources.values()]
        case m.Stopped(_, coverage):
            return coverage.values()
    return ()


@dataclass
class Served:
    """A running server."""

    server: Server
    web: WebServer
    port: int
    fake: Fake
    http: httpx.AsyncClient

    @property
    def sessions(self) -> Sessions:
        """Its sessions."""
        return self.server.sessions

    @property
    def slots(self) -> int:
        """How many sessions are counted as open."""
        return self.server.engine._admission.taken

    @property
    def model(self) -> FakeModel:
        """What recognises."""
        return self.fake.models[-1]

    @property
    def calls(self) -> int:
        """Recogniser calls so far."""
        return len(self.model.calls)

    @asynccontextmanager
    async def client(
        self,
        subprotocols: Iterable[str] = (),
        headers: Mapping[str, str] | None = None,
        path: str = PATH,
        raw: bool = False,
    ) -> AsyncIterator[Client]:
        """A connection; it is cut at the end if it still stands. `raw`: one that is to break the contract."""
        socket = await connect(
            f"ws://127.0.0.1:{self.port}{path}",
            subprotocols=list(subprotocols) or None,  # type: ignore[arg-type]
            additional_headers=dict(headers or {}),
            compression=None,
            ping_interval=None,
            max_size=2**24,
            proxy=None,
        )
        client = Client(socket, raw=raw)
        client.reading = asyncio.create_task(client.read())
        try:
            yield client
        finally:
            client.cut()
            await asyncio.gather(client.reading, return_exceptions=True)
            await socket.wait_closed()

    @asynccontextmanager
    async def started(self, *sources: Source, **fields: Any) -> AsyncIterator[Client]:
        """A connection with a new session."""
        async with self.client() as client:
            await client.start(*sources, **fields)
            yield client

    @asynccontextmanager
    async def resumed(self, ready: m.Ready, last_event: int = 0) -> AsyncIterator[Client]:
        """A connection that goes on with a session."""
        async with self.client() as client:
            await client.start(*ready.sources, **resuming(ready, last_event))
            yield client

    async def coverage(self, session: str) -> dict[str, Coverage]:
        """The ledgers as the endpoint tells them; they must sum up."""
        answer = await self.http.get(f"/v1/sessions/{session}")
        assert answer.status_code == 200, answer.text
        told = {source: Coverage(**ledger) for source, ledger in answer.json()["coverage"].items()}
        assert all(ledger.balanced() for ledger in told.values())
        return told


def resuming(ready: m.Ready, last_event: int = 0) -> dict[str, Any]:
    """The fields of a `start` that resumes."""
    return {"session": ready.session, "resume_token": ready.resume_token, "last_event": last_event}


def settings_of(data: Path, **sections: Mapping[str, object]) -> Settings:
    """Settings with the scripted recogniser and one worker."""
    given: dict[str, dict[str, object]] = {
        "server": {"port": 0},
        "store": {"data_dir": data, "fsync": "none"},
        "model": {"provider": "fake", "name": "scripted", "warmup": 1},
        "engine": {"max_inference": 1},
        "limits": {},
    }
    for section, values in sections.items():
        given[section] = {**given.get(section, {}), **values}
    return Settings.model_validate(given)


@asynccontextmanager
async def serving(settings: Settings, fake: Fake, *, start: bool = True) -> AsyncIterator[Served]:
    """Run a server; at the end it is told to stop, and must."""
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        async with Server(settings) as server, http_client(port, settings) as http:
            web = WebServer(web_config(settings, server), server)
            running = asyncio.create_task(web.serve([listening]))
            try:
                if start:
                    await server.start()
                await soon(lambda: web.started)
                yield Served(server, web, port, fake, http)
            finally:
                fake.release()
                web.should_exit = True
                async with asyncio.timeout(PATIENCE_S):
                    await running


@asynccontextmanager
async def http_client(port: int, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the endpoints that has the token, if there is one."""
    token = settings.server.token
    headers = {} if token is None else {"Authorization": f"Bearer {token.get_secret_value()}"}
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False, timeout=PATIENCE_S
    ) as http:
        yield http


def quicken(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """No waiting for anything but what is tested; returns the recogniser."""
    fake = Fake()
    install(monkeypatch, fake)
    monkeypatch.setattr("echopanel.server.keeper.GATHER_S", 0.005)
    monkeypatch.setattr("echopanel.server.keeper.RETRY_S", 0.02)
    monkeypatch.setattr("echopanel.server.broadcast.RETRY_STORE_S", 0.02)
    monkeypatch.setattr("echopanel.server.deferred.REPAIR_AGAIN_S", 0.02)
    monkeypatch.setattr("echopanel.server.session.FLOW_INTERVAL_S", 0.05)
    monkeypatch.setattr("echopanel.server.ending.RETRY_STORE_S", 0.02)
    monkeypatch.setattr("echopanel.engine.lineup.RESTART", Backoff(0.01, 0.02))
    monkeypatch.setattr("echopanel.engine.pace.SPECULATE_BELOW", 0.0)  # calls are counted
    monkeypatch.setattr("uvicorn.server.asyncio", Hasty())
    return fake


class Hasty:
    """asyncio for uvicorn, which looks ten times a second whether it should stop: here more often."""

    def __getattr__(self, name: str) -> object:
        return getattr(asyncio, name)

    @staticmethod
    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds / 20)


def talk(*levels: float) -> Samples:
    """An utterance of a second for each level, each with a second of silence behind it."""
    return np.repeat(np.array([[level, 0.0] for level in levels], np.float32), SAMPLE_RATE)


async def meeting(served: Served, title: str = "Weekly meeting") -> m.Ready:
    """A session that has ended, with two utterances of `mic` and one of `system`."""
    async with served.started(Source.MIC, Source.SYSTEM, title=title, language="en") as client:
        await client.speak(talk(0.25, 0.5), Source.MIC)
        await client.speak(talk(0.75), Source.SYSTEM)
        await client.stop()
    return client.ready
