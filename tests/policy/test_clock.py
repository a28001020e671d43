"""The session clock: both sources on one time line, in spite of jitter, drift, holes and bad stamps."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.audio import SAMPLE_RATE, Source
from echopanel.policy.clock import BLOCK, HOLE, SessionClock

FRAME = SAMPLE_RATE // 10
BOOT_MS = 7_654_321.0  # a monotonic clock begins anywhere

Jitter = Callable[[random.Random], float]


def none(_: random.Random) -> float:
    """Perfect stamps."""
    return 0.0


def even(chance: random.Random) -> float:
    """Early and late alike, +-20 ms."""
    return chance.uniform(-0.02, 0.02)


def late(chance: random.Random) -> float:
    """Always a little late, now and then very late."""
    return chance.expovariate(1 / 0.02) + (chance.uniform(0.1, 0.4) if chance.random() < 0.05 else 0.0)


class Device:
    """A sound device whose sample clock is off by `ppm`, and the true time of each of its samples."""

    def __init__(
        self, source: Source, ppm: float, jitter: Jitter, begins: float = 0.0, seed: int = 1
    ) -> None:
        self.source = source
        self.sample = 0
        self._rate = SAMPLE_RATE * (1 + ppm * 1e-6)
        self._jitter = jitter
        self._begins = begins
        self._chance = random.Random(seed)

    def true(self, sample: float) -> float:
        """Seconds on the session clock, really."""
        return self._begins + sample / self._rate

    def frames(self, clock: SessionClock, seconds: float) -> Iterator[int]:
        """Give the clock `seconds` of frames; yields the index of each when it was observed."""
        end = self.sample + round(seconds * SAMPLE_RATE)
        while self.sample < end:
            captured = self.true(self.sample) + self._jitter(self._chance)
            clock.observe(self.source, self.sample, BOOT_MS + 1000 * captured)
            yield self.sample
            self.sample += FRAME


def worst(clock: SessionClock, device: Device, seconds: float, start: float = 0.0) -> float:
    """Largest error of a sample's time, asked for just after its frame came and one utterance later."""
    error = 0.0
    for sample in device.frames(clock, seconds):
        if sample < start * SAMPLE_RATE or sample % (7 * FRAME):
            continue
        for asked in (sample + FRAME, max(0, sample - 10 * SAMPLE_RATE)):
            error = max(error, abs(clock.at(device.source, asked) - device.true(asked)))
    return error


@pytest.mark.parametrize(("ppm", "jitter"), [(100.0, even), (-100.0, even), (100.0, none)])
def test_drift_and_jitter_are_corrected_for_two_hours(ppm: float, jitter: Jitter) -> None:
    """A device that is 720 ms off after two hours is never placed more than 50 ms wrong."""
    device = Device(Source.MIC, ppm, jitter)
    assert worst(SessionClock(), device, 7200) < 0.05


def test_late_stamps_do_not_shift_the_clock() -> None:
    """Stalls of some 100 ms in one stamp of twenty are not believed."""
    device = Device(Source.MIC, 50.0, late, seed=3)
    assert worst(SessionClock(), device, 1800, start=30) < 0.05


def test_two_devices_stay_together() -> None:
    """After an hour, what was said at the same moment has the same time in both sources, within 20 ms."""
    clock = SessionClock()
    mic, system = Device(Source.MIC, 80.0, even), Device(Source.SYSTEM, -80.0, even, begins=2.0, seed=2)
    for device in (mic, system):
        for _ in device.frames(clock, 3600):
            pass
    for second in range(60, 3600, 60):
        times = [
            clock.at(device.source, round((second - device.true(0)) * SAMPLE_RATE * (1 + ppm * 1e-6)))
            for device, ppm in ((mic, 80.0), (system, -80.0))
        ]
        assert abs(times[0] - times[1]) < 0.02


def test_the_clock_is_right_behind_a_hole() -> None:
    """Ten muted minutes in which the client's own clock gave the sample index, not the device."""
    clock = SessionClock()
    device = Device(Source.MIC, 100.0, even)
    assert worst(clock, device, 600) < 0.05
    before = clock.at(Source.MIC, device.sample)
    device.sample += 600 * SAMPLE_RATE
    device._begins += 0.06  # the index jumped by real seconds: no drift while nothing was captured
    assert worst(clock, device, 60, start=1201) < 0.05
    assert before < clock.at(Source.MIC, device.sample)


