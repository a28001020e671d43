"""Clients that never read, against a real server process."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from echopanel.audio import SAMPLE_RATE, AudioFrame, Source
from echopanel.bench.process import usage_of
from echopanel.wire.codec import encode
from echopanel.wire.handshake import PATH
from echopanel.wire.messages import Ping, Start
from tests.e2e.conftest import Note
from tests.e2e.programs import PATIENCE_S, Server, serving

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CLIENTS = 10
SMALL = 4096  # bytes of the receive buffer: what a client does not read soon reaches the server
SPEECHLESS = AudioFrame(Source.MIC, 0, bytes(2 * SAMPLE_RATE // 10), 1000.0)
BOUND_MB = 60.0  # 10 clients; the bound of one is 2,000 messages of some hundred bytes


class Deaf:
    """A WebSocket client by hand that writes and never reads."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        self._socket.connect(("127.0.0.1", port))
        self._socket.sendall(
            f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self.say(encode(Start((Source.MIC,))))
        self.say(encode(SPEECHLESS))
        self._socket.settimeout(0.2)

    def say(self, message: str | bytes) -> None:
        """Send a message, masked with zeros."""
        data = message.encode() if isinstance(message, str) else message
        opcode = 0x81 if isinstance(message, str) else 0x82
        size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
        self._socket.sendall(bytes([opcode]) + size + bytes(4) + data)

    def close(self) -> None:
        """Leave."""
        self._socket.close()


@contextmanager
def deaf_clients(port: int, count: int) -> Iterator[list[Deaf]]:
    """Some of them."""
    with ExitStack() as stack:
        yield [stack.enter_context(closing(Deaf(port))) for _ in range(count)]


def test_clients_that_never_read_cost_little(tmp_path: Path, note: Note) -> None:
    """Each asks 20,000 times for an answer of its own; memory stays bounded, and they are let go."""
    with serving(tmp_path / "data", "--provider", "fake", "--model", "scripted") as server:
        before = usage_of(server.process.pid).rss_mb
        with deaf_clients(server.port, CLIENTS) as clients:
            cost = max(flood(clients, server)) - before
            assert attached(server) == 0
        note(f"{CLIENTS} deaf clients cost at most {cost:.1f} MB")
        assert cost < BOUND_MB


def flood(clients: list[Deaf], server: Server) -> Iterator[float]:
    """Ask and ask; what memory the server has behind each client, in megabytes."""
    ping = encode(Ping("x" * 128))
    for client in clients:
        with suppress(OSError):  # it was let go, or the server reads no more
            for _ in range(20_000):
                client.say(ping)
        yield usage_of(server.process.pid).rss_mb


def attached(server: Server) -> int:
    """Sessions with a client, once the server has noticed."""
    deadline = time.monotonic() + PATIENCE_S
    while (count := sessions(server)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return count


def sessions(server: Server) -> int:
    """Sessions with a client."""
    text = httpx.get(f"{server.url}metrics", trust_env=False, timeout=PATIENCE_S).text
    return next(
        int(float(line.split()[1])) for line in text.splitlines() if line.startswith("echopanel_sessions ")
    )
