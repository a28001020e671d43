"""`echopanel ladder` against a running server."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typer.testing import Result

from echopanel.asr.fake import Fake
from echopanel.cli.exits import ExitCode
from tests.cli.conftest import Program
from tests.server.rig import Served, quicken, serving, settings_of

TOKEN = "correct-horse-battery"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """What recognises."""
    return quicken(monkeypatch)


@pytest.fixture
def other() -> Iterator[int]:
    """The port of a web server that has nothing."""
    with HTTPServer(("127.0.0.1", 0), Nothing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


class Nothing(BaseHTTPRequestHandler):
    """Has no page at all."""

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Nobody wants to read that."""


async def ladder(program: Program, served: Served, *arguments: str) -> Result:
    """Run it beside the server."""
    url = f"http://127.0.0.1:{served.port}"
    return await asyncio.to_thread(program, "ladder", *arguments, "--url", url)


async def test_it_shows_forces_and_gives_back(program: Program, tmp_path: Path, fake: Fake) -> None:
    """Level, who decides, why and since when; each change is shown as it is then."""
    async with serving(settings_of(tmp_path), fake) as served:
        shown = (await ladder(program, served)).stdout
        assert shown.startswith("level:  0, full quality\nmode:   automatic: the load decides\nreason: none")
        forced = (await ladder(program, served, "1")).stdout
        assert "level:  1, text comes less often\nmode:   forced" in forced
        assert "reason: forced by an operator\nsince:  20" in forced
        answer = json.loads((await ladder(program, served, "--json")).stdout)
        assert (answer["level"], answer["mode"]) == (1, "forced")
        assert "mode:   automatic" in (await ladder(program, served, "auto")).stdout
        assert "level:  0, full quality\nmode:   off" in (await ladder(program, served, "off")).stdout


async def test_it_needs_the_token(program: Program, tmp_path: Path, fake: Fake) -> None:
    """A wrong one is refused with the server's own words."""
    async with serving(settings_of(tmp_path, server={"token": TOKEN}), fake) as served:
        none = await ladder(program, served)
        assert (none.exit_code, none.stdout) == (ExitCode.REFUSED, "")
        assert "this server needs a token" in none.stderr
        wrong = await ladder(program, served, "3", "--token", "wrong-horse-battery")
        assert (wrong.exit_code, "the token is wrong" in wrong.stderr) == (ExitCode.REFUSED, True)
        assert served.server.engine.quality.standing.plan.level == 0
        right = await ladder(program, served, "--token", TOKEN)
        assert right.exit_code == ExitCode.OK


@pytest.mark.parametrize("level", ["5", "12", "on", "²"])
def test_there_is_no_such_level(program: Program, level: str) -> None:
    """Said before anybody is asked."""
    code, line = program.refusal("ladder", level)
    assert code == ExitCode.USAGE
    assert "give 0 to 4, auto or off" in line


def test_nobody_answers(program: Program) -> None:
    """Said with the address."""
    code, line = program.refusal("ladder", "--url", "http://127.0.0.1:9")
    assert code == ExitCode.UNREACHABLE
    assert "no server answers at http://127.0.0.1:9" in line


@pytest.mark.parametrize("url", ["ws://here", "nonsense", "http://here:port"])
def test_an_address_that_is_none(program: Program, url: str) -> None:
    """Said with an example."""
    code, line = program.refusal("ladder", "--url", url)
    assert (code, "give something like http://127.0.0.1:8765" in line) == (ExitCode.USAGE, True)


def test_something_else_answers(program: Program, other: int) -> None:
    """What knows no ladder is not taken for a server of ours."""
    code, line = program.refusal("ladder", "--url", f"http://127.0.0.1:{other}")
    assert code == ExitCode.FAILED
    assert "HTTP 404; that is no EchoPanel server" in line
