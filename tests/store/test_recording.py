"""Recordings: lossless, in time, whole or not there; and which of them are kept."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.audio import Source, float_to_pcm16
from echopanel.errors import AudioError, StoreError
from echopanel.store import recording
from echopanel.store.disk import DiskError, Trouble
from echopanel.store.fsync import FsyncPolicy
from echopanel.store.journal import Journal
from echopanel.store.recording import (
    Recording,
    delete_recordings,
    expired,
    find_recordings,
    read_recording,
    record_session,
    write_recording,
)
from echopanel.store.session_journal import SessionJournal
from tests.helpers.disks import limited_disk
from tests.helpers.journals import SESSION, tone
from tests.helpers.speech import Speech

MIC, SYSTEM = Source.MIC, Source.SYSTEM
DAY = recording.DAY_S


@pytest.fixture
def session(tmp_path: Path) -> Iterator[SessionJournal]:
    """An open session without audio yet."""
    journal = Journal(tmp_path / "journal", FsyncPolicy.NONE)
    yield journal.session(SESSION)
    journal.close()


def decoded(path: Path) -> bytes:
    """The samples of a file as s16le."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.rate, stream.layout.nb_channels) == ("flac", 16_000, 1)
        return b"".join(part.to_ndarray().astype("<i2").tobytes() for part in container.decode(audio=0))


def silence(count: int) -> bytes:
    """Zeros."""
    return bytes(2 * count)


def test_recording_is_lossless_and_in_time(session: SessionJournal, tmp_path: Path) -> None:
    """Each source's file holds exactly its samples at their places, and silence where there are none."""
    minute = 960_000
    session.source(MIC).append_many([(500, tone(500, 1_000)), (minute - 7, tone(minute - 7, 30))])
    session.source(SYSTEM).append(0, tone(0, 4_097))
    made = record_session(session, tmp_path / "recordings")
    assert {item.source: decoded(item.path) for item in made} == {
        MIC: silence(500) + tone(500, 1_000) + silence(minute - 7 - 1_500) + tone(minute - 7, 30),
        SYSTEM: tone(0, 4_097),
    }
    assert {item.path.name for item in made} == {f"{SESSION}.mic.flac", f"{SESSION}.system.flac"}
    assert [item.damaged for item in made] == [0, 0]
    assert sorted(find_recordings(tmp_path / "recordings"), key=lambda item: item.source) == made
    assert {stat.S_IMODE(item.path.stat().st_mode) for item in made} == {0o600}


