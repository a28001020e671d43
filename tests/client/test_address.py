"""What users type to name a server."""

from __future__ import annotations

import ssl

import pytest

from echopanel.client.address import Address, live_url
from echopanel.errors import ConfigError


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("http://127.0.0.1:8765", "ws://127.0.0.1:8765/v1/live"),
        ("https://panel.example/", "wss://panel.example/v1/live"),
        ("ws://[::1]:8765", "ws://[::1]:8765/v1/live"),
        ("wss://panel.example/behind/a/proxy", "wss://panel.example/behind/a/proxy"),
    ],
)
def test_any_usual_form_is_understood(typed: str, url: str) -> None:
    """With http or ws, with or without a path."""
    assert live_url(typed) == url


@pytest.mark.parametrize(
    "typed", ["", "127.0.0.1:8765", "ftp://x", "http://", "http://h:port", "http://[::1"]
)
def test_anything_else_is_refused_with_an_example(typed: str) -> None:
    """The message shows what would do."""
    with pytest.raises(ConfigError, match="give something like http://127"):
        live_url(typed)


def test_tls_is_for_secure_addresses() -> None:
    """The default context unless another is given; none without TLS. The token is not shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    assert Address("ws://h", tls=context).ssl is None
    assert Address("wss://h").ssl is True
    assert Address("wss://h", tls=context).ssl is context
    assert "secret" not in repr(Address("wss://h", "secret"))
