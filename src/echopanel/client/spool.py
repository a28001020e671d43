"""Unacknowledged audio on disk, so that a client that was killed can go on with its session.

A directory per meeting: `session.json` names the session, `SOURCE-START.frames` hold half a minute of frames
each, as they go over the wire, each behind its length (u32, little-endian). What is written survives the
death of the process at any instant, not that of the machine. A torn tail is cut off on opening.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from struct import Struct
from typing import BinaryIO

from echopanel.audio import SAMPLE_RATE, AudioFrame, Source
from echopanel.errors import ProtocolError, StoreError
from echopanel.wire.frames import decode_frame, encode_frame

LENGTH = Struct("<I")
FILE_SAMPLES = 30 * SAMPLE_RATE
_SESSION = "session.json"


@dataclass(frozen=True, slots=True)
class Ticket:
    """What it takes to resume a session."""

    session: str
    resume_token: str


class Spool:
    """The files of one meeting. `append` and `remember` block; one thread at a time per source.

    Raises:
        StoreError: the directory cannot be read or written.
    """

    def __init__(self, directory: Path, sources: Sequence[Source]) -> None:
        self.directory = directory
        with _mapped(directory):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.ticket = _read_ticket(directory / _SESSION)
            self.kept = {source: list(self._load(source)) for source in sources}
        self._open: dict[Source, BinaryIO] = {}
        self._filled = dict.fromkeys(sources, 0)
        self._acked = dict.fromkeys(sources, 0)

    def __repr__(self) -> str:
        return f"<Spool {self.directory.name} [{sum(map(len, self.kept.values()))} frames found]>"

    def remember(self, ticket: Ticket) -> None:
        """Keep what it takes to resume."""
        fresh = self.directory / f"{_SESSION}.new"
        with _mapped(self.directory):
            fresh.touch(mode=0o600)
            fresh.write_text(json.dumps({"session": ticket.session, "resume_token": ticket.resume_token}))
            fresh.replace(self.directory / _SESSION)

    def append(self, frames: Sequence[AudioFrame]) -> None:
        """Keep frames of one source; delete files that are acknowledged as a whole."""
        for frame in frames:
            data = encode_frame(frame)
            with _mapped(self.directory):
                file = self._file_for(frame)
                file.write(LENGTH.pack(len(data)) + data)
                file.flush()

    def acknowledge(self, source: Source, sample: int) -> None:
        """The server keeps everything of a source before `sample`."""
        self._acked[source] = max(self._acked[source], sample)

    def close(self) -> None:
        """Close the files; they stay."""
        for file in self._open.values():
            file.close()
        self._open.clear()

    def delete(self) -> None:
        """The session has ended: nothing of it is needed any more."""
        self.close()
        with _mapped(self.directory):
            for path in [*self.directory.glob("*.frames"), *self.directory.glob(f"{_SESSION}*")]:
                path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # somebody else keeps something there
                self.directory.rmdir()

    def _file_for(self, frame: AudioFrame) -> BinaryIO:
        """The file to append a frame to; a full one is followed by another."""
        file = self._open.get(frame.source)
        if file is None or self._filled[frame.source] >= FILE_SAMPLES:
            if file is not None:
                file.close()
            self._prune(frame.source)
            path = self.directory / f"{frame.source}-{frame.start:016d}.frames"
            file = self._open[frame.source] = path.open("ab")
            self._filled[frame.source] = 0
        self._filled[frame.source] += frame.count
        return file

    def _prune(self, source: Source) -> None:
        """Delete the files whose audio is acknowledged: those that another acknowledged one follows."""
        paths = self._paths(source)
        for path, following in pairwise(paths):
            if _start_of(following) <= self._acked[source]:
                path.unlink()

    def _load(self, source: Source) -> Iterator[AudioFrame]:
        end = 0
        for path in self._paths(source):
            for frame in _read_frames(path):
                if frame.source is source and frame.start >= end:
                    end = frame.end
                    yield frame

    def _paths(self, source: Source) -> list[Path]:
        return sorted(self.directory.glob(f"{source}-*.frames"))


def _start_of(path: Path) -> int:
    return int(path.stem.partition("-")[2])


def _read_frames(path: Path) -> Iterator[AudioFrame]:
    """The whole frames of a file; what is behind the last one is cut off."""
    data = path.read_bytes()
    at = 0
    while len(data) - at >= LENGTH.size:
        (size,) = LENGTH.unpack_from(data, at)
        end = at + LENGTH.size + size
        if end > len(data):
            break
        try:
            yield decode_frame(data[at + LENGTH.size : end], FILE_SAMPLES)
        except ProtocolError:
            break
        at = end
    if at < len(data):
        with path.open("r+b") as file:
            file.truncate(at)


def _read_ticket(path: Path) -> Ticket | None:
    try:
        fields = json.loads(path.read_text())
        return Ticket(str(fields["session"]), str(fields["resume_token"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


@contextlib.contextmanager
def _mapped(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"cannot spool to {directory}: {error.strerror or error}; choose another") from error
