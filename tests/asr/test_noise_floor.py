"""What may be taken for silence unheard: faint noise that stays the same, and only after a second of it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from echopanel.asr.noise_floor import EVERY, FAINT, LOUDER, SETTLED, UNLIKELY, Floats, NoiseFloor


def windows(loudness: float, count: int = 1) -> Floats:
    """Some windows, one as loud as the other."""
    return np.full(count, loudness, np.float32)


def settled(loudness: float) -> NoiseFloor:
    """The floor after a second of that in which nobody spoke."""
    floor = NoiseFloor()
    for _ in range(SETTLED):
        assert not floor.covers(windows(loudness))
        floor.heard(windows(loudness), windows(0.0))
    return floor


@given(
    loudness=st.floats(0.0001, FAINT / 2),
    times=st.floats(0.0, 3.0).filter(lambda times: abs(times - LOUDER) > 0.01),
)
def test_what_is_no_louder_is_covered(loudness: float, times: float) -> None:
    """One window that stands out is enough to listen to all of them."""
    pushed = windows(loudness, 3)
    pushed[1] *= times
    assert settled(loudness).covers(pushed) == (times < LOUDER)


def test_digital_silence_covers_only_digital_silence() -> None:
    """However long, it needs no second look; the least sound does."""
    floor = settled(0.0)
    assert all(floor.covers(windows(0.0, 3)) for _ in range(10 * EVERY))
    assert not floor.covers(windows(1e-5))


def test_noise_is_listened_to_now_and_then() -> None:
    """In case something fades in; whoever listened may then spare as much again."""
    floor = settled(0.002)
    for _ in range(3):
        assert sum(floor.covers(windows(0.002)) for _ in range(2 * EVERY)) == EVERY
        floor.heard(windows(0.002), windows(0.0))


def test_whoever_might_have_spoken_begins_anew() -> None:
    """Also if the network is not sure, and if the noise is not faint."""
    for loudness, probability in ((0.002, UNLIKELY), (2 * FAINT, 0.0)):
        floor = settled(0.002)
        floor.heard(windows(loudness), windows(probability))
        assert not floor.covers(windows(0.002))


def test_the_floor_follows_noise_that_changes() -> None:
    """A fan that is switched on is listened to for a while, and then is the floor."""
    floor = settled(0.001)
    assert not floor.covers(windows(0.004))
    for _ in range(3 * SETTLED):
        floor.heard(windows(0.004), windows(0.0))
    assert floor.covers(windows(0.004))
    assert repr(floor).startswith("<NoiseFloor 0.00")