def test_without_capture_times_the_index_is_the_time() -> None:
    """A client that knows no capture times gets sample index / 16000, also in holes."""
    clock = SessionClock()
    for sample in (0, FRAME, 50 * FRAME):
        clock.observe(Source.MIC, sample, None if sample else 0.0)
        assert clock.at(Source.MIC, sample) == sample / SAMPLE_RATE
    assert clock.at(Source.SYSTEM, SAMPLE_RATE) == 1.0
    assert clock.origin_ms is None


@pytest.mark.parametrize("bad", [nan, inf, -inf, 0.0])
def test_a_stamp_that_is_no_time_is_ignored(bad: float) -> None:
    """Frames with a broken stamp count as frames without one."""
    clock = SessionClock()
    device = Device(Source.MIC, 0.0, none)
    for sample in device.frames(clock, 60):
        clock.observe(Source.MIC, sample, bad)
    assert clock.at(Source.MIC, 60 * SAMPLE_RATE) == pytest.approx(60.0)


def test_a_frame_from_further_back_is_ignored() -> None:
    """Neither its index nor its stamp moves anything."""
    clock = SessionClock()
    device = Device(Source.MIC, 0.0, none)
    for _ in device.frames(clock, 10):
        pass
    clock.observe(Source.MIC, 0, BOOT_MS + 99_000.0)
    assert worst(clock, device, 30) < 0.001


def test_capture_times_may_begin_late() -> None:
    """The first known capture time sets the origin so that nothing jumps."""
    clock = SessionClock()
    clock.observe(Source.MIC, 0, None)
    clock.observe(Source.MIC, FRAME, BOOT_MS + 100.0)
    assert clock.origin_ms == BOOT_MS
    assert clock.at(Source.MIC, 2 * FRAME) == pytest.approx(0.2)


def test_blocks_without_capture_times_change_nothing() -> None:
    """A block in which all stamps were missing leaves the line as it is."""
    clock = SessionClock()
    device = Device(Source.MIC, 0.0, none)
    for sample in range(0, BLOCK + FRAME, FRAME):
        clock.observe(Source.MIC, sample, None)
    device.sample = BLOCK + FRAME
    assert worst(clock, device, 60) < 0.001


def test_samples_lost_unnoticed_move_the_clock_on() -> None:
    """A device that drops 5 s without a word is found out by its capture times."""
    clock = SessionClock()
    device = Device(Source.MIC, 0.0, even)
    assert worst(clock, device, 60) < 0.05
    device._begins += 5.0
    assert worst(clock, device, 60, start=90) < 0.05


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0])
@pytest.mark.parametrize("at_s", [5.0, 6.0, 30.0])
def test_a_clock_that_jumps_moves_times_once_or_not_at_all(jump_s: float, at_s: float) -> None:
    """An hour forward is taken for a hole, as a whole; an hour back does not turn time round."""
    clock = SessionClock()
    device = Device(Source.MIC, 0.0, none)
    for _ in device.frames(clock, at_s):
        pass
    device._begins += jump_s
    for _ in device.frames(clock, 60):
        pass
    times = [clock.at(Source.MIC, sample) for sample in range(0, device.sample, FRAME)]
    jumps = [later - earlier for earlier, later in pairwise(times) if later - earlier > 0.2]
    assert jumps == ([pytest.approx(3600.1)] if jump_s > 0 else [])


def test_a_clock_set_back_does_not_turn_time_round() -> None:
    """When the client's clock starts again from zero, the session goes on from where it is."""
    clock = SessionClock()
    device = Device(Source.MIC, 0.0, even)
    assert worst(clock, device, 60) < 0.05
    device._begins -= BOOT_MS / 1000
    for _ in device.frames(clock, 60):
        pass
    assert clock.at(Source.MIC, 120 * SAMPLE_RATE) == pytest.approx(120.0, abs=1.0)


def test_a_reopened_session_keeps_its_origin() -> None:
    """With the origin given, a source that goes on in the middle has the times it would have had."""
    first = SessionClock()
    device = Device(Source.MIC, 100.0, none)
    assert worst(first, device, 600) < 0.05
    again = SessionClock(first.origin_ms)
    assert worst(again, device, 60) < 0.05


