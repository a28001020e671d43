"""A FAKE of antirez/voxtral.c: it proves how its processes are handled, not what Voxtral hears.

It follows what was measured on the genuine `voxtral --stdin`: arguments, exit codes, what it reads and when
it prints, resets, signals. Its text is computed from the samples, so that audio that is lost, doubled or out
of order shows: a word for each 0.24 s between stretches of zeros, made of a checksum.

Run as a program it needs the standard library only. `FAKE_VOXTRAL` in its environment holds knobs as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
import zlib
from collections import deque
from pathlib import Path
from typing import NoReturn

RATE = 16_000
BYTES = 2
FIRST_READ = 4096  # bytes; then
READ = 8192
TOKEN = 1280  # samples a position
DELAY = 6  # positions
FIRST_RUN = 56 * 160  # samples: 312 mel frames, of which 256 are padding
SILENT_POSITIONS = 64
MOST_POSITIONS = 2000
PROMPT = 39  # positions that an EOS reset eats
FLUSH = 17  # positions of padding at the end

WORD = 3 * TOKEN * BYTES  # bytes of audio a word
PAUSE = round(0.3 * RATE) * BYTES  # bytes of zeros that end a stretch
SILENCE = bytes(PAUSE)
LETTERS = "aeiouäöüéèñç語字音声"

USAGE = """Usage: voxtral -d <model_dir> (-i <input.wav> | --stdin | --from-mic) [options]

  -d <dir>      Model directory
  -i <file>     Input WAV file
  --stdin       Read audio from stdin (WAV or raw s16le 16kHz mono)
  --from-mic    Capture from the microphone
  -I <secs>     Encoder processing interval (default 2.0)
  --alt <c>     Show alternative tokens
  --monitor     Show the pipeline's work as symbols on stderr
  --debug       Debug output
  --silent      No status output
  -h            This help
"""


class Ear:
    """Turns samples into words; how they are cut into pieces makes no difference."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._within = False  # a stretch between silences

    def push(self, pcm: bytes) -> list[str]:
        """The words that are certain now."""
        self._held += pcm
        words = []
        while True:
            if not self._within:
                silent = len(self._held) - len(self._held.lstrip(b"\0"))
                del self._held[: silent - silent % BYTES]
                self._within = bool(self._held)
            pause = self._held.find(SILENCE)
            end = len(self._held.rstrip(b"\0")) if pause < 0 else pause
            end += end % BYTES
            sure = end - end % WORD if pause < 0 else end
            words += [word(bytes(self._held[at : min(at + WORD, sure)])) for at in range(0, sure, WORD)]
            del self._held[:sure]
            self._within = self._within and pause < 0
            if pause < 0:
                return words


def word(pcm: bytes) -> str:
    """What a stretch of audio says."""
    check = zlib.crc32(pcm)
    return f"{LETTERS[check >> 16 & 15]}{check & 0xFFFF:04x}"


def spoken(pcm: bytes) -> list[str]:
    """The words of s16le audio that is heard whole: what a test expects."""
    ear = Ear()
    step = TOKEN * BYTES
    words = [text for at in range(0, len(pcm), step) for text in ear.push(pcm[at : at + step])]
    return words + ear.push(bytes(PAUSE))


class Knobs:
    """How the fake misbehaves: until there is a file `until`, or a file `once`, which it makes itself."""

    def __init__(self, text: str) -> None:
        given = json.loads(text)
        self.load_s: float = given.get("load_s", 0.0)
        self.step_ms: float = given.get("step_ms", 0.0)
        self.garbage: bool = given.get("garbage", False)
        self.once: str = given.get("once", "")
        self.until: str = given.get("until", "")
        self.log: str = given.get("log", "")
        self.crash_s, self.hang_s, self.eos_s, self.torn_s = (
            given.get(name, float("inf")) for name in ("crash_s", "hang_s", "eos_s", "torn_s")
        )

    def due(self, limit: float, heard: int) -> bool:
        """Whether a fault that comes after `limit` seconds of audio is to come now."""
        if heard < limit * RATE or any(name and Path(name).exists() for name in (self.once, self.until)):
            return False
        if self.once:
            Path(self.once).touch()
        return True


