"""Running a server: the address, the end by signal, and that a client can go on with the next one."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from echopanel.asr.fake import Fake, Script
from echopanel.audio import Source
from echopanel.config import Settings
from echopanel.errors import ConfigError, ErrorCode, ModelUnavailable
from echopanel.server.main import listen
from echopanel.server.serving import panel_address, serve
from echopanel.store.transcripts import TranscriptStore
from echopanel.wire import messages as m
from tests.engine.rig import soon
from tests.server.rig import http_client, serving, settings_of, talk


def test_a_taken_port_is_known_at_once() -> None:
    """With the address and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as refused:
            listen("127.0.0.1", port)
        assert str(refused.value).startswith(f"server.port=127.0.0.1:{port}: ")
        assert "choose another with --port" in str(refused.value)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
def test_an_address_that_is_not_ours(host: str) -> None:
    """Refused like a taken one."""
    with pytest.raises(ConfigError, match=r"server\.port"):
        listen(host, 0)


def test_the_panels_address(tmp_path: Path) -> None:
    """One that a browser can open, also where the server listens on all."""
    certificate = tmp_path / "cert.pem"
    certificate.write_text("")
    for host, token, expected in (
        ("127.0.0.1", None, "http://127.0.0.1:{}/"),
        ("0.0.0.0", "correct-horse", "http://127.0.0.1:{}/"),
        ("::1", None, "http://[::1]:{}/"),
    ):
        settings = settings_of(tmp_path, server={"host": host, "token": token})
        with listen(host, 0) as listening:
            assert panel_address(settings, listening) == expected.format(listening.getsockname()[1])
            tls = {"host": host, "token": token, "tls_cert": certificate, "tls_key": certificate}
            assert panel_address(settings_of(tmp_path, server=tls), listening).startswith("https://")


async def start(settings: Settings) -> tuple[asyncio.Task[None], int]:
    """Start a server as the program does."""
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]

    async def run() -> None:
        with listening:
            await serve(settings, listening)

    return asyncio.create_task(run()), port


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_in_order(
    tmp_path: Path, fake: Fake, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    """It says where the panel is; at a signal clients are told and nothing that was acknowledged is gone."""
    settings = settings_of(tmp_path)
    before = signal.getsignal(number)
    running, port = await start(settings)
    async with http_client(port, settings) as http:
        await soon(lambda: "EchoPanel is ready: open" in capsys.readouterr().out)
        assert (await http.get("/health/ready")).status_code == 200
    assert signal.getsignal(number) != before
    os.kill(os.getpid(), number)
    async with asyncio.timeout(10.0):
        await running
    assert signal.getsignal(number) == before


async def test_memory_is_given_back_until_it_ends(
    tmp_path: Path, fake: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only until it is ready."""
    ended: list[str] = []

    async def give_back() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("given back")

    monkeypatch.setattr("echopanel.server.serving.give_memory_back", give_back)
    settings = settings_of(tmp_path)
    running, port = await start(settings)
    await soon(lambda: "EchoPanel is ready: open" in capsys.readouterr().out)
    async with http_client(port, settings) as http:
        assert (await http.get("/health/ready")).status_code == 200
    assert ended == []
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(10.0):
        await running
    assert ended == ["given back"]


async def test_a_signal_during_warm_up_ends_it_in_order(
    tmp_path: Path, fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    """It does not wait for the model, and does not say that it is ready."""
    fake.script = Script(hang=lambda call: True)
    settings = settings_of(tmp_path, model={"warmup": 2})
    running, port = await start(settings)
    async with http_client(port, settings) as http:
        await soon(lambda: bool(fake.models and fake.models[0].calls))
        assert (await http.get("/health/ready")).status_code == 503
    os.kill(os.getpid(), signal.SIGINT)
    try:
        async with asyncio.timeout(60):
            await running
    finally:
        fake.release()
    assert "ready" not in capsys.readouterr().out


async def test_a_drain_keeps_the_journal(tmp_path: Path, fake: Fake) -> None:
    """Clients hear `going_away`; open speech stays on disk for the next process; nobody else may come."""
    async with serving(settings_of(tmp_path), fake) as served:
        served.model._script = Script(hang=lambda call: True)
        async with served.started(partials=False) as client:
            await client.speak(talk(0.5)[:20_000])
            await client.until(lambda: client.acked == 20_000)
            await served.sessions.go_away("the server is stopping; reconnect and resume")
            assert await client.refusal() == (ErrorCode.GOING_AWAY, 1012)
            last = client.of(m.Flow)[-1]
            assert (last.plan, last.reason) == ("going away", "the server is stopping; reconnect and resume")
        async with served.client() as late:
            await late.send(m.Start((Source.MIC,)))
            assert await late.refusal() == (ErrorCode.GOING_AWAY, 1012)
            assert late.of(m.Error)[0].retry_after is not None
        assert (await served.http.get("/health/ready")).status_code == 503
        session = client.ready.session
    assert (tmp_path / "journal" / session).is_dir()
    with TranscriptStore(tmp_path) as store:
        assert list(store.resumable()) == [session]


async def test_a_model_that_cannot_be_loaded_ends_the_start(tmp_path: Path, fake: Fake) -> None:
    """With the reason, and nothing left running."""
    fake.script = Script(unavailable="the file is gone")
    running, port = await start(settings_of(tmp_path))
    with pytest.raises(ModelUnavailable, match="the file is gone"):
        await running
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_second_signal_does_not_wait(tmp_path: Path, fake: Fake) -> None:
    """Whoever presses Ctrl-C twice means it."""
    async with serving(settings_of(tmp_path), fake) as served:
        served.web.handle_exit(signal.SIGINT, None)
        first = (served.web.should_exit, served.web.force_exit)
        served.web.handle_exit(signal.SIGINT, None)
        assert (first, served.web.force_exit) == ((True, False), True)
