"""Who may use the HTTP endpoints; the socket asks the same `Guard` itself, because it answers otherwise."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from echopanel.server.auth import Guard
from echopanel.server.problems import denied_response


class Gate:
    """ASGI middleware: refuses requests without the token, except for `open_paths` and the panel's files."""

    def __init__(self, app: ASGIApp, guard: Guard, open_paths: Iterable[str], guarded: Iterable[str]) -> None:
        self._app = app
        self._guard = guard
        self._open = frozenset(open_paths)
        self._guarded = tuple(guarded)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer it here."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            denied = self._guard.check_host(headers)
            path = scope["path"]
            if denied is None and path not in self._open and path.startswith(self._guarded):
                denied = self._guard.check_token(headers)
            if denied is not None:
                return await denied_response(denied)(scope, receive, send)
        await self._app(scope, receive, send)
