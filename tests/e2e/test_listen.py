"""`echopanel listen` with a real sound system: PulseAudio, whose devices are null sinks."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.programs import ECHOPANEL, Server, Streaming, environment
from tests.e2e.sounds import silence, write_wav
from tests.helpers.pulse import SPEAKERS, Pulse, pulse
from tests.helpers.speech import Speech, wer

BEST = "It was the best of times, it was the worst of times"
WISDOM = "it was the age of wisdom, it was the age of foolishness"
pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(90)]


@pytest.fixture
def sound(tmp_path: Path) -> Iterator[Pulse]:
    """A sound system with a microphone."""
    with pulse(tmp_path / "pulse") as running:
        yield running


@pytest.fixture
def clips(tmp_path: Path, two_cities: Speech) -> tuple[Path, Path]:
    """Two halves of a sentence, with silence around, as WAV files."""
    speech, pause = two_cities.load(), silence(0.5)
    cut = round(16_000 * (two_cities.word_times[len(BEST.split()) - 1][1] + 0.1))
    parts = [np.concatenate([pause, part, pause]) for part in (speech[:cut], speech[cut:128_000])]
    return write_wav(tmp_path / "best.wav", parts[0]), write_wav(tmp_path / "wisdom.wav", parts[1])


@contextmanager
def listening(server: Server, sound: Pulse, *arguments: str | Path) -> Iterator[Streaming]:
    """`echopanel listen --json`, under way; it is killed if it has not ended by itself."""
    command = [*ECHOPANEL, "listen", *map(str, arguments), "--url", server.url, "--json"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment() | sound.environment,
    ) as process:
        try:
            yield Streaming(process)
        finally:
            process.kill()


def test_both_sources_become_text(
    server: Server, sound: Pulse, clips: tuple[Path, Path], tmp_path: Path
) -> None:
    """Default devices are found, what each hears is right, and Ctrl-C writes the transcript."""
    sound.load("module-null-sink", SPEAKERS)
    sound.choose("speakers")
    target = tmp_path / "meeting.txt"
    with listening(server, sound, "--output", target) as run:
        run.until(lambda one: len(run.of("device")) == 2)
        with sound.play("speakers", clips[0]), sound.play("voice", clips[1]):
            run.until(lambda one: bool(run.of("final", "mic")) and bool(run.of("final", "system")))
        run.process.send_signal(signal.SIGINT)
        assert run.finish() == 130
    assert {one["name"] for one in run.of("device")} == {"Microphone", "Monitor of Speakers"}
    assert wer(BEST, run.text("system")) <= 0.1
    assert wer(WISDOM, run.text("mic")) <= 0.1
    lines = target.read_text(encoding="utf-8").splitlines()
    assert {line.split()[1] for line in lines} == {"You:", "Others:"}


def test_a_device_that_is_unplugged_comes_back(
    server: Server, sound: Pulse, clips: tuple[Path, Path], tmp_path: Path
) -> None:
    """What was not captured meanwhile is left out and not lost; nothing else is heard in its place."""
    speakers = sound.load("module-null-sink", SPEAKERS)
    with listening(server, sound, "--system", "Speakers", "--output", tmp_path / "meeting.txt") as run:
        run.until(lambda one: len(run.of("device")) == 2)
        with sound.play("speakers", clips[0]):
            run.until(lambda one: one["type"] == "final")
        sound.unload(speakers)
        run.until(lambda one: one["type"] == "device" and one["state"] == "gone")
        with sound.play("voice", clips[1]):
            run.until(lambda one: one["type"] == "final")
        sound.load("module-null-sink", SPEAKERS)
        run.until(lambda one: one["type"] == "device" and one["state"] == "recording")
        with sound.play("speakers", clips[0]):
            run.until(lambda one: len(run.of("final", "system")) == 2)
        run.process.send_signal(signal.SIGINT)
        assert run.finish() == 130
    assert [one["source"] for one in run.of("device")][2:] == ["system", "system"]
    assert wer(f"{BEST} {BEST}", run.text("system")) <= 0.1
    assert wer(WISDOM, run.text("mic")) <= 0.1
    mic, system = run.ledgers["mic"], run.ledgers["system"]
    assert system["lost"] == mic["lost"] == 0
    # On the session clock the device's second life comes after what the microphone heard meanwhile.
    (_, again), (heard,) = run.of("final", "system"), run.of("final", "mic")
    assert again["start"] > heard["end"]
    assert system["captured"] < mic["captured"] - 32_000


def test_the_end_of_a_sentence_is_not_cut_off(
    server: Server, sound: Pulse, clips: tuple[Path, Path], tmp_path: Path
) -> None:
    """Ctrl-C in the middle of speech: what was said until then becomes text."""
    with listening(server, sound, "--system", "none", "--output", tmp_path / "meeting.md", "-f", "md") as run:
        run.until(lambda one: one["type"] == "device")
        with sound.play("voice", clips[1]):
            run.until(lambda one: "wisdom" in one.get("text", ""))
            run.process.send_signal(signal.SIGINT)
            assert run.finish() == 130
    assert "age of wisdom" in run.text("mic")
    assert "age of wisdom" in (tmp_path / "meeting.md").read_text(encoding="utf-8")
