"""One process: when it is ready, what it holds, how it ends. The genuine program is held to the same."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from echopanel.asr.voxtral.process import BLOCK, BYTES_PER_SECOND, PIPE_BYTES, VoxtralProcess
from echopanel.asr.voxtral.settings import VoxtralSettings
from echopanel.audio import float_to_pcm16
from echopanel.errors import ModelUnavailable, TranscriptionFailed
from tests.helpers.fake_voxtral import spoken
from tests.helpers.voxtral import FakeBinary, babble

Start = Callable[[VoxtralSettings], VoxtralProcess]


def ended(pid: int) -> bool:
    """Whether nothing of a process group is left."""
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return True
    return False


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that has no event of its own."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_ready_means_that_the_model_has_run(settings: VoxtralSettings, start: Start) -> None:
    """After loading it has been given silence, and has worked on it; none of that is text."""
    process = start(settings)
    assert process.monitor.loaded
    assert process.monitor.counts["·"] == 1
    assert process.unread < BLOCK
    assert process.alive


def test_it_has_a_process_group_of_its_own(settings: VoxtralSettings, start: Start) -> None:
    """A signal for the server is none for the recogniser, and the other way round."""
    process = start(settings)
    assert os.getpgid(process.pid) == process.pid != os.getpgid(0)


def test_what_is_not_read_is_known_exactly(settings: VoxtralSettings, start: Start) -> None:
    """No audio hides in a buffer: to a process that stands still, little can be given, and it shows."""
    process = start(settings)
    until(lambda: process.unread == 0)
    os.kill(process.pid, signal.SIGSTOP)
    writer = threading.Thread(target=lambda: process.write(bytes(8 * BLOCK)))
    written = process.written
    writer.start()
    until(lambda: process.unread > PIPE_BYTES - BLOCK)
    # A read that was under way may have taken a block before the process stood still.
    assert process.written - written <= PIPE_BYTES + BLOCK
    assert process.unread <= PIPE_BYTES
    os.kill(process.pid, signal.SIGCONT)
    writer.join()
    process.settle()
    assert process.written - written == 9 * BLOCK


def test_the_end_of_the_input_is_a_clean_end(settings: VoxtralSettings, start: Start) -> None:
    """It leaves with code 0, having said what it did, and nothing of its group is left."""
    process = start(settings)
    process.write(float_to_pcm16(babble(2.0))[: 7 * BLOCK])
    process.close()
    assert not process.alive
    assert "ended with code 0" in process.ending()
    assert "Encoder:" in process.ending()
    assert ended(process.pid)
    process.close()


def test_a_killed_process_is_noticed(settings: VoxtralSettings, start: Start) -> None:
    """The next word to it fails, with the signal that ended it."""
    process = start(settings)
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(TranscriptionFailed, match="code -9"):
        process.write(bytes(8 * BLOCK))


def test_a_process_that_reads_nothing_hangs(settings: VoxtralSettings, start: Start) -> None:
    """It is given some time, then up; closing it takes force."""
    process = start(settings)
    process.progress.hang_s = 0.3
    os.kill(process.pid, signal.SIGSTOP)
    with pytest.raises(TranscriptionFailed, match=r"no audio for 0\.3 s"):
        process.write(bytes(20 * BLOCK))
    os.kill(process.pid, signal.SIGCONT)


def test_closing_interrupts_a_write(settings: VoxtralSettings, start: Start) -> None:
    """From another thread, while the pipe is full."""
    process = start(settings)
    os.kill(process.pid, signal.SIGSTOP)
    failures: list[str] = []

    def write() -> None:
        try:
            process.write(bytes(20 * BLOCK))
        except TranscriptionFailed as error:
            failures.append(str(error))

    writer = threading.Thread(target=write)
    writer.start()
    until(lambda: process.unread == PIPE_BYTES)
    os.kill(process.pid, signal.SIGCONT)
    process.close()
    writer.join()
    assert failures in ([], ["the stream was closed"])
    assert ended(process.pid)


# --- only the fake misbehaves ---------------------------------------------------------------------------


def test_text_is_whole_whatever_the_reads_are(faulty: Callable[..., FakeBinary], start: Start) -> None:
    """Characters that are printed in two halves, with garbage beside them, come out whole and in order."""
    process = start(faulty(garbage=True).settings())
    heard: list[str] = []
    process.on_text = lambda text, read: heard.append(text)
    audio = float_to_pcm16(babble(6.0))
    audio = audio.ljust(-(-(len(audio) + 2 * BYTES_PER_SECOND) // BLOCK) * BLOCK, b"\0")
    process.write(audio)
    process.settle()
    assert "".join(heard).split() == spoken(audio)
    assert "garbage" in process.monitor.last_words


def test_a_slow_start_is_waited_for(faulty: Callable[..., FakeBinary], start: Start) -> None:
    """Within the time that loading may take."""
    assert start(faulty(load_s=0.5).settings()).alive


def test_a_start_that_takes_too_long_is_given_up(faulty: Callable[..., FakeBinary], start: Start) -> None:
    """With a reason, and without a process left behind."""
    binary = faulty(load_s=60)
    with pytest.raises(ModelUnavailable, match=r"not loaded within 0\.3 s"):
        start(binary.settings(load_s=0.3))
    until(lambda: ended(binary.started[0]["pid"]))


def test_why_it_does_not_start_is_told(faulty: Callable[..., FakeBinary], start: Start) -> None:
    """A program, a directory, a file that is not there; a program that gives up while loading."""
    binary = faulty()
    with pytest.raises(ModelUnavailable, match=r"there is no program 'nowhere'.*voxtral\.bin"):
        start(binary.settings(bin="nowhere"))
    with pytest.raises(ModelUnavailable, match=r"set voxtral\.model"):
        start(binary.settings(model=None))
    program = binary.program.read_text()
    binary.program.write_text(program.replace('"$@"', "-d /nowhere --stdin"))
    with pytest.raises(ModelUnavailable, match=r"code 1: .*cannot open /nowhere"):
        start(binary.settings())
    (binary.model / "tekken.json").unlink()
    with pytest.raises(ModelUnavailable, match=r"has no tekken\.json"):
        start(binary.settings())


def test_it_is_run_as_it_should_be(faulty: Callable[..., FakeBinary], start: Start) -> None:
    """Raw audio from stdin, the interval, the symbols."""
    binary = faulty()
    start(replace(binary.settings(), interval_s=1.0))
    assert binary.started[0]["argv"] == ["-d", str(binary.model), "--stdin", "-I", "1", "--monitor"]