def test_a_recording_is_read_back_without_its_holes(session: SessionJournal, tmp_path: Path) -> None:
    """All samples at their places; more than a second of digital silence is a hole, less is audio."""
    second = 16_000
    said = [(0, tone(0, second)), (second + 12_000, tone(second, second)), (5 * second, tone(7, second + 5))]
    session.source(MIC).append_many(said)
    (made,) = record_session(session, tmp_path)
    pcm = bytearray(2 * (6 * second + 5))
    last = 0
    for start, piece in read_recording(made.path):
        assert start >= last
        last = start + len(piece) // 2
        pcm[2 * start : 2 * last] = piece
    assert bytes(pcm) == decoded(made.path)
    read = [(start, start + len(piece) // 2) for start, piece in read_recording(made.path)]
    heard = {at // 1600 for start, end in read for at in range(start, end, 1600)}
    assert heard == {*range(28), *range(50, 61)}


def test_a_recording_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Gone or damaged, it is an error of ours with the file's name."""
    broken = tmp_path / "broken.flac"
    broken.write_bytes(b"fLaC, or so it says")
    for path in (broken, tmp_path / "gone.flac"):
        with pytest.raises(AudioError, match=path.name):
            list(read_recording(path))


def test_speech_takes_less_room_than_pcm(session: SessionJournal, tmp_path: Path, two_cities: Speech) -> None:
    """Real speech comes back sample by sample from a smaller file."""
    pcm = float_to_pcm16(two_cities.load())[: 2 * 160_000]
    session.source(MIC).append(0, pcm)
    (made,) = record_session(session, tmp_path)
    assert decoded(made.path) == pcm
    assert made.size == made.path.stat().st_size < 0.7 * len(pcm)


def test_source_without_audio_is_left_out(session: SessionJournal, tmp_path: Path) -> None:
    """A source that never sent makes no file; a session without audio makes none at all."""
    assert record_session(session, tmp_path / "recordings") == []
    session.source(MIC).append(0, b"")
    session.source(SYSTEM).append(0, tone(0, 10))
    assert [item.source for item in record_session(session, tmp_path / "recordings")] == [SYSTEM]


def test_recording_again_replaces(session: SessionJournal, tmp_path: Path) -> None:
    """After a crash between recording and deleting the journal, doing it again is right."""
    session.source(MIC).append(0, tone(0, 100))
    record_session(session, tmp_path)
    session.source(MIC).append(100, tone(100, 50))
    (tmp_path / f"{SESSION}.mic.flac.part").write_bytes(b"left by a crash")
    (made,) = record_session(session, tmp_path)
    assert decoded(made.path) == tone(0, 150)
    assert [path.name for path in tmp_path.glob("*.*")] == [f"{SESSION}.mic.flac"]


def test_damaged_journal_is_silent_and_counted(session: SessionJournal, tmp_path: Path) -> None:
    """What went bad on the disk becomes silence and is reported, the rest stays in time."""
    for start in (0, 100, 200):
        session.source(MIC).append(start, tone(start, 100))
    data = bytearray(session.source(MIC).path.read_bytes())
    data[len(data) // 2] ^= 1
    session.source(MIC).path.write_bytes(data)
    (made,) = record_session(session, tmp_path)
    assert made.damaged == 100
    assert decoded(made.path) == tone(0, 100) + silence(100) + tone(200, 100)


def test_endless_silence_is_refused(session: SessionJournal, tmp_path: Path) -> None:
    """A timeline that jumped ahead by weeks does not fill the disk or the day."""
    session.source(MIC).append(recording.MAX_SECONDS * 16_000, tone(0, 10))
    with pytest.raises(StoreError, match="48 hours are too long"):
        record_session(session, tmp_path / "recordings")
    assert find_recordings(tmp_path / "recordings") == []


def test_full_disk_leaves_no_half_recording(session: SessionJournal, tmp_path: Path) -> None:
    """Wherever the disk fills up, the error says so, the old file stays, and nothing else is left."""
    audio = session.source(MIC)
    path = tmp_path / "recordings" / "mic.flac"
    path.parent.mkdir()
    audio.append(0, tone(0, 30_000))
    write_recording(audio, path)
    whole = path.read_bytes()
    path.write_bytes(b"earlier")
    with limited_disk(path.parent) as disk:
        for room in range(0, len(whole) - len(b"earlier"), 1_499):
            with disk.full(room), pytest.raises(DiskError) as caught:
                write_recording(audio, path)
            assert caught.value.trouble is Trouble.NO_SPACE
            assert [item.name for item in path.parent.iterdir()] == ["mic.flac"]
            assert path.read_bytes() == b"earlier"
    assert write_recording(audio, path) == 0
    assert decoded(path) == tone(0, 30_000)


def test_recording_appears_only_when_it_is_on_the_medium(
    session: SessionJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the sync fails there is no recording, so the journal is not deleted for it."""
    session.source(MIC).append(0, tone(0, 100))

    def failing(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(DiskError):
        record_session(session, tmp_path / "recordings")
    assert list((tmp_path / "recordings").iterdir()) == []


def test_foreign_files_are_not_recordings(tmp_path: Path) -> None:
    """Retention never touches a file that is not of this name; a missing directory is empty."""
    for name in ("song.flac", "notes.mic.txt", f"{SESSION}.other.flac", f"{SESSION}.mic.flac.part"):
        (tmp_path / name).touch()
    assert find_recordings(tmp_path) == find_recordings(tmp_path / "none") == []


def test_deleting_is_repeatable(session: SessionJournal, tmp_path: Path) -> None:
    """Expired recordings go; one that is gone already is no error."""
    session.source(MIC).append(0, tone(0, 100))
    made = record_session(session, tmp_path)
    delete_recordings(made)
    delete_recordings(made)
    assert find_recordings(tmp_path) == []


def kept(session: str, source: Source, size: int, days_old: float, now: float = 100 * DAY) -> Recording:
    """A recording of some age."""
    return Recording(Path(f"{session}.{source}.flac"), session, source, size, now - days_old * DAY)


def test_old_recordings_expire_as_sessions() -> None:
    """A session goes when its newest file is too old, all of it at once, oldest first."""
    old = [kept("b", MIC, 5, 31), kept("b", SYSTEM, 5, 30.5)]
    older = [kept("c", SYSTEM, 5, 50)]
    young = [kept("a", MIC, 5, 40), kept("a", SYSTEM, 5, 29.9)]
    assert expired([*young, *old, *older], 100 * DAY, 30, None) == older + old
    assert expired([*young, *old, *older], 100 * DAY, None, None) == []


def test_oldest_recordings_make_room() -> None:
    """Beyond the limit the oldest sessions go until the rest fits, and no more."""
    sessions = [
        [kept(name, MIC, 40, age), kept(name, SYSTEM, 10, age)]
        for name, age in (("a", 3), ("b", 1), ("c", 2))
    ]
    a, b, c = sessions
    everything = b + c + a
    assert expired(everything, 100 * DAY, None, 150) == []
    assert expired(everything, 100 * DAY, None, 149) == a
    assert expired(everything, 100 * DAY, None, 99) == a + c
    assert expired(everything, 100 * DAY, None, 0) == a + c + b


recordings = st.lists(
    st.builds(
        kept,
        st.sampled_from("abcdef"),
        st.sampled_from(Source),
        st.integers(0, 100),
        st.floats(0, 60),
    ),
    unique_by=lambda item: item.path,
)


@given(recordings, st.none() | st.floats(0, 60), st.none() | st.integers(0, 400))
def test_retention_keeps_exactly_what_it_may(
    found: list[Recording], max_days: float | None, max_bytes: int | None
) -> None:
    """What stays fits and is young, sessions are whole, and nothing went that could have stayed."""
    now = 100 * DAY
    gone = expired(found, now, max_days, max_bytes)
    stay = [item for item in found if item not in gone]
    assert len(set(gone)) == len(gone)
    assert {item.session for item in gone}.isdisjoint(item.session for item in stay)
    size = sum(item.size for item in stay)
    assert max_bytes is None or size <= max_bytes
    ages = {
        name: min(now - item.made_at for item in found if item.session == name)
        for name in {item.session for item in found}
    }
    assert all(max_days is None or ages[item.session] <= max_days * DAY for item in stay)
    assert all(ages[a.session] >= ages[b.session] for a in gone for b in stay)
    if gone:
        last = gone[-1].session
        back = sum(item.size for item in gone if item.session == last)
        young = max_days is None or ages[last] <= max_days * DAY
        assert not young or (max_bytes is not None and size + back > max_bytes)
