"""Recordings are made when a session ends, bounded by age and size, and deleted with their session."""

from __future__ import annotations

import os
import time
from pathlib import Path

import av

from echopanel.audio import AudioFrame, Source
from echopanel.store.archive import Archive
from echopanel.store.journal import Journal

SESSIONS = ("00000000000000aa", "00000000000000bb")


def journal_of(directory: Path) -> Journal:
    """Two sessions with half a second of audio each."""
    journal = Journal(directory / "journal")
    for session in SESSIONS:
        journal.session(session)
        journal.append([(session, AudioFrame(Source.MIC, 0, b"\x01\x02" * 8000))])
    return journal


def test_an_ended_session_becomes_a_lossless_file(tmp_path: Path) -> None:
    """The FLAC has every sample of the journal."""
    archive = Archive(tmp_path)
    journal = journal_of(tmp_path)
    archive.keep(journal.session(SESSIONS[0]))
    journal.close()
    (path,) = archive.directory.iterdir()
    with av.open(str(path)) as file:
        samples = b"".join(frame.to_ndarray().tobytes() for frame in file.decode(audio=0))
    assert samples == b"\x01\x02" * 8000


def test_old_recordings_make_way(tmp_path: Path) -> None:
    """What is older than asked for goes when the next session ends."""
    archive = Archive(tmp_path, max_days=1.0)
    journal = journal_of(tmp_path)
    archive.keep(journal.session(SESSIONS[0]))
    long_ago = time.time() - 2 * 86_400
    for path in archive.directory.iterdir():
        os.utime(path, (long_ago, long_ago))
    archive.keep(journal.session(SESSIONS[1]))
    journal.close()
    assert [path.name for path in archive.directory.iterdir()] == [f"{SESSIONS[1]}.mic.flac"]


def test_deleting_takes_only_the_session_named(tmp_path: Path) -> None:
    """The recordings of others stay; deleting what is not there does no harm."""
    archive = Archive(tmp_path)
    archive.delete(SESSIONS[0])
    journal = journal_of(tmp_path)
    for session in SESSIONS:
        archive.keep(journal.session(session))
    journal.close()
    archive.delete(SESSIONS[0])
    assert [path.name for path in archive.directory.iterdir()] == [f"{SESSIONS[1]}.mic.flac"]
