"""`echopanel stream` against a real server process with the real model."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Program
from tests.helpers.speech import Speech, wer

SAID = (
    "It was the best of times, it was the worst of times, "
    "it was the age of wisdom, it was the age of foolishness"
)
TOKEN = "correct-horse"
pytestmark = pytest.mark.e2e
ECHOPANEL = (sys.executable, "-m", "echopanel")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that wants a token."""
    data = tmp_path_factory.mktemp("data")
    command = [
        *ECHOPANEL,
        "serve",
        "--port",
        "0",
        "--token",
        TOKEN,
        "--data-dir",
        str(data),
        "--log-level",
        "error",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = re.search(r"http://\S+", process.stdout.readline())
        assert address is not None
        yield address[0]
        process.send_signal(signal.SIGINT)
    assert process.returncode == 0


def test_a_recording_becomes_captions(program: Program, server: str, clip: Path) -> None:
    """Finished lines with their times on stdout; what became of the audio on stderr."""
    result = program("stream", clip, "--url", server, "--token", TOKEN, "--speed", "0")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert [line for line in lines if not line.startswith("[00:00:0")] == []
    assert wer(SAID, " ".join(line[11:] for line in lines)) == 0
    assert re.fullmatch(r"mic: 8\.0 s sent: \d\.\d s text, \d\.\d s silence\n", result.stderr)


def test_the_rest_of_the_text_need_not_be_waited_for(program: Program, server: str, clip: Path) -> None:
    """The command ends when the server has the audio; the ledger says what is still to come."""
    options = ("--url", server, "--token", TOKEN, "--speed", "0", "--no-wait-repair", "--json")
    result = program("stream", clip, *options)
    assert result.exit_code == 0, result.stderr
    ledger = json.loads(result.stdout.splitlines()[-1])["coverage"]["mic"]
    assert (ledger["captured"], ledger["lost"]) == (8 * 16_000, 0)


def test_events_come_as_json_lines(program: Program, server: str, clip: Path) -> None:
    """Each line is one event of the protocol; finals have their text, and the ledger comes last."""
    result = program("stream", clip, clip, "--url", server, "--token", TOKEN, "--speed", "4", "--json")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert (result.exit_code, result.stderr) == (0, "")
    assert {"link", "partial", "final", "flow", "stopped"} <= {event["type"] for event in events}
    for source in ("mic", "system"):
        finals = [event for event in events if event["type"] == "final" and event["source"] == source]
        assert wer(SAID, " ".join(event["text"] for event in finals)) <= 0.05
        assert finals[0]["words"][0]["text"] == "It"
    assert events[-1]["type"] == "stopped"
    assert {source: ledger["captured"] for source, ledger in events[-1]["coverage"].items()} == {
        "mic": 128_000,
        "system": 128_000,
    }


def test_two_recordings_are_labelled(program: Program, server: str, clip: Path) -> None:
    """The first is the user, the second everybody else."""
    arguments = ("--url", server, "--token", TOKEN, "--speed", "0")
    result = program("stream", clip, clip, *arguments, "--show-bleed")
    labels = {line.split()[1] for line in result.stdout.splitlines()}
    assert labels == {"You:", "Others:"}
    assert [line.split()[0] for line in result.stderr.splitlines()] == ["mic:", "system:"]
    # Both at once is what a microphone hears of loudspeakers.
    result = program("stream", clip, clip, *arguments)
    assert {line.split()[1] for line in result.stdout.splitlines()} == {"Others:"}


def test_the_token_may_come_from_the_environment(
    program: Program, server: str, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There it is not seen in the list of processes; without one, or with a wrong one, the server refuses."""
    assert program.refusal("stream", clip, "--url", server)[0] == 5
    for _ in range(5):  # the refusal and the client's first message cross each other
        refusal = program.refusal("stream", clip, "--url", server, "--token", "wrong-token")
        assert refusal == (5, "unauthorized: the token is wrong")
    monkeypatch.setenv("ECHOPANEL_TOKEN", TOKEN)
    assert program("stream", clip, "--url", server, "--speed", "0").exit_code == 0


def test_where_nobody_answers_is_said(program: Program, clip: Path) -> None:
    """Exit code 3, with the question that helps."""
    code, line = program.refusal("stream", clip, "--url", "http://127.0.0.1:1")
    assert code == 3
    assert "is the server running?" in line


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["--url", "nonsense"], 2, "give something like http://127.0.0.1:8765"),
        (["--speed", "-1"], 2, "--speed"),
    ],
)
def test_arguments_that_cannot_work_are_refused(
    program: Program, clip: Path, arguments: list[str], code: int, line: str
) -> None:
    """Before anything is sent."""
    given, text = program.refusal("stream", clip, *arguments)
    assert given == code
    assert line in text


def test_a_file_without_audio_opens_no_session(
    program: Program, server: str, tmp_path: Path, clip: Path
) -> None:
    """The second file is looked at before the first is sent."""
    (tmp_path / "notes.txt").write_text("no audio")
    code, line = program.refusal("stream", clip, tmp_path / "notes.txt", "--url", server, "--token", TOKEN)
    assert code == 1
    assert "notes.txt" in line


def test_ctrl_c_shows_the_end_of_what_was_sent(server: str, two_cities: Speech) -> None:
    """Sending stops, the text of what was sent still comes, and the exit code says it was interrupted."""
    recording = str(two_cities.path)  # long enough for any machine
    command = [*ECHOPANEL, "stream", recording, "--url", server, "--token", TOKEN, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if json.loads(line).get("stable"):
                process.send_signal(signal.SIGINT)
                break
        events = [json.loads(line) for line in process.stdout]
        assert (
            process.stderr.read() == "stopping: the rest of the text is coming; Ctrl-C again ends at once\n"
        )
    assert process.returncode == 130
    finals = [event for event in events if event["type"] == "final"]
    assert finals[-1]["text"].startswith("It was")
    ledger = events[-1]["coverage"]["mic"]
    assert ledger["captured"] == ledger["transcribed"] + ledger["silence"] < len(two_cities.load())


def test_a_terminal_shows_captions_as_they_grow(server: str, clip: Path) -> None:
    """Words appear dim while they may change, and scroll by as a line when they are final."""
    terminal, stdout = pty.openpty()
    command = [*ECHOPANEL, "stream", str(clip), "--url", server, "--token", TOKEN, "--speed", "2"]
    shown = b""
    with subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE) as process:
        os.close(stdout)
        with contextlib.suppress(OSError):  # what reading a terminal ends with
            while part := os.read(terminal, 10_000):
                shown += part
    os.close(terminal)
    assert process.returncode == 0
    assert re.search(rb"\[00:00:00\] It[^\x1b\n]*\x1b\[2m", shown)
    # The first word begins about 1.0 s into the clip, on either side of the full second.
    assert re.search(rb"\[00:00:0[01]\] It was the best of times[^\x1b\n]*\r\n", shown)
