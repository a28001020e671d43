"""Sound devices by name: which there are, and which one somebody means."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from echopanel.audio import Source
from echopanel.errors import DeviceError


@dataclass(frozen=True, slots=True)
class Device:
    """Something to record from.

    `key` names it to the sound system and stays the same when it is unplugged and comes back; `name` is for
    people. `rate`: samples a second that it gives by itself. `default`: what the user has chosen in the
    system's settings.
    """

    key: str
    name: str
    source: Source
    rate: int
    default: bool = False


class DeviceState(StrEnum):
    """Whether a device can be heard."""

    RECORDING = "recording"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """A change: a source's device is being recorded, or it is gone and waited for."""

    source: Source
    name: str
    state: DeviceState


def choose(devices: Sequence[Device], source: Source, wanted: str | None) -> Device:
    """The device for a source.

    Args:
        devices: those there are.
        source: what it is to record.
        wanted: its key, its name or a part of it, whatever the case; None takes the system's default.

    Raises:
        DeviceError: there is none, or more than one has such a name.
    """
    fitting = [device for device in devices if device.source is source]
    if wanted is None:
        found = [device for device in fitting if device.default]
        if not found:
            raise DeviceError(f"there is no default device for {source}; {remedy(source)}")
        return found[0]
    for found in (
        [device for device in fitting if device.key == wanted],
        [device for device in fitting if device.name.casefold() == wanted.casefold()],
        [device for device in fitting if wanted.casefold() in device.name.casefold()],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(device.key for device in found)
            raise DeviceError(f"{wanted!r} may be any of these: {names}; give one of them")
    raise DeviceError(f"no device for {source} is called {wanted!r}; `echopanel listen --list` shows them")


def remedy(source: Source, platform: str = sys.platform) -> str:
    """What to do where the system has no default device for a source."""
    if source is Source.MIC:
        return "plug a microphone in, or choose one in the system's sound settings"
    if platform == "darwin":
        return "macOS records the speakers only through a loopback device such as BlackHole: docs/listen.md"
    return "recording the speakers needs PulseAudio or PipeWire (package pipewire-pulse): docs/listen.md"
