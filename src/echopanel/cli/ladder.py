"""`echopanel ladder`: where a server's quality stands, and an operator's hand on it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from echopanel.cli import options
from echopanel.errors import ConfigError, ConnectionLost, EchoPanelError, ErrorCode, ServerError

PATH = "/v1/ladder"
TIMEOUT_S = 10.0
WORDS = ("auto", "off")
LEVELS = range(5)
DECIDES = {"automatic": "the load decides", "forced": "forced by an operator", "off": "the ladder is off"}

Wish = Annotated[
    str | None,
    typer.Argument(metavar="[LEVEL]", help="0 to 4: keep this level; auto: load decides; off: stay at 0."),
]
Json = Annotated[bool, typer.Option("--json", help="The server's answer as JSON.")]


def ladder(
    level: Wish = None,
    url: Annotated[str, typer.Option(help="Address of the server.")] = "http://127.0.0.1:8765",
    token: options.Token = None,
    as_json: Json = False,
) -> None:
    """Show or set the quality that a server works at.

    Without LEVEL it shows level, reason, since when, and the load that each level would bring. With one it
    sets it and shows what came of it. docs/ladder.md says what the levels mean.

    \b
    Examples:
      echopanel ladder
      echopanel ladder 2
      echopanel ladder auto
    """
    answer = ask(url, token, None if level is None else wish(level))
    if as_json:
        typer.echo(json.dumps(answer))
        return
    for name, value in _lines(answer):
        typer.echo(f"{name + ':':<8}{options.printable(value)}")


def wish(text: str) -> dict[str, int | str]:
    """What to ask of the server.

    Raises:
        ConfigError: there is no such level.
    """
    if text in WORDS:
        return {"level": text}
    if text.isascii() and text.isdigit() and int(text) in LEVELS:
        return {"level": int(text)}
    raise ConfigError("LEVEL", text, "give 0 to 4, auto or off")


def ask(url: str, token: str | None, body: Mapping[str, object] | None) -> Any:
    """Read the ladder of the server at `url`, or set it where there is a `body`. Blocks.

    Raises:
        ConfigError: it is no server's address.
        ConnectionLost: nobody answers there.
        ServerError: the server refuses.
        EchoPanelError: whoever answers has no ladder.
    """
    status, answer = _exchange(_connection(url), url, token, body)
    if status == 200 and isinstance(answer, dict) and "level" in answer:
        return answer
    if isinstance(answer, dict) and answer.get("code") in set(ErrorCode):
        raise ServerError(ErrorCode(answer["code"]), str(answer.get("message", "")))
    raise EchoPanelError(f"{url}: HTTP {status}; that is no EchoPanel server, or one without a ladder")


def _connection(url: str) -> HTTPConnection:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError("url", url, f"{error}; give something like http://127.0.0.1:8765") from error
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError("url", url, "not a server's address; give something like http://127.0.0.1:8765")
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    return kind(host, port, timeout=TIMEOUT_S)


def _exchange(
    connection: HTTPConnection, url: str, token: str | None, body: Mapping[str, object] | None
) -> tuple[int, object]:
    """Status and JSON of the answer; None for one that is no JSON."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        if body is None:
            connection.request("GET", PATH, headers=headers)
        else:
            connection.request("POST", PATH, json.dumps(body), headers)
        response = connection.getresponse()
        content = response.read()
    except (OSError, HTTPException) as error:
        raise ConnectionLost(f"no server answers at {url}: {error}", resumable=False) from error
    finally:
        connection.close()
    try:
        return response.status, json.loads(content)
    except ValueError:
        return response.status, None


def _lines(answer: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    mode = answer["mode"]
    yield "level", f"{answer['level']}, {answer['plan']['name']}"
    yield "mode", f"{mode}: {DECIDES[mode]}" if mode in DECIDES else mode
    yield "reason", answer["reason"] or "none: full quality"
    yield "since", answer["since"]
    yield "loads", ", ".join(f"{load:.2f}" for load in answer["loads"]) + " (at level 0, 1, ...)"