def test_a_reopened_session_goes_on_where_it_stood() -> None:
    """With one place known, journaled audio gets its times without stamps, and live audio meets them."""
    clock = SessionClock(BOOT_MS)
    device = Device(Source.MIC, 0.0, even, begins=3.0)
    device.sample = 60 * SAMPLE_RATE
    clock.place(Source.MIC, device.sample, 63.0)
    for sample in range(device.sample, device.sample + 10 * SAMPLE_RATE, FRAME):
        clock.observe(Source.MIC, sample, None)
    assert clock.at(Source.MIC, 70 * SAMPLE_RATE) == pytest.approx(73.0)
    device.sample += 10 * SAMPLE_RATE
    assert worst(clock, device, 60, start=75) < 0.05
    with pytest.raises(ValueError, match="before its first frame"):
        clock.place(Source.MIC, 200 * SAMPLE_RATE, 203.0)


def test_a_source_that_was_captured_first_but_came_second_begins_at_zero() -> None:
    """No time is negative, and the difference is worked off within a few seconds."""
    clock = SessionClock()
    clock.observe(Source.MIC, 0, BOOT_MS)
    device = Device(Source.SYSTEM, 0.0, none, begins=-0.04)
    assert worst(clock, device, 30) <= 0.04 + 1e-9
    assert clock.at(Source.SYSTEM, 0) == 0.0
    assert clock.at(Source.SYSTEM, 20 * SAMPLE_RATE) == pytest.approx(19.96, abs=0.001)


stamps = st.tuples(
    st.integers(-FRAME, 3 * HOLE) | st.just(FRAME) | st.just(BLOCK // 3),  # samples since the frame before
    st.floats(-10_000, 10_000) | st.floats(-30, 30) | st.none(),  # ms by which the stamp is off
)


@given(st.lists(stamps, max_size=60), st.booleans())
def test_time_grows_with_samples_and_never_changes_afterwards(
    frames: list[tuple[int, float | None]], stamped_first: bool
) -> None:
    """Whatever the stamps say, times are monotone, and the time of an observed sample stays."""
    clock = SessionClock(BOOT_MS if stamped_first else None)
    sample = newest = 0
    told: dict[int, float] = {}
    for step, off in frames:
        sample = max(0, sample + step)
        captured = None if off is None else BOOT_MS + 1000 * sample / SAMPLE_RATE + off
        clock.observe(Source.MIC, sample, captured)
        newest = max(newest, sample)
        told[newest] = clock.at(Source.MIC, newest)
        now = {known: clock.at(Source.MIC, known) for known in told}
        assert now == pytest.approx(told, abs=1e-6)
        ahead = [newest + BLOCK // 2, newest + BLOCK, newest + 2 * BLOCK]
        times = [clock.at(Source.MIC, known) for known in (*sorted(told), *ahead)]
        assert times[0] >= 0
        assert all(earlier <= later for earlier, later in pairwise(times))


def test_the_representation_tells_how_far_each_source_is_off() -> None:
    """A log line: seconds by which each source differs from its sample count."""
    clock = SessionClock()
    clock.observe(Source.MIC, 0, BOOT_MS)
    clock.observe(Source.SYSTEM, 0, BOOT_MS + 250)
    assert repr(clock) == "<SessionClock [mic +0.000s, system +0.250s]>"


def test_the_offsets_are_enough_to_go_on() -> None:
    """A clock that is placed by them dates what comes as the first one would have."""
    first = SessionClock()
    first.observe(Source.MIC, 0, BOOT_MS)
    late = Device(Source.SYSTEM, 50.0, none, begins=7.0)
    assert worst(first, late, 300) < 0.05
    again = SessionClock(first.origin_ms)
    offset = first.offsets()[Source.SYSTEM]
    again.place(Source.SYSTEM, late.sample, late.sample / SAMPLE_RATE + offset)
    assert again.at(Source.SYSTEM, late.sample) == pytest.approx(
        first.at(Source.SYSTEM, late.sample), abs=0.02
    )
    assert first.offsets()[Source.MIC] == 0.0
    assert worst(again, late, 60) < 0.05
