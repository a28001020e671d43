"""Streams whose processes or servers are gone or hang: captions go on from the fallback, nothing is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

import pytest

from echopanel.asr.fake import Fake
from tests.helpers.fake_realtime import FakeServer, ServedVoxtral, fake_server
from tests.helpers.voxtral import FakeBinary, FakeVoxtral, fake_binary
from tests.server.failover import (
    broken_while_speaking,
    final,
    hung_while_speaking,
    said,
    speak_until_streamed,
    streamed,
    whole,
)
from tests.server.rig import Client, Served, serving, settings_of

Meeting = AbstractAsyncContextManager[tuple[Served, Client]]


@pytest.fixture
def binary(tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> FakeBinary:
    """What `voxtral` is for servers of the test; any other provider is the scripted one."""
    binary = fake_binary(tmp_path / "fake")
    voxtral = FakeVoxtral(binary, interval_s=0.1, hang_s=3.0, load_s=15.0)
    monkeypatch.setattr(
        "echopanel.engine.engine.get_provider", lambda name: voxtral if name == "voxtral" else fake
    )
    return binary


@pytest.fixture
def realtime(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    """The server of `voxtral-realtime`; any other provider is the scripted one."""
    with fake_server() as server:
        provider = ServedVoxtral(server.url)
        monkeypatch.setattr(
            "echopanel.engine.engine.get_provider",
            lambda name: provider if name == "voxtral-realtime" else fake,
        )
        yield server


@asynccontextmanager
async def meeting(
    tmp_path: Path, fake: Fake, provider: str, **sections: Mapping[str, object]
) -> AsyncIterator[tuple[Served, Client]]:
    """A session on a server where a scripted model stands in for a streaming one."""
    settings = settings_of(
        tmp_path,
        model={"provider": provider},
        ladder={"fallback": "fake:spare", "dwell_s": 0.1},
        engine={"stuck_after_s": 2.0},
        **sections,
    )
    async with serving(settings, fake) as served, served.started(language="en") as client:
        yield served, client


def with_program(tmp_path: Path, fake: Fake, binary: FakeBinary) -> Meeting:
    """The same, with the fake program."""
    return meeting(tmp_path, fake, "voxtral", voxtral={"bin": str(binary.program), "model": binary.model})


def with_server(tmp_path: Path, fake: Fake, server: FakeServer) -> Meeting:
    """The same, with the fake realtime server."""
    return meeting(tmp_path, fake, "voxtral-realtime", realtime={"urls": [server.url]})


def send_all(binary: FakeBinary, number: signal.Signals) -> None:
    """Signal every process that was started, the one that stands by too."""
    for one in binary.started:
        with suppress(ProcessLookupError):
            os.kill(one["pid"], number)


async def test_a_killed_process_and_the_fallback_hears_the_utterance(
    tmp_path: Path, fake: Fake, binary: FakeBinary
) -> None:
    """From its start, with partials; the next one has a fresh process, and the level stays."""
    async with with_program(tmp_path, fake, binary) as (served, client):
        text = await broken_while_speaking(served, client, lambda: send_all(binary, signal.SIGKILL))
        assert not streamed(text)
        await speak_until_streamed(client)
        await whole(client)


async def test_a_process_that_hangs_and_the_fallback_takes_over_until_it_is_well(
    tmp_path: Path, fake: Fake, binary: FakeBinary
) -> None:
    """Level 4 and back; meanwhile streams are not even tried."""
    async with with_program(tmp_path, fake, binary) as (served, client):
        started: list[int] = []

        def stop() -> None:
            started.append(len(binary.started))  # one that is started just now is not stopped
            send_all(binary, signal.SIGSTOP)

        assert not streamed(await hung_while_speaking(served, client, stop))
        assert len(binary.started) > started[0]
        await speak_until_streamed(client)
        await whole(client)


async def test_a_server_that_is_gone_and_the_fallback_hears_what_is_said_until_it_is_back(
    tmp_path: Path, fake: Fake, realtime: FakeServer
) -> None:
    """The utterance in which its connections were cut from its start, with partials; and the next one."""
    async with with_server(tmp_path, fake, realtime) as (served, client):

        def kill() -> None:
            realtime.faults.status = 503
            realtime.faults.drop_s = 0.0

        assert not streamed(await broken_while_speaking(served, client, kill, lambda: not realtime.open))
        await client.speak(said(1.5, 3))
        assert not streamed(await final(client, 3))
        realtime.faults.status = 0
        await speak_until_streamed(client)
        await whole(client)


async def test_a_server_that_hangs_and_the_fallback_takes_over_until_it_is_well(
    tmp_path: Path, fake: Fake, realtime: FakeServer
) -> None:
    """Level 4 and back, with a connection of its own."""
    async with with_server(tmp_path, fake, realtime) as (served, client):

        def hang() -> None:
            realtime.faults.hang_s = 0.0

        assert not streamed(await hung_while_speaking(served, client, hang))
        assert realtime.connections > 1
        await speak_until_streamed(client)
        await whole(client)
