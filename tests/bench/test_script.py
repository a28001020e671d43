"""Schedules of sources."""

from __future__ import annotations

from itertools import pairwise
from math import gcd

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.audio import SAMPLE_RATE, to_samples
from echopanel.bench.corpus import Recording
from echopanel.bench.script import GAP_S, Timing, compose, silence, stride


def numbered(index: int, count: int) -> Recording:
    """A recording whose every sample is its index plus one."""
    return Recording(f"{index}", "read", "", np.full(count, index + 1, "<i2").tobytes())


RECORDINGS = st.lists(st.integers(1, 4000), min_size=1, max_size=6).map(
    lambda counts: [numbered(index, count) for index, count in enumerate(counts)]
)


@given(RECORDINGS, st.integers(0, 40), st.lists(st.integers(1, 700), min_size=1, max_size=20))
def test_reading_in_any_steps_gives_recordings_and_silence(
    recordings: list[Recording], source: int, steps: list[int]
) -> None:
    """What is sent is each take in full at its place, zeros between them, and nothing else."""
    script = compose(recordings, source, 0.5)
    expected = np.zeros(script.count, "<i2")
    for take in script.takes:
        end = min(take.end, script.count)
        expected[take.start : end] = int(take.recording.name) + 1
    pieces: list[bytes] = []
    at = 0
    while at < script.count:
        piece = script.read(at, steps[len(pieces) % len(steps)])
        pieces.append(piece)
        at += len(piece) // 2
    assert b"".join(pieces) == expected.tobytes()
    assert at == script.count == SAMPLE_RATE // 2


@given(RECORDINGS, st.integers(0, 40))
def test_takes_follow_each_other_with_the_gap_between(recordings: list[Recording], source: int) -> None:
    """All recordings come in turn, so that a long script plays all of them equally often."""
    takes = compose(recordings, source, 2.0).takes
    for earlier, later in pairwise(takes):
        assert later.start - earlier.end == to_samples(GAP_S)
        assert int(later.recording.name) == (int(earlier.recording.name) + 1) % len(recordings)


@given(st.integers(1, 200))
def test_first_recordings_differ_until_all_were_first(count: int) -> None:
    """The stride visits every recording before it comes back."""
    assert gcd(stride(count), count) == 1
    firsts = {source * stride(count) % count for source in range(count)}
    assert len(firsts) == count


def test_few_sources_begin_far_apart() -> None:
    """Four sources and thirty recordings: no two begin with neighbours."""
    firsts = sorted(source * stride(30) % 30 for source in range(4))
    assert min(later - earlier for earlier, later in pairwise(firsts)) >= 3


@given(st.integers(1, 100), st.floats(1, 600), st.floats(0, 5))
def test_every_source_talks_for_the_whole_window(sources: int, seconds: float, stagger: float) -> None:
    """The window begins when all have begun and ends before any ends."""
    timing = Timing(seconds, stagger)
    begin, end = timing.window
    assert end - begin == pytest.approx(seconds)
    assert all(0 <= timing.begin(source, sources) <= begin for source in range(sources))
    assert end < timing.end


def test_a_silent_source_sends_zeros() -> None:
    """Digital silence for as long as asked."""
    script = silence(0.01)
    assert script.read(0, 1000) == bytes(320)
    assert script.takes == ()
