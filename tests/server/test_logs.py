"""Log lines: one JSON object each, or lines for people; the library's loggers go the same way."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from echopanel.server.logs import configure_logging


@pytest.fixture(autouse=True)
def afterwards() -> Iterator[None]:
    """Logging is as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Event, level, time and fields; below the level nothing; an exception is in its line."""
    configure_logging("info", "json")
    log = structlog.get_logger("test")
    log.debug("unseen")
    log.info("seen", session="abc", count=2)
    try:
        raise ValueError("no")
    except ValueError:
        log.exception("broken")
    logging.getLogger("some.library").warning("said %s", "this")
    out, err = capsys.readouterr()
    seen, broken, said = (json.loads(line) for line in err.splitlines())
    assert out == ""
    assert (seen["event"], seen["level"], seen["session"], seen["count"]) == ("seen", "info", "abc", 2)
    assert seen["timestamp"].endswith("Z")
    assert "ValueError: no" in broken["exception"]
    assert (said["event"], said["level"]) == ("said this", "warning")


def test_lines_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """No JSON on a terminal."""
    configure_logging("info", "console")
    structlog.get_logger("test").info("client attached", session="abc")
    line = capsys.readouterr().err
    assert "client attached" in line
    assert not line.startswith("{")


def test_what_is_no_error_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """A refused handshake and a client's broken text are no news; other words of uvicorn are."""
    configure_logging("info", "json")
    uvicorn = logging.getLogger("uvicorn.error")
    uvicorn.info("connection open")
    uvicorn.error("ASGI callable returned without completing handshake.")
    uvicorn.error("Invalid UTF-8 sequence received from client.")
    uvicorn.error("Exception in ASGI application\n")
    assert len(capsys.readouterr().err.splitlines()) == 1
