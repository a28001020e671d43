"""Recordings sent as if they happened now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import echopanel
from echopanel.audio import SAMPLE_RATE, Samples, Source
from echopanel.client.pacing import Pacer, play
from echopanel.errors import ConfigError
from tests.client.scripted import Scripted


class Clock:
    """A clock to be set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.floats(min_value=0, max_value=2), max_size=50), st.sampled_from([0.5, 1.0, 4.0]))
def test_the_schedule_does_not_drift(delays: list[float], speed: float) -> None:
    """However late each step is, the next one is due when it would have been."""
    clock = Clock()
    pacer = Pacer(speed, clock=clock)
    for n, late in enumerate(delays, 1):
        wait = pacer.wait_s(n * 1600)
        due = 1000 + n * 0.1 / speed
        assert wait == pytest.approx(max(0, due - clock.now))
        clock.now += wait + late


def test_capture_times_keep_the_pace_of_the_audio() -> None:
    """At any speed, for both sources alike: the server must not take speed for drift."""
    pacer = Pacer(8.0, clock=Clock())
    assert pacer.captured_ms(16_000) - pacer.captured_ms(0) == 1000
    assert repr(pacer) == "<Pacer 8x since 1000.0>"


def test_speed_0_never_waits() -> None:
    """As fast as the server takes it."""
    assert Pacer(0, clock=Clock()).wait_s(10**9) == 0


@pytest.mark.parametrize("speed", [-1.0, float("inf"), float("nan")])
def test_impossible_speeds_are_refused(speed: float) -> None:
    """With what would do."""
    with pytest.raises(ConfigError, match="1 is real time"):
        Pacer(speed)


async def test_playing_sends_every_sample_with_its_time(server: Scripted) -> None:
    """Blocks of any length, read in a thread."""
    samples = (np.arange(40_000, dtype=np.int16) / 32_768).astype(np.float32)

    def blocks() -> Iterator[Samples]:
        yield from (samples[:17_000], samples[17_000:])

    pacer = Pacer(100.0)
    async with echopanel.connect(server.url, sources=["mic"]) as meeting:
        assert await play(meeting, "mic", blocks(), pacer) == 40_000
        await meeting.stop()
    assert bytes(server.session.audio[Source.MIC]) == np.arange(40_000, dtype="<i2").tobytes()
    assert [frame.captured_ms for frame in server.frames()] == pytest.approx(
        [pacer.captured_ms(frame.start) for frame in server.frames()]
    )
    assert max(frame.count for frame in server.frames()) <= SAMPLE_RATE


async def test_a_meeting_from_a_spool_goes_on_where_it_was(server: Scripted, tmp_path: Path) -> None:
    """Each source from its own place, the first of them at once; times are those of the first process."""
    samples = (np.arange(40_000, dtype=np.int16) / 32_768).astype(np.float32)
    async with echopanel.connect(server.url, sources=["mic"], spool=tmp_path) as meeting:
        await play(meeting, "mic", [samples[:18_000]], Pacer(0))
        await meeting.flush()
    async with echopanel.connect(server.url, sources=["mic"], spool=tmp_path) as meeting:
        pacer = Pacer(1.0, meeting.position("mic"), Clock())
        assert pacer.wait_s(meeting.position("mic") + 16_000) == 1
        assert await play(meeting, "mic", [samples[:17_000], samples[17_000:]], Pacer(0)) == 40_000
        await meeting.stop()
    assert bytes(server.session.audio[Source.MIC]) == np.arange(40_000, dtype="<i2").tobytes()
    assert {frame.captured_ms - frame.start / 16 for frame in server.frames()} == {1000.0}
