"""One `voxtral --stdin`: audio in whole blocks in, text and symbols out.

The program reads and computes on one thread. So when it begins to read a block, everything before that block
has been computed and printed; `settle` makes use of it, and no guess about timing is needed.
"""

from __future__ import annotations

import codecs
import fcntl
import os
import selectors
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from echopanel.asr.voxtral.monitor import FULL_RESET, Monitor
from echopanel.audio import SAMPLE_BYTES, SAMPLE_RATE
from echopanel.errors import TranscriptionFailed

FIRST_BLOCK = 4096  # bytes that the program reads first; then
BLOCK = 8192
BYTES_PER_SECOND = SAMPLE_RATE * SAMPLE_BYTES
# What the kernel holds is audio that cannot be taken back: two blocks, half a second.
PIPE_BYTES = 2 * BLOCK
READ_BYTES = 65_536
POLL_S = 0.005
# At the end: how long after the end of its input, and after being asked to terminate.
END_S = 5.0
TERMINATE_S = 2.0


class Progress:
    """Tells a process that is slow from one that hangs: does it read what there is to read?"""

    def __init__(self, hang_s: float) -> None:
        self.hang_s = hang_s
        self.hung = False
        self._read = 0
        self._moved_at = time.monotonic()

    def hangs(self, read: int, unread: int, now: float) -> bool:
        """Whether nothing of what waits has been read for too long; `read` are all bytes read so far."""
        if read > self._read or not unread:
            self._read, self._moved_at = read, now
        self.hung = now - self._moved_at > self.hang_s
        return self.hung


