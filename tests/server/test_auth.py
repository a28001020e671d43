"""Who may in: tokens by header or subprotocol, no foreign web page, no foreign name."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.errors import ErrorCode
from echopanel.server.auth import Guard, bearer, same_host, split_host, token_from
from echopanel.wire.handshake import SUBPROTOCOL, TOKEN_SUBPROTOCOL

TOKEN = "correct-horse-battery"
CLOSED = Guard(TOKEN)
LOCAL = Guard(None, ("https://meet.example:444",), frozenset({"127.0.0.1", "localhost", "::1"}))


def protocol(token: str) -> str:
    """A token as a browser sends it."""
    return TOKEN_SUBPROTOCOL + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


@pytest.mark.parametrize("value", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER   {TOKEN} "])
def test_the_token_opens(value: str) -> None:
    """The scheme's case and outer spaces do not matter."""
    assert CLOSED.check_token({"authorization": value}) is None


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", TOKEN, f"Basic {TOKEN}", "Bearer wrong", f"Bearer {TOKEN}x", "Bearer ü"],
)
def test_nothing_else_opens(value: str) -> None:
    """Missing, wrong, half, or under another scheme."""
    denied = CLOSED.check_token({"authorization": value} if value else {})
    assert denied is not None
    assert denied.code is ErrorCode.UNAUTHORIZED


def test_a_missing_token_is_told_from_a_wrong_one() -> None:
    """Each with what is the matter, and never with the token."""
    missing, wrong = CLOSED.check_token({}), CLOSED.check_token({"authorization": "Bearer wrong"})
    assert missing is not None
    assert wrong is not None
    assert "this server needs a token" in missing.message
    assert wrong.message == "the token is wrong"
    assert TOKEN not in missing.message + wrong.message


@given(st.text(min_size=1))
def test_a_browser_sends_it_as_a_subprotocol(token: str) -> None:
    """Any token survives the way."""
    try:
        token.encode()
    except UnicodeEncodeError:
        return
    assert token_from([SUBPROTOCOL, protocol(token)]) == token
    assert Guard(token).check_token({}, [SUBPROTOCOL, protocol(token)]) is None


@given(st.text())
def test_no_subprotocol_breaks_the_guard(rubbish: str) -> None:
    """What is no base64, or no UTF-8 inside, is no token."""
    given_token = token_from([TOKEN_SUBPROTOCOL + rubbish])
    assert given_token is None or isinstance(given_token, str)
    denied = CLOSED.check_token({}, [TOKEN_SUBPROTOCOL + rubbish])
    assert denied is not None
    assert denied.code is ErrorCode.UNAUTHORIZED


@pytest.mark.parametrize("name", ["!!!", "/w==", "gA"])
def test_broken_subprotocols_are_no_token(name: str) -> None:
    """The bytes behind it are not text."""
    assert token_from([TOKEN_SUBPROTOCOL + name]) is None


def test_without_a_token_everybody_may() -> None:
    """Such a server listens on loopback only."""
    assert Guard(None).check_token({}) is None
    assert bearer({}) is None


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "http://127.0.0.1:8765",
        "http://127.0.0.1:8765/",
        "https://meet.example:444",
    ],
)
def test_own_and_listed_pages_may(origin: str | None) -> None:
    """And programs, which send no Origin."""
    headers = {"host": "127.0.0.1:8765"} | ({} if origin is None else {"origin": origin})
    assert LOCAL.check_origin(headers) is None


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "file://",
        "http://evil.example",
        "http://127.0.0.1:9999",
        "http://127.0.0.1.evil.example:8765",
        "http://evil.example:8765",
        "http://[::1]:8765",
        "https://meet.example",
        "chrome-extension://127.0.0.1:8765",
        "http://[broken",
        "http://127.0.0.1:99999",
    ],
)
def test_no_other_page_may(origin: str) -> None:
    """However alike it looks; the message names the page and what its owner can do."""
    denied = LOCAL.check_origin({"host": "127.0.0.1:8765", "origin": origin})
    assert denied is not None
    assert denied.code is ErrorCode.FORBIDDEN_ORIGIN
    assert "--allow-origin" in denied.message


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost", "LocalHost:1", "[::1]:8765"])
def test_own_names_are_answered_to(host: str) -> None:
    """With any port."""
    assert LOCAL.check_host({"host": host}) is None


@pytest.mark.parametrize(
    "host", ["", "evil.example", "127.0.0.1.evil.example", "127.0.0.2", "[broken", "a:b"]
)
def test_foreign_names_are_not(host: str) -> None:
    """A page whose name was rebound to this address sends its own."""
    denied = LOCAL.check_host({"host": host} if host else {})
    assert denied is not None
    assert denied.code is ErrorCode.FORBIDDEN_ORIGIN


def test_with_a_token_any_name_will_do() -> None:
    """A foreign page does not have it."""
    assert CLOSED.check_host({"host": "evil.example"}) is None


def test_two_malformed_names_are_not_the_same() -> None:
    """Nothing is read into what cannot be read."""
    assert not same_host("http://[broken", "[broken")


def test_default_ports_are_ports() -> None:
    """http means 80, https 443."""
    assert same_host("http://panel.example", "panel.example:80")
    assert same_host("https://panel.example:443", "panel.example")
    assert not same_host("https://panel.example", "panel.example:80")
    assert split_host("//panel.example", "gopher") == ("panel.example", None)