class Voxtral:
    """The one stream of a process."""

    def __init__(self, interval: float, knobs: Knobs, *, monitor: bool, silent: bool) -> None:
        self._interval = round(interval * RATE)
        self._knobs = knobs
        self._monitor = monitor
        self._silent = silent
        self._total = 0  # samples read since the process began
        self._text_tokens = self._steps = 0
        self._first_token = True
        self._eos = False
        self._restart()

    def _restart(self) -> None:
        """What a full reset does: a clean state; what was not decoded is gone."""
        self._heard = bytearray()
        self._new = 0
        self._begun = False
        self._positions = self._quiet = self._eaten = 0
        self._ear = Ear()
        self._tokens: deque[bytes] = deque()

    def feed(self, pcm: bytes) -> None:
        """Take what one read gave; print what follows from it."""
        knobs = self._knobs
        self._heard += pcm
        self._new += len(pcm) // BYTES
        self._total += len(pcm) // BYTES
        if self._total >= knobs.crash_s * RATE and knobs.due(knobs.crash_s, self._total):
            os.abort()
        if self._total >= knobs.hang_s * RATE and knobs.due(knobs.hang_s, self._total):
            time.sleep(3600)
        if not self._eos and knobs.due(knobs.eos_s, self._total):
            self._eos = True
            self._mark("↺✂")
            self._heard.clear()
            self._tokens.clear()
            self._ear = Ear()
            self._eaten = PROMPT
        if self._new >= (self._interval if self._begun else max(FIRST_RUN, 0)):
            self._run()
        sys.stdout.buffer.flush()

    def _run(self) -> None:
        self._mark("▶")
        if not self._begun:
            self._begun = True
            self._mark("·")
        self._new = 0
        before = self._text_tokens
        while len(self._heard) >= (1 + DELAY) * TOKEN * BYTES:
            audio = bytes(self._heard[: TOKEN * BYTES])
            del self._heard[: TOKEN * BYTES]
            self._step(audio)
            if self._quiet >= SILENT_POSITIONS:
                self._mark("↯♻")
                self._restart()
                return
            if self._positions > MOST_POSITIONS:
                self._mark("⟳♻")
                self._restart()
                return
        self._mark("▪" if self._text_tokens > before else "▫")

    def _step(self, audio: bytes) -> None:
        """One position: hear 80 ms, print at most one token."""
        if self._knobs.step_ms:
            time.sleep(self._knobs.step_ms / 1000)
        self._steps += 1
        self._positions += 1
        if self._eaten:
            self._eaten -= 1
            return
        for text in self._ear.push(audio):
            raw = text.encode()
            # A token may end inside a character.
            self._tokens += [b" " + raw[:1], raw[1:]]
        if not self._tokens:
            self._quiet += 1
            return
        self._quiet = 0
        self._print(self._tokens.popleft())

    def _print(self, token: bytes) -> None:
        knobs = self._knobs
        if self._first_token:
            token, self._first_token = token.lstrip(b" "), False
        self._text_tokens += 1
        sys.stdout.buffer.write(token)
        sys.stdout.buffer.flush()
        if self._tokens and knobs.due(knobs.torn_s, self._total):
            os._exit(3)

    def end(self) -> None:
        """After the end of stdin: flush what is behind the delay."""
        self._heard += bytes(FLUSH * TOKEN * BYTES)
        self._run()
        while self._tokens:
            self._print(self._tokens.popleft())
        sys.stdout.buffer.write(b"\n")
        sys.stdout.buffer.flush()
        if self._silent:
            return
        mel = self._total // 160
        say(f"Encoder: {mel} mel -> {mel // 8} tokens (1 ms)\n")
        if self._text_tokens:
            say(
                f"Decoder: {self._text_tokens} text tokens ({self._steps} steps) in 1 ms"
                " (prefill 1 ms + 1 ms/step)\n"
            )

    def _mark(self, symbols: str) -> None:
        if self._monitor:
            say(symbols)
            if self._knobs.garbage:
                os.write(2, b"\xff\xe2\x96 garbage \x00\x1b[31m\n")


