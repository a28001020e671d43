"""`echopanel listen` without a server: devices, arguments and refusals."""

from __future__ import annotations

import math
from collections.abc import Coroutine
from pathlib import Path

import pytest

from echopanel.audio import Source
from echopanel.capture.devices import Device
from echopanel.capture.recorder import Recorder
from echopanel.cli import listen, live
from echopanel.cli.captions import Show
from echopanel.cli.listen import _levels
from echopanel.errors import ConnectionLost
from echopanel.transcript import Final, Segment
from tests.cli.conftest import Program
from tests.helpers.pulse import pulse


def test_devices_are_listed_with_the_default_marked(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with the option it is for, its name and its key."""
    with pulse(tmp_path / "pulse") as sound:
        for name, value in sound.environment.items():
            monkeypatch.setenv(name, value)
        lines = program("listen", "--list").stdout.splitlines()
        assert lines == [
            "--mic    * Microphone  [microphone]",
            "--system * Monitor of Voice  [voice.monitor]",
        ]
        code, line = program.refusal("listen", "--mic", "nonsense")
        assert (code, "'nonsense'" in line) == (1, True)
        code, line = program.refusal("listen", "--url", "http://127.0.0.1:1", "-o", tmp_path / "text.txt")
        assert (code, "is the server running?" in line) == (3, True)


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["--mic", "none", "--system", "none"], 2, "nothing to listen to"),
        (["-o", "/"], 1, "exists already"),
    ],
)
def test_arguments_that_cannot_work_are_refused(
    program: Program, arguments: list[str], code: int, line: str
) -> None:
    """Before a device is opened."""
    given, text = program.refusal("listen", *arguments)
    assert given == code
    assert line in text


def test_what_was_heard_is_kept_where_the_connection_is_lost(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transcript is written, and the exit code says that it is not all."""

    async def run(meeting: object, sending: Coroutine[object, object, object], show: Show) -> None:
        sending.close()
        show(Final(Segment("mic-1", Source.MIC, 1.0, 2.0, "Best of times.", 16_000, 32_000)))
        raise ConnectionLost("gave up after 15 attempts", resumable=True)

    monkeypatch.setattr(live, "run", run)
    monkeypatch.setattr(listen, "_choose", lambda *_: [Device("m", "m", Source.MIC, 48_000)])
    result = program("listen", "-o", tmp_path / "meeting.txt")
    assert result.exit_code == 3
    assert result.stderr.splitlines() == [
        f"wrote {tmp_path / 'meeting.txt'}",
        "echopanel: connection lost: gave up after 15 attempts",
    ]
    assert "Best of times." in (tmp_path / "meeting.txt").read_text(encoding="utf-8")


def test_levels_and_silence_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar for each source; one that is silent for 10 s says so."""
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    recorders = [
        Recorder(Device(source, source, source, 48_000), lambda _: None)
        for source in (Source.MIC, Source.SYSTEM)
    ]
    recorders[0].meter._level_db = -math.inf
    now = 112.0
    recorders[1].meter._heard_at, recorders[1].meter._level_db, recorders[1].meter._at = now, -3.0, now
    assert _levels(recorders) == "mic   no sound for 12 s   system █"
