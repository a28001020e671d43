"""Who may talk to the server: a bearer token, and for browsers the right origin."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from echopanel.errors import ErrorCode
from echopanel.wire.handshake import TOKEN_SUBPROTOCOL

DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
MALFORMED = (None, None)


@dataclass(frozen=True, slots=True)
class Denied:
    """Why somebody may not in."""

    code: ErrorCode
    message: str


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules of one server.

    `origins` are further allowed ones, as `scheme://host:port`. `hosts` are the names it answers to;
    None: any.
    """

    token: str | None
    origins: tuple[str, ...] = ()
    hosts: frozenset[str] | None = None

    def check_token(self, headers: Mapping[str, str], subprotocols: Sequence[str] = ()) -> Denied | None:
        """Compare the token that came by header or subprotocol with ours, in constant time."""
        if self.token is None:
            return None
        given = bearer(headers) or token_from(subprotocols)
        if given is None:
            return Denied(
                ErrorCode.UNAUTHORIZED,
                "this server needs a token: send `Authorization: Bearer TOKEN` "
                "(browsers: the subprotocol echopanel.token.<base64url>)",
            )
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            return Denied(ErrorCode.UNAUTHORIZED, "the token is wrong")
        return None

    def check_origin(self, headers: Mapping[str, str]) -> Denied | None:
        """Let in programs (which send no Origin), our own pages and listed ones; no other web page."""
        origin = headers.get("origin")
        if origin is None or origin in self.origins or same_host(origin, headers.get("host", "")):
            return None
        return Denied(
            ErrorCode.FORBIDDEN_ORIGIN,
            f"pages of {origin} may not use this server; its owner can list them with --allow-origin",
        )

    def check_host(self, headers: Mapping[str, str]) -> Denied | None:
        """Refuse names that are not ours: a web page whose name was rebound to this address sends its own."""
        host = split_host(f"//{headers.get('host', '')}", "http")[0]
        if self.hosts is None or host in self.hosts:
            return None
        return Denied(ErrorCode.FORBIDDEN_ORIGIN, f"this server is not called {host!r}; use 127.0.0.1")


def bearer(headers: Mapping[str, str]) -> str | None:
    """The token of an Authorization header."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def token_from(subprotocols: Sequence[str]) -> str | None:
    """The token that a browser put into a subprotocol name, the only header it can set."""
    for name in subprotocols:
        if name.startswith(TOKEN_SUBPROTOCOL):
            encoded = name.removeprefix(TOKEN_SUBPROTOCOL)
            try:
                padded = encoded + "=" * (-len(encoded) % 4)
                return base64.b64decode(padded, altchars="-_", validate=True).decode()
            except ValueError:  # not base64, or not UTF-8 in it
                return None
    return None


def same_host(origin: str, host: str) -> bool:
    """Whether an Origin names the host and port that the request was sent to."""
    scheme = origin.partition(":")[0]
    ours = split_host(f"//{host}", scheme)
    return scheme in ("http", "https") and ours != MALFORMED and split_host(origin, scheme) == ours


def split_host(url: str, scheme: str) -> tuple[str | None, int | None]:
    """Lower-case host name and port of a URL; `MALFORMED` when it is that."""
    try:
        parts = urlsplit(url)
        return parts.hostname, parts.port or DEFAULT_PORTS.get(scheme)
    except ValueError:
        return MALFORMED
