"""The middleware: what is guarded, what is open."""

from __future__ import annotations

import pytest
from starlette.types import Message, Receive, Scope, Send

from echopanel.server.app import GUARDED, OPEN_PATHS
from echopanel.server.auth import Guard
from echopanel.server.gate import Gate


async def through(path: str, *, kind: str = "http", open_house: bool = False) -> bool:
    """Whether a request without a token gets through."""
    reached = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope["path"])

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        pass

    gate = Gate(app, Guard(None if open_house else "secret-token"), OPEN_PATHS, GUARDED)
    await gate({"type": kind, "path": path, "headers": [(b"host", b"localhost")]}, receive, send)
    return bool(reached)


@pytest.mark.parametrize(
    "path",
    "/health /health/ /health/live/ /healthz /metrics /metrics/x /v1/sessions /v1/ /docs".split(),
)
async def test_guarded_paths_want_the_token(path: str) -> None:
    """Also what only begins like one."""
    assert not await through(path)
    assert await through(path, open_house=True)


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/", "/index.html", "/js/main.js"])
async def test_open_paths_do_not(path: str) -> None:
    """They say nothing about anybody."""
    assert await through(path)


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
async def test_only_requests_are_looked_at(kind: str) -> None:
    """The socket asks for itself, because it answers otherwise."""
    assert await through("/v1/live", kind=kind)
