"""Audio that outlives the client's process."""

from __future__ import annotations

import asyncio
import signal
import sys
from itertools import pairwise
from pathlib import Path

import pytest

import echopanel
from echopanel import Final, Source, StoreError
from echopanel.audio import SAMPLE_RATE, AudioFrame
from echopanel.client.spool import FILE_SAMPLES, Spool, Ticket
from tests.client.scripted import Scripted

MIC, SYSTEM = Source.MIC, Source.SYSTEM
FRAMES = [AudioFrame(MIC, at * 50, bytes([at]) * 100, at * 3.125, at == 2) for at in range(5)]


def spooled(directory: Path, frames: list[AudioFrame]) -> Path:
    """A spool with these frames; its only file."""
    spool = Spool(directory, [MIC])
    spool.append(frames)
    spool.close()
    (path,) = directory.glob("*.frames")
    return path


def test_what_was_written_is_found_again(tmp_path: Path) -> None:
    """Frames of each source, and how to resume."""
    spool = Spool(tmp_path / "new" / "spool", [MIC, SYSTEM])
    assert spool.ticket is None
    spool.append(FRAMES)
    spool.append([AudioFrame(SYSTEM, 7, b"ab")])
    spool.remember(Ticket("s1", "old"))
    spool.remember(Ticket("s1", "new"))
    again = Spool(spool.directory, [MIC, SYSTEM])
    spool.close()
    assert again.kept == {MIC: FRAMES, SYSTEM: [AudioFrame(SYSTEM, 7, b"ab")]}
    assert again.ticket == Ticket("s1", "new")
    assert repr(again) == "<Spool spool [6 frames found]>"


def test_the_token_is_for_its_owner_only(tmp_path: Path) -> None:
    """Nobody else on the machine may take over the session."""
    spool = Spool(tmp_path / "spool", [MIC])
    spool.remember(Ticket("s1", "t1"))
    assert (spool.directory / "session.json").stat().st_mode & 0o077 == 0
    assert spool.directory.stat().st_mode & 0o077 == 0


