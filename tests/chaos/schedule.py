"""What goes wrong when: random, but the same for the same kind and seed. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tests.helpers.proxy import Weather


class Kind(StrEnum):
    """Ways to break things."""

    SERVER_KILL = "server kill -9, restart"
    NETWORK_CUT = "network cut, 1-120 s"
    BOTH = "server kill and network cut"
    SUSPEND = "client suspended, 20 s"
    CLIENT_KILL = "client kill -9, spool"
    WEATHER = "bad network"
    NOTHING = "nothing, for comparison"


@dataclass(frozen=True, slots=True)
class KillServer:
    """`kill -9`, and a new process after a while."""

    down_s: float


@dataclass(frozen=True, slots=True)
class CutNetwork:
    """No network for a while: connections break at once, or (`hole`) hang first and break at the end."""

    for_s: float
    hole: bool


@dataclass(frozen=True, slots=True)
class SuspendClient:
    """SIGSTOP, and SIGCONT after a while."""

    for_s: float


@dataclass(frozen=True, slots=True)
class KillClient:
    """`kill -9`, and a new process with the same spool after a while."""

    down_s: float


@dataclass(frozen=True, slots=True)
class Change:
    """The network is like this from now on; `cuts` connections will break at random bytes."""

    weather: Weather
    cuts: int = 0


Fault = KillServer | CutNetwork | SuspendClient | KillClient | Change


@dataclass(frozen=True, slots=True)
class Schedule:
    """Faults and the times at which they begin, in seconds of audio since the first sample."""

    kind: Kind
    seed: int
    faults: tuple[tuple[float, Fault], ...]


def make_schedule(kind: Kind, seed: int, audio_s: float) -> Schedule:
    """The schedule of a kind and a seed over `audio_s` seconds of audio, and a little beyond its end."""
    chance = random.Random(f"{kind} {seed}")
    faults = _MAKERS[kind](chance)
    starts = sorted(chance.uniform(0.2, 1.4 * audio_s) for _ in faults)
    return Schedule(kind, seed, tuple(zip(starts, faults, strict=True)))


def _kills(chance: random.Random) -> list[Fault]:
    return [KillServer(chance.uniform(0, 8)) for _ in range(chance.choice((1, 1, 2)))]


def _cuts(chance: random.Random) -> list[Fault]:
    """Most cuts are short; the logarithm of their lengths is evenly spread over 1 to 120 s."""
    return [
        CutNetwork(120 ** chance.random(), hole=chance.random() < 0.5)
        for _ in range(chance.choice((1, 2, 3)))
    ]


def _both(chance: random.Random) -> list[Fault]:
    return [*_kills(chance), *_cuts(chance)]


def _suspensions(chance: random.Random) -> list[Fault]:
    return [SuspendClient(20.0) for _ in range(chance.choice((1, 1, 2)))]


def _client_kills(chance: random.Random) -> list[Fault]:
    return [KillClient(chance.uniform(0, 8)) for _ in range(chance.choice((1, 1, 2)))]


def _bad_weather(chance: random.Random) -> list[Fault]:
    weathers = [
        Weather(delay_s=chance.uniform(0, 0.1)),
        Weather(rate=chance.uniform(100_000, 400_000)),
        Weather(repeat=chance.uniform(0.1, 1.0)),
        Weather(delay_s=0.02, rate=400_000, repeat=0.3),
    ]
    chance.shuffle(weathers)
    return [Change(weather, chance.choice((0, 1, 3))) for weather in weathers[:3]]


_MAKERS: dict[Kind, Callable[[random.Random], list[Fault]]] = {
    Kind.SERVER_KILL: _kills,
    Kind.NETWORK_CUT: _cuts,
    Kind.BOTH: _both,
    Kind.SUSPEND: _suspensions,
    Kind.CLIENT_KILL: _client_kills,
    Kind.WEATHER: _bad_weather,
    Kind.NOTHING: lambda _: [],
}
