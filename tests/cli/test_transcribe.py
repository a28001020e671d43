"""`echopanel transcribe`, with the real model on real speech."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import av
import pytest
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from echopanel.errors import TranscriptionFailed
from tests.cli.conftest import Program
from tests.helpers.speech import wer

SAID = (
    "It was the best of times, it was the worst of times, "
    "it was the age of wisdom, it was the age of foolishness"
)


def test_a_recording_becomes_text_on_stdout(program: Program, clip: Path) -> None:
    """The words with their times, and nothing on stderr, which is no terminal."""
    result = program("transcribe", clip)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert [line for line in lines if not line.startswith("[00:00:0")] == []
    assert wer(SAID, " ".join(line[11:] for line in lines)) == 0


def convert(clip: Path, target: Path, codec: str, rate: int, layout: str) -> Path:
    """The clip in another form."""
    with av.open(str(clip)) as source, av.open(str(target), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, AudioStream)
        resampler = av.AudioResampler(format=stream.format, rate=rate, layout=layout)
        for frame in source.decode(audio=0):
            assert isinstance(frame, AudioFrame)
            for converted in resampler.resample(frame):
                container.mux(stream.encode(converted))
        container.mux(stream.encode(None))
    return target


def test_several_recordings_of_any_kind_become_files(program: Program, clip: Path, tmp_path: Path) -> None:
    """Other codecs, rates and channels say the same; one that is broken costs only itself."""
    files = [
        convert(clip, tmp_path / "stereo.flac", "flac", 44_100, "stereo"),
        convert(clip, tmp_path / "small.mp3", "libmp3lame", 24_000, "mono"),
    ]
    (broken := tmp_path / "broken.wav").write_bytes(b"RIFF")
    out = tmp_path / "out"
    result = program("transcribe", broken, *files, "--format", "json", "--output", out)
    assert result.exit_code == 1
    assert [line.split()[0] for line in result.stderr.splitlines()] == ["echopanel:", "wrote", "wrote"]
    assert sorted(path.name for path in out.iterdir()) == ["small.json", "stereo.json"]
    for path in out.iterdir():
        transcript = json.loads(path.read_text())
        assert wer(SAID, " ".join(segment["text"] for segment in transcript["segments"])) <= 0.05
        assert transcript["title"] in ("stereo.flac", "small.mp3")
        ledger = transcript["coverage"]["mic"]
        assert ledger["captured"] == ledger["transcribed"] + ledger["silence"]


def test_several_recordings_on_stdout_have_headings(program: Program, clip: Path) -> None:
    """Which text belongs to which file."""
    lines = program("transcribe", clip, clip, "--provider", "fake").stdout.splitlines()
    assert [line for line in lines if line.startswith("==>")] == [f"==> {clip} <=="] * 2


@pytest.mark.parametrize("kind", ["srt", "vtt", "json"])
def test_what_cannot_follow_one_another_needs_a_directory(program: Program, clip: Path, kind: str) -> None:
    """Two subtitle files in a row are none."""
    code, line = program.refusal("transcribe", clip, clip, "--format", kind)
    assert code == 2
    assert "--output DIR" in line


def test_results_are_checked_before_the_work_begins(program: Program, clip: Path, tmp_path: Path) -> None:
    """Neither an existing file nor two of one name come to light after an hour."""
    (tmp_path / "clip.txt").write_text("precious")
    code, line = program.refusal("transcribe", clip, "-o", tmp_path)
    assert (code, "--force" in line) == (1, True)
    code, line = program.refusal("transcribe", clip, clip, "-o", tmp_path / "new")
    assert (code, "2 files would become clip.txt" in line) == (2, True)
    assert (tmp_path / "clip.txt").read_text() == "precious"


def test_a_model_that_is_not_there_is_refused(program: Program, clip: Path) -> None:
    """Exit code 4, with those that are known."""
    code, line = program.refusal("transcribe", clip, "--model", "huge")
    assert code == 4
    assert "no such model; take one of tiny.en" in line


def test_a_recogniser_that_fails_is_one_line(
    program: Program, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure inside the recogniser is reported like a broken file."""

    async def fail(*_: object) -> None:
        raise TranscriptionFailed("out of memory")

    monkeypatch.setattr("echopanel.engine.offline.transcribe", fail)
    assert program.refusal("transcribe", clip, "--provider", "fake") == (1, "out of memory")


def run_with_stderr(stderr: int, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    """The program as a process of its own, without the cost of a real model."""
    command = [sys.executable, "-m", "echopanel", "transcribe", "--provider", "fake", *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, check=True)


def test_a_terminal_shows_progress(clip: Path, tmp_path: Path) -> None:
    """A bar with the file's name and per cent on stderr, and the result alone on stdout."""
    terminal, stderr = pty.openpty()
    done = run_with_stderr(stderr, clip)
    os.close(stderr)
    shown = os.read(terminal, 100_000).decode()
    os.close(terminal)
    assert "clip.wav" in shown
    assert "100%" in shown
    assert done.stdout.startswith(b"[00:00:0")


def test_a_log_file_gets_no_progress(clip: Path, tmp_path: Path) -> None:
    """There is the result and nothing else."""
    done = run_with_stderr(subprocess.STDOUT, clip, "-o", tmp_path)
    assert done.stdout.decode() == f"wrote {tmp_path / 'clip.txt'}\n"