def test_a_file_cut_at_any_byte_keeps_its_whole_frames(tmp_path: Path) -> None:
    """And what follows is written behind them."""
    path = spooled(tmp_path, FRAMES)
    data = path.read_bytes()
    size = len(data) // len(FRAMES)
    for cut in range(len(data)):
        path.write_bytes(data[:cut])
        whole = FRAMES[: cut // size]
        assert Spool(tmp_path, [MIC]).kept == {MIC: whole}
        assert path.stat().st_size == len(whole) * size


def test_a_file_with_nonsense_keeps_what_comes_before(tmp_path: Path) -> None:
    """A length that fits is not enough."""
    path = spooled(tmp_path, FRAMES)
    data = bytearray(path.read_bytes())
    data[2 * (len(data) // 5) + 4] = 99  # the version of the third frame
    path.write_bytes(data)
    assert Spool(tmp_path, [MIC]).kept == {MIC: FRAMES[:2]}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"session": "s1"', '"x"'])
def test_without_a_readable_ticket_a_new_session_begins(tmp_path: Path, text: str) -> None:
    """The audio is still there."""
    spooled(tmp_path, FRAMES)
    (tmp_path / "session.json").write_text(text)
    spool = Spool(tmp_path, [MIC])
    assert spool.ticket is None
    assert spool.kept == {MIC: FRAMES}


def test_acknowledged_files_are_deleted(tmp_path: Path) -> None:
    """The newest stays, for it says where the source has got to."""
    spool = Spool(tmp_path, [MIC])
    starts = [n * FILE_SAMPLES for n in range(4)]
    for start in starts:
        if start:
            spool.acknowledge(MIC, start - 1)
        spool.append([AudioFrame(MIC, start, bytes(2 * FILE_SAMPLES))])
    spool.close()
    assert [frame.start for frame in Spool(tmp_path, [MIC]).kept[MIC]] == starts[2:]


def test_deleting_leaves_what_is_not_its_own(tmp_path: Path) -> None:
    """A directory with something else in it stays."""
    spooled(tmp_path / "a", FRAMES)
    Spool(tmp_path / "a", [MIC]).delete()
    assert not (tmp_path / "a").exists()
    spooled(tmp_path / "b", FRAMES)
    (tmp_path / "b" / "notes.txt").touch()
    Spool(tmp_path / "b", [MIC]).delete()
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["notes.txt"]


def test_a_place_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    """With the reason."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot spool to .*file: .*; choose another"):
        echopanel.connect("http://127.0.0.1:1", spool=tmp_path / "file")


async def test_a_stopped_meeting_leaves_nothing(server: Scripted, tmp_path: Path) -> None:
    """Its audio has become text."""
    async with echopanel.connect(server.url, sources=["mic"], spool=tmp_path / "spool") as meeting:
        await meeting.send("mic", bytes(2 * SAMPLE_RATE))
        await meeting.stop()
    assert not (tmp_path / "spool").exists()


async def test_leaving_without_stop_keeps_the_session_resumable(server: Scripted, tmp_path: Path) -> None:
    """The next meeting with this spool goes on; events come again from the first."""
    async with echopanel.connect(server.url, sources=["mic"], spool=tmp_path) as meeting:
        await meeting.send("mic", bytes(4 * SAMPLE_RATE))
        await meeting.flush()
    async with echopanel.connect(server.url, sources=["mic"], spool=tmp_path) as meeting:
        assert meeting.position("mic") == 2 * SAMPLE_RATE
        await meeting.send("mic", bytes(2 * SAMPLE_RATE))
        await meeting.stop()
        texts = [event.segment.text async for event in meeting if isinstance(event, Final)]
    assert list(server.sessions) == ["s1"]
    assert texts == ["word1", "word2", "word3"]


CLIENT = """
import asyncio, sys, echopanel

async def main(url, spool):
    async with echopanel.connect(url, sources=["mic"], spool=spool, overflow="drop") as meeting:
        for n in range(100):
            await meeting.send("mic", bytes([n, 0]) * 1600)
        print("sent", flush=True)
        await asyncio.sleep(60)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_killed_client_goes_on_where_it_was(server: Scripted, tmp_path: Path) -> None:
    """What `send` returned for reaches the server although the process was killed before it could be sent."""
    server.window, server.acknowledge = 2 * SAMPLE_RATE, False
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CLIENT, server.url, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert client.stdout is not None
    assert await client.stdout.readline() == b"sent\n"
    client.send_signal(signal.SIGKILL)
    await client.wait()
    assert server.session.timelines[MIC].next == 2 * SAMPLE_RATE
    server.window, server.acknowledge = 100 * SAMPLE_RATE, True
    async with echopanel.connect(server.url, sources=["mic"], spool=tmp_path) as meeting:
        await meeting.send("mic", bytes([100, 0]) * 1600)
        await meeting.stop()
    audio = bytes(server.session.audio[MIC])
    heard = [audio[at] for at in range(0, len(audio), 3200)]
    assert heard == list(range(101))
    assert all(later.start == earlier.end for earlier, later in pairwise(server.frames()))
    assert server.session.holes == []


async def test_what_was_sent_but_not_spooled_is_not_recorded_again(server: Scripted, tmp_path: Path) -> None:
    """A process may be killed between the two; the next one's audio comes behind what the server has."""
    async with echopanel.connect(server.url, sources=["mic"], spool=tmp_path) as meeting:
        await meeting.send("mic", bytes(2 * SAMPLE_RATE))
        await meeting.flush()
    forget_half(tmp_path)
    async with echopanel.connect(server.url, sources=["mic"], spool=tmp_path) as meeting:
        assert meeting.position("mic") == SAMPLE_RATE
        await meeting.send("mic", b"\1\0" * SAMPLE_RATE)
        await meeting.stop()
    assert bytes(server.session.audio[MIC]) == bytes(2 * SAMPLE_RATE) + b"\1\0" * SAMPLE_RATE


def forget_half(spool: Path) -> None:
    """Cut the only file in two."""
    (path,) = spool.glob("*.frames")
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
