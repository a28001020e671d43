"""Recordings: a finished session's audio, lossless, in one file per source: `<directory>/<id>.<source>.flac`.

FLAC, written by PyAV: about half the size of WAV for speech, next to nothing for a hole, checksums in every
frame. The name appears when the file is whole and on the medium; until then the journal is the copy, so a
crash at any instant costs nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from echopanel.audio import SAMPLE_BYTES, SAMPLE_RATE, Source, to_samples, to_seconds
from echopanel.errors import AudioError, StoreError
from echopanel.store.disk import disk_errors, sync_directory
from echopanel.store.journal import SessionJournal
from echopanel.store.source_journal import SourceJournal

MAX_SECONDS = 48 * 3600  # a jump in a source's timeline must not become days of silence
DAY_S = 86_400.0

_SUFFIX = ".flac"
_PARTIAL = ".part"
_BLOCK = to_samples(60.0)
_PIECE = to_samples(0.1)
# Digital silence of this length was not recorded: the source was muted, or the journal had a hole.
HOLE_S = 1.0


@dataclass(frozen=True, slots=True)
class Recording:
    """A file with one source of one session.

    `made_at` is in wall-clock seconds since 1970. `damaged` counts the samples that are silent because the
    journal could not be read back there; `record_session` knows it, a listing does not.
    """

    path: Path
    session: str
    source: Source
    size: int
    made_at: float
    damaged: int = 0


def record_session(journal: SessionJournal, directory: Path) -> list[Recording]:
    """Write a recording of every source that has audio, holes filled with silence so that times stay right.

    Repeating it after a crash replaces what is there. It only reads the journal, so once nothing is
    appended to that session any more it may run in another thread than the other sessions' appends.

    Raises:
        DiskError: the directory cannot be written; the journal is as it was.
        StoreError: a source's timeline is longer than 48 hours.
    """
    with disk_errors(directory):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    made: list[Recording] = []
    for source, audio in journal.sources.items():
        if audio.end:
            path = directory / f"{journal.id}.{source}{_SUFFIX}"
            damaged = write_recording(audio, path)
            made.append(replace(_recording(path), damaged=damaged))
    return made


def write_recording(journal: SourceJournal, path: Path) -> int:
    """Write one source as FLAC to `path`; return the number of samples that could not be read back.

    Raises:
        DiskError, StoreError: as `record_session`.
    """
    if to_seconds(journal.end) > MAX_SECONDS:
        raise StoreError(f"{journal.path}: {to_seconds(journal.end) / 3600:.0f} hours are too long to record")
    partial = path.with_name(path.name + _PARTIAL)
    with disk_errors(partial):
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            with os.fdopen(os.open(partial, flags, 0o600), "wb") as file:
                written = _encode(journal, file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    sync_directory(path.parent)
    return journal.count - written


def read_recording(path: Path) -> Iterator[tuple[int, bytes]]:
    """Read a recording back without its holes: pieces of at most 0.1 s as (first sample, s16le), in order.

    Raises:
        AudioError: the file is not there, or is damaged.
    """
    held: list[tuple[int, bytes]] = []  # silence that may turn out to be a hole
    silent_from: int | None = None
    for start, pcm in _pieces(path):
        if pcm.count(0) < len(pcm):
            yield from held
            held, silent_from = [], None
            yield start, pcm
            continue
        silent_from = start if silent_from is None else silent_from
        held = [*held, (start, pcm)] if start - silent_from < to_samples(HOLE_S) else []


def find_recordings(directory: Path) -> list[Recording]:
    """Return the recordings in `directory`, oldest first. Raises `DiskError`."""
    with disk_errors(directory):
        paths = [path for source in Source for path in directory.glob(f"*.{source}{_SUFFIX}")]
    return sorted(map(_recording, paths), key=lambda made: (made.made_at, made.path))


def expired(
    recordings: Iterable[Recording], now: float, max_days: float | None, max_bytes: int | None
) -> list[Recording]:
    """Return the recordings to delete, oldest first: sessions too old, then the oldest until the rest fits.

    A session goes or stays as a whole; its age is that of its newest file.

    Args:
        now: wall-clock seconds since 1970.
        max_days: the age to which recordings are kept; None for ever.
        max_bytes: what all recordings may take; None for any amount.
    """
    sessions: dict[str, list[Recording]] = {}
    for recording in recordings:
        sessions.setdefault(recording.session, []).append(recording)
    by_age = sorted(sessions.values(), key=lambda files: (_made_at(files), files[0].session))
    excess = sum(file.size for files in by_age for file in files) - (max_bytes or 0)
    gone: list[Recording] = []
    for files in by_age:
        too_old = max_days is not None and now - _made_at(files) > max_days * DAY_S
        too_much = max_bytes is not None and excess > 0
        if too_old or too_much:
            gone += files
            excess -= sum(file.size for file in files)
    return gone


def delete_recordings(recordings: Iterable[Recording]) -> None:
    """Delete their files; harmless for those that are gone already. Raises `DiskError`."""
    for recording in recordings:
        with disk_errors(recording.path):
            recording.path.unlink(missing_ok=True)


def _pieces(path: Path) -> Iterator[tuple[int, bytes]]:
    start, rest = 0, b""
    for pcm in _decode(path):
        rest += pcm
        whole = len(rest) - len(rest) % (_PIECE * SAMPLE_BYTES)
        for at in range(0, whole, _PIECE * SAMPLE_BYTES):
            yield start, rest[at : at + _PIECE * SAMPLE_BYTES]
            start += _PIECE
        rest = rest[whole:]
    if rest:
        yield start, rest


def _decode(path: Path) -> Iterator[bytes]:
    import av  # not above: the server starts without it

    try:
        with av.open(str(path), "r") as container:
            for frame in container.decode(audio=0):
                yield frame.to_ndarray().astype("<i2", copy=False).tobytes()
    except (av.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"cannot read the recording {path}: {reason}") from error


def _made_at(files: list[Recording]) -> float:
    return max(file.made_at for file in files)


def _recording(path: Path) -> Recording:
    session, _, source = path.name.removesuffix(_SUFFIX).rpartition(".")
    with disk_errors(path):
        stat = path.stat()
    return Recording(path, session, Source(source), stat.st_size, stat.st_mtime)


def _encode(journal: SourceJournal, file: BinaryIO) -> int:
    """Write samples 0 to the end, zeros where there are none; return how many there were."""
    import av

    found = 0
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
        for low in range(0, journal.end, _BLOCK):
            samples = np.zeros((1, min(_BLOCK, journal.end - low)), np.int16)
            for start, pcm in journal.read(low, low + _BLOCK):
                piece = np.frombuffer(pcm, "<i2")
                samples[0, start - low :][: len(piece)] = piece
                found += len(piece)
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate = SAMPLE_RATE
            frame.pts = low
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return found