class VoxtralProcess:
    """A process in a group of its own. `on_text` is told of text, and of the bytes read by then."""

    def __init__(self, command: Sequence[str], hang_s: float) -> None:
        """Start it.

        Raises:
            OSError: it cannot be started.
        """
        self.on_text: Callable[[str, int], None] | None = None
        self.written = 0  # bytes
        self.losses: list[int] = []  # bytes that had been read when the model swallowed speech
        self.resets: list[int] = []  # likewise when it started afresh
        self.monitor = Monitor()
        self.progress = Progress(hang_s)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._closed = False
        self._lock = threading.RLock()  # of the pipes: nobody uses one that is being closed
        self._pipe = os.pipe()
        try:
            self._process = start(command, self._pipe[0])
        except OSError:
            for end in self._pipe:
                os.close(end)
            raise
        prepare(self._pipe[1])
        self._outputs = outputs(self._process)
        self._reader = threading.Thread(target=self._read, name=f"voxtral-{self.pid}", daemon=True)
        self._reader.start()

    def __repr__(self) -> str:
        code = self._process.poll()
        state = "running" if code is None else f"ended with {code}"
        seconds = self.written / BYTES_PER_SECOND
        return f"<VoxtralProcess {self.pid} [{state}, {seconds:.1f} s, {self.monitor!r}]>"

    @property
    def pid(self) -> int:
        """Its number, also that of its process group."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can take audio."""
        return not self._closed and self._process.poll() is None

    @property
    def unread(self) -> int:
        """Bytes written that it has not read."""
        with self._lock:
            if self._closed:
                return 0
            # The reading end knows on every system; it is kept open for this alone.
            answer = fcntl.ioctl(self._pipe[0], termios.FIONREAD, bytes(4))
        return int.from_bytes(answer, sys.byteorder)

    def write(self, data: bytes) -> None:
        """Give it whole blocks; waits while the pipe is full.

        Raises:
            TranscriptionFailed: it has ended, does not read any more, or is being closed.
        """
        rest = memoryview(data)
        while rest:
            self.check()
            self.pump()
            count = self._write_some(rest)
            rest = rest[count:]
            if not count:
                time.sleep(POLL_S)

    def settle(self) -> None:
        """Wait until everything written has become text, and that was passed on. Costs a block of silence.

        Raises:
            TranscriptionFailed: likewise.
        """
        self.write(bytes(BLOCK))
        while self.unread >= BLOCK:
            self.check()
            time.sleep(POLL_S)
        self.pump()

    def check(self) -> None:
        """Say what is wrong, if it is good for nothing any more.

        Raises:
            TranscriptionFailed: likewise.
        """
        if self._closed:
            raise TranscriptionFailed("the stream was closed")
        if self._process.poll() is not None:
            raise TranscriptionFailed(self.ending())
        unread = self.unread
        if self.progress.hangs(self.written - unread, unread, time.monotonic()):
            raise TranscriptionFailed(f"voxtral has read no audio for {self.progress.hang_s:g} s")

    def ending(self) -> str:
        """How it ended, with its last words."""
        self._reader.join(TERMINATE_S)
        said = self.monitor.last_words
        return f"voxtral ended with code {self._process.poll()}" + (f": {said}" if said else "")

    def pump(self) -> None:
        """Pass on what it has printed until now."""
        with self._lock:
            for output in self._outputs:
                self._take(output)

    def close(self, patience_s: float = END_S) -> None:
        """End it: the end of its input, then a signal, then force. From any thread, more than once."""
        with self._lock:
            if not self._closed:
                self._closed = True
                for end in self._pipe:
                    os.close(end)
        if self.progress.hung:
            patience_s = 0.0  # it would not see the end of its input
        for number, wait_s in ((None, patience_s), (signal.SIGTERM, TERMINATE_S), (signal.SIGKILL, None)):
            if number is not None:
                with suppress(ProcessLookupError):
                    os.killpg(self.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(wait_s)
                break
        self._reader.join(TERMINATE_S)

    def _write_some(self, data: memoryview) -> int:
        with self._lock:
            if self._closed:
                return 0
            with suppress(BlockingIOError):
                count = os.write(self._pipe[1], data)
                self.written += count
                return count
        return 0

    def _read(self) -> None:
        """Take what comes until it has ended, whoever waits for what: it would block on a full pipe."""
        with selectors.DefaultSelector() as selector:
            for output in self._outputs:
                selector.register(output, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select():
                    with self._lock:
                        if not self._take(key.fd):
                            selector.unregister(key.fd)
        with self._lock:
            for output in self._outputs:
                os.close(output)
            self._outputs = ()
        self._process.wait()

    def _take(self, output: int) -> bool:
        """Pass on what is there now; False at the end."""
        while True:
            try:
                data = os.read(output, READ_BYTES)
            except BlockingIOError:
                return True
            if not data:
                return False
            if output == self._outputs[0]:
                self._hear(self._decoder.decode(data))
            else:
                self._note(data)

    def _hear(self, text: str) -> None:
        if text and self.on_text is not None and not self._closed:
            self.on_text(text, self.written - self.unread)

    def _note(self, data: bytes) -> None:
        losses, resets = self.monitor.losses, self.monitor.counts[FULL_RESET]
        self.monitor.push(data)
        read = self.written - self.unread
        self.losses += [read] * (self.monitor.losses - losses)
        self.resets += [read] * (self.monitor.counts[FULL_RESET] - resets)


def start(command: Sequence[str], stdin: int) -> subprocess.Popen[bytes]:
    """Run the user's own program, without a shell, in a process group of its own."""
    return subprocess.Popen(  # noqa: S603 - its name is a setting, its arguments are ours
        command,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
    )


def prepare(pipe: int) -> None:
    """Make a pipe short where the system can, and let no write to it wait."""
    os.set_blocking(pipe, False)
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def outputs(process: subprocess.Popen[bytes]) -> tuple[int, ...]:
    """Its stdout and stderr, ours to close, not blocking."""
    assert process.stdout is not None
    assert process.stderr is not None
    both = tuple(os.dup(stream.fileno()) for stream in (process.stdout, process.stderr))
    process.stdout.close()
    process.stderr.close()
    for output in both:
        os.set_blocking(output, False)
    return both
