"""Whether the other side is there."""

from __future__ import annotations

from echopanel.policy.heartbeat import Heartbeat


def test_it_asks_every_ten_seconds() -> None:
    """Whether or not something else is heard."""
    heartbeat = Heartbeat(100)
    assert heartbeat.idle_s(100) == 10
    assert not heartbeat.ping_due(109.9)
    heartbeat.heard(109.9)
    assert heartbeat.ping_due(110)
    heartbeat.asked(110)
    assert not heartbeat.ping_due(119)
    assert heartbeat.idle_s(112) == 8
    assert repr(heartbeat) == "<Heartbeat [heard at 109.9, asked at 110.0]>"


def test_fifteen_seconds_of_silence_are_death() -> None:
    """Anything heard begins the count anew."""
    heartbeat = Heartbeat(100)
    heartbeat.asked(110)
    assert heartbeat.idle_s(111) == 4
    assert heartbeat.dead_in_s(112) == 3
    assert not heartbeat.is_dead(114.9)
    assert heartbeat.is_dead(115)
    assert heartbeat.idle_s(120) == heartbeat.dead_in_s(120) == 0
    heartbeat.heard(115)
    assert not heartbeat.is_dead(129)
