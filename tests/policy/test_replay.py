"""Audio that is not acknowledged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.audio import AudioFrame, Source
from echopanel.policy.replay import Replay, ReplayLimits

ROOMY = ReplayLimits()


def frame(start: int, count: int, skipped: bool = False) -> AudioFrame:
    """Audio whose samples tell their own index, modulo 2**16."""
    pcm = b"".join((index % 65_536).to_bytes(2, "little") for index in range(start, start + count))
    return AudioFrame(Source.MIC, start, pcm, start / 16, skipped)


def filled(*counts: int, limits: ReplayLimits = ROOMY) -> Replay:
    """A buffer with frames of these lengths, a second apart in time."""
    replay = Replay(limits)
    for now, count in enumerate(counts):
        replay.append(frame(replay.end, count), now)
    return replay


actions = st.lists(
    st.tuples(
        st.sampled_from(["append", "jump", "take", "ack", "cut"]), st.integers(min_value=1, max_value=300)
    ),
    max_size=80,
)


@given(actions, st.booleans())
def test_every_sample_reaches_the_server_once_and_in_order(
    script: list[tuple[str, int]], loses_acknowledged: bool
) -> None:
    """Through cuts, partial frames, late acknowledgements and power cuts nothing is lost, nothing doubled."""
    replay = Replay(ROOMY)
    captured: list[int] = []
    server: list[int] = []
    for what, n in script:
        if what in ("append", "jump"):
            start = replay.end + (n if what == "jump" else 0)
            replay.append(frame(start, n, skipped=what == "jump"), 0)
            captured += range(start, start + n)
        elif what == "take":
            piece = replay.take(n)
            if piece is not None:
                assert piece == frame(piece.start, piece.count, piece.skipped)
                assert piece.count <= n
                server += range(piece.start, piece.end)
        elif what == "ack" and server:
            replay.acknowledge(server[max(0, len(server) - n)])
        elif what == "cut":
            del server[max(0, len(server) - n) :]
            floor = captured[len(captured) - replay.samples] if replay.samples else replay.end
            next_wanted = server[-1] + 1 if server else 0
            if next_wanted < floor and not loses_acknowledged:
                server = [index for index in captured if index < floor]
                next_wanted = floor
            replay.rewind(next_wanted)
        assert server == captured[: len(server)]
        assert replay.unsent == len(captured) - len(server)
        assert replay.position == (captured[len(server)] if replay.unsent else max(replay.cursor, replay.end))
    while (piece := replay.take(1000)) is not None:
        server += range(piece.start, piece.end)
    assert server == captured
    assert replay.unsent == 0


def test_frames_in_arrears_are_joined() -> None:
    """Catching up costs few messages, and no holes or skips are papered over."""
    replay = filled(100, 100, 100)
    replay.append(frame(400, 100, skipped=True), 3)
    replay.append(frame(600, 100), 4)
    assert replay.take(250) == frame(0, 250)
    assert replay.take(250) == frame(250, 50)
    assert replay.take(250) == frame(400, 100, skipped=True)
    assert replay.take(250) == frame(600, 100)
    assert replay.take(250) is None


def test_sending_again_begins_anywhere() -> None:
    """In the middle of a frame that was sent, or before everything that is kept."""
    replay = filled(100, 100)
    replay.take(200)
    replay.rewind(130)
    assert (replay.unsent, replay.take(1000)) == (70, frame(130, 70))
    replay.acknowledge(100)
    replay.rewind(50)
    assert (replay.unsent, replay.take(1000)) == (150, frame(50, 150))


def test_acknowledged_audio_is_there_again_for_a_while() -> None:
    """So many seconds of it, and none that belongs to an earlier session."""
    replay = filled(*[1600] * 20, limits=ReplayLimits(again_s=0.5))
    replay.acknowledge(32_000)
    assert replay.samples == 0
    replay.rewind(0)
    assert (replay.samples, replay.unsent, replay.position) == (8000, 8000, 24_000)
    assert replay.take(8000) == frame(24_000, 8000)
    replay.acknowledge(32_000)
    replay.settle()
    replay.rewind(0)
    assert (replay.samples, replay.take(8000)) == (0, None)


def test_without_credit_nothing_is_taken() -> None:
    """A limit of 0 takes nothing and moves nothing."""
    replay = filled(100)
    assert replay.take(0) is None
    assert replay.unsent == 100


def test_a_skip_is_told_once() -> None:
    """The rest of a frame that was sent in part does not jump."""
    replay = Replay(ROOMY)
    replay.append(frame(500, 100, skipped=True), 0)
    first, second = replay.take(60), replay.take(60)
    assert first is not None
    assert second is not None
    assert (first.skipped, second.skipped) == (True, False)


def test_acknowledged_audio_is_forgotten_and_not_sent() -> None:
    """Also when the server knows more than this connection has sent."""
    replay = filled(100, 100, 100)
    replay.take(50)
    replay.acknowledge(120)
    assert (replay.samples, replay.unsent, replay.cursor) == (200, 180, 120)
    replay.acknowledge(300)
    assert (replay.samples, replay.unsent, replay.dropped) == (0, 0, 0)
    assert replay.position == 300
    assert repr(replay) == "<Replay [0 kept, 0 to send, 0 dropped] at 300>"


@pytest.mark.parametrize(
    "limits",
    [ReplayLimits(seconds=200 / 16_000), ReplayLimits(max_frames=2), ReplayLimits(ttl_s=1)],
    ids=["seconds", "frames", "age"],
)
def test_the_oldest_is_dropped_beyond_the_limits(limits: ReplayLimits) -> None:
    """By length, by number of frames, by age; and counted."""
    replay = filled(100, 100, 100, 100, limits=limits)
    assert (replay.samples, replay.dropped) == (200, 200)
    assert replay.position == 200
    assert replay.take(1000) == frame(200, 200)


def test_dropping_what_was_sent_in_part_goes_on_behind_it() -> None:
    """The cursor never points at audio that is gone."""
    replay = filled(100, 100, limits=ReplayLimits(max_frames=2))
    replay.take(30)
    replay.append(frame(200, 100), 2)
    assert (replay.unsent, replay.position) == (200, 100)
    assert replay.take(1000) == frame(100, 200)


def test_room_is_measured_in_seconds() -> None:
    """So that a caller can wait instead of losing the oldest."""
    replay = filled(100, limits=ReplayLimits(seconds=200 / 16_000))
    assert replay.has_room(100)
    assert not replay.has_room(101)