def say(text: str) -> None:
    """Something on stderr, byte by byte, so that a reader may see half a character."""
    for byte in text.encode():
        os.write(2, bytes([byte]))


def refuse(message: str, code: int = 1) -> NoReturn:
    """End with a message."""
    sys.stderr.write(message)
    sys.exit(code)


def parse(arguments: list[str]) -> tuple[Path, float, set[str]]:
    """Model directory, interval and flags."""
    directory, interval, flags = "", 2.0, set()
    rest = deque(arguments)
    while rest:
        name = rest.popleft()
        if name == "-h":
            refuse(USAGE, 0)
        elif name in {"--stdin", "--from-mic", "--monitor", "--debug", "--silent"}:
            flags.add(name)
        elif name in {"-d", "-i", "-I", "--alt"} and rest:
            value = rest.popleft()
            if name == "-d":
                directory = value
            elif name == "-I":
                interval = float(value)
            else:
                flags.add(name)
        else:
            refuse(f"Unknown option: {name}\n{USAGE}")
    if not directory or len(flags & {"-i", "--stdin", "--from-mic"}) != 1:
        refuse(USAGE)
    if interval <= 0:
        refuse("-I requires a positive number of seconds\n")
    if "--stdin" not in flags:
        refuse("this fake reads stdin only\n")
    return Path(directory), interval, flags


def load(directory: Path, knobs: Knobs, *, silent: bool) -> None:
    """Open what the genuine one opens, in its order."""
    if not silent:
        say("Loading weights...\n")
    time.sleep(knobs.load_s)
    if not (directory / "consolidated.safetensors").is_file():
        refuse(f"vox_load: cannot open {directory}/consolidated.safetensors\nFailed to load model\n")
    if not silent:
        say("Model loaded.\n")
    if not (directory / "tekken.json").is_file():
        refuse("Failed to init stream\n")


def read(count: int) -> bytes:
    """As C's fread: so many bytes, or what there is before the end of the file."""
    return sys.stdin.buffer.read(count)


def samples_of(first: bytes) -> bytes:
    """The samples in the first read: a WAV header is looked into, raw audio passed on."""
    if len(first) < 44 or first[:4] != b"RIFF" or first[8:12] != b"WAVE":
        return first
    channels, rate = int.from_bytes(first[22:24], "little"), int.from_bytes(first[24:28], "little")
    if (channels, rate, first[34]) != (1, RATE, 16):
        refuse("WAV on stdin must be 16-bit 16 kHz mono; use: ffmpeg -i in.wav -ar 16000 -ac 1 -f s16le -\n")
    return first[44:]


def main() -> None:
    """What the binary does from start to end."""
    knobs = Knobs(os.environ.get("FAKE_VOXTRAL", "{}"))
    if knobs.log:
        with Path(knobs.log).open("a", encoding="utf-8") as log:
            log.write(json.dumps({"pid": os.getpid(), "argv": sys.argv[1:]}) + "\n")
    directory, interval, flags = parse(sys.argv[1:])
    load(directory, knobs, silent="--silent" in flags)
    stream = Voxtral(interval, knobs, monitor="--monitor" in flags, silent="--silent" in flags)
    first = read(FIRST_READ)
    if len(first) < 4:
        refuse("Not enough data on stdin\n")
    pcm = samples_of(first)
    while pcm:
        stream.feed(pcm[: len(pcm) - len(pcm) % BYTES])
        pcm = read(READ)
    stream.end()


if __name__ == "__main__":
    import signal

    for number in (signal.SIGPIPE, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    main()
