"""Where the server is, and how to get in."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from echopanel.errors import ConfigError
from echopanel.wire.handshake import PATH

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


@dataclass(frozen=True, slots=True)
class Address:
    """A server's WebSocket: its URL, the token, the TLS context, and how many seconds opening may take."""

    url: str
    token: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None
    open_timeout: float = 10.0

    @property
    def ssl(self) -> ssl.SSLContext | bool | None:
        """What asyncio wants to know about TLS: a context, True for the default one, None for no TLS."""
        return (self.tls or True) if self.url.startswith("wss:") else None


def live_url(url: str) -> str:
    """The WebSocket URL for what a user typed: http(s) or ws(s), host and port, with or without a path.

    Raises:
        ConfigError: it is no such URL.
    """
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError("url", url, f"{error}; give something like http://127.0.0.1:8765") from error
    if parts.scheme not in _SCHEMES or not host:
        raise ConfigError("url", url, "not a server's address; give something like http://127.0.0.1:8765")
    path = PATH if parts.path in ("", "/") else parts.path
    return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, path, parts.query, ""))
