"""Who may use the HTTP endpoints; the socket asks the same `Guard` itself, because it answers otherwise."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from echopanel.server.auth import Denied, Guard
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
        denied = self._check(scope["path"], Headers(scope=scope)) if scope["type"] == "http" else None
        app = self._app if denied is None else denied_response(denied)
        await app(scope, receive, send)

    def _check(self, path: str, headers: Headers) -> Denied | None:
        denied = self._guard.check_host(headers)
        if denied is None and path not in self._open and path.startswith(self._guarded):
            return self._guard.check_token(headers)
        return denied
