"""The sound system of this machine, through miniaudio: PulseAudio and PipeWire, ALSA, Core Audio, WASAPI."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from echopanel.audio import Samples, Source
from echopanel.capture.devices import Device
from echopanel.errors import DeviceError

BLOCK_MS = 40
_NAMES = {"linux": ("PULSEAUDIO", "ALSA"), "darwin": ("COREAUDIO",), "win32": ("WASAPI",)}
_MONITOR = ".monitor"  # how PulseAudio and PipeWire call the source that repeats what a sink plays
_LOOPBACK_DRIVERS = ("blackhole", "loopback audio", "soundflower", "vb-cable")
_COMMON_RATE = 48_000
_MISSING = (
    "recording from sound devices needs the Python package miniaudio: pip install miniaudio "
    "(it is compiled where there is no ready-made one)"
)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """What a device gave at once: float32 mono at its own rate, and when it came, monotonic seconds."""

    samples: Samples
    at: float


class Stream:
    """A device that is being recorded; blocks come on a thread of the sound system.

    When the device goes away nothing more comes; nobody says so.

    Raises:
        DeviceError: the device is not there, or cannot be recorded.
    """

    def __init__(self, device: Device, take: Callable[[Block], None]) -> None:
        miniaudio = _library()
        handle = next((handle for found, handle in _found(miniaudio) if found.key == device.key), None)
        if handle is None:
            raise DeviceError(f"{device.name} is not there")
        kind = (
            _loopback(miniaudio) if sys.platform == "win32" and _repeats(device) else miniaudio.CaptureDevice
        )
        try:
            self._device = kind(
                input_format=miniaudio.SampleFormat.FLOAT32,
                nchannels=1,
                sample_rate=device.rate,
                buffersize_msec=BLOCK_MS,
                device_id=handle,
                backends=_backends(miniaudio),
                app_name="EchoPanel",
            )
            hand_on = _hand_on(take)
            next(hand_on)
            self._device.start(hand_on)
        except miniaudio.MiniaudioError as error:
            raise DeviceError(f"{device.name} cannot be recorded: {error.args[0]}") from error

    def close(self) -> None:
        """Stop recording; blocks for some ms."""
        self._device.close()


def devices() -> list[Device]:
    """The devices that can be recorded now.

    Raises:
        DeviceError: no sound system answers.
    """
    return [device for device, _ in _found(_library())]


def _library() -> ModuleType:
    try:
        import miniaudio
    except ImportError as error:
        raise DeviceError(_MISSING) from error
    module: ModuleType = miniaudio
    return module


def _backends(miniaudio: ModuleType) -> list[Any]:
    """Without these the library would fall back to a device that gives silence."""
    return [miniaudio.Backend[name] for name in _NAMES.get(sys.platform, _NAMES["linux"])]


def _hand_on(take: Callable[[Block], None]) -> Generator[bytes, bytes, None]:
    """What the library sends its data to."""
    data = yield b""
    while True:
        take(Block(np.frombuffer(data, dtype=np.float32), time.monotonic()))
        data = yield b""


def _found(miniaudio: ModuleType) -> Iterator[tuple[Device, Any]]:
    """Devices with the library's handles for them."""
    try:
        system = _listing(miniaudio)(_backends(miniaudio))
        captures, playbacks = system.get_captures(), system.get_playbacks()
    except miniaudio.MiniaudioError as error:
        raise DeviceError(f"no sound system answers: {error.args[0]}") from error
    heard = {_key(miniaudio, one) + _MONITOR for one in playbacks if one["default"]}
    for one in captures:
        key, name = _key(miniaudio, one), one["name"]
        repeats = key.endswith(_MONITOR) or name.casefold().startswith(_LOOPBACK_DRIVERS)
        default = (key in heard or sys.platform == "darwin") if repeats else one["default"]
        yield Device(key, name, Source.SYSTEM if repeats else Source.MIC, _rate(one), default), one["id"]
    if sys.platform == "win32":
        for one in playbacks:
            key = _key(miniaudio, one) + _MONITOR
            yield Device(key, one["name"], Source.SYSTEM, _rate(one), one["default"]), one["id"]


def _repeats(device: Device) -> bool:
    return device.key.endswith(_MONITOR)


def _key(miniaudio: ModuleType, one: dict[str, Any]) -> str:
    """A device's name inside the sound system: the text at the beginning of the library's handle."""
    raw = bytes(miniaudio.ffi.buffer(one["id"]))
    if sys.platform == "win32":
        return raw.decode("utf-16-le", "replace").partition("\0")[0]
    return raw.partition(b"\0")[0].decode("utf-8", "replace")


def _rate(one: dict[str, Any]) -> int:
    rates = [kind["samplerate"] for kind in one["formats"] if kind["samplerate"]]
    return int(rates[0]) if rates else _COMMON_RATE


def _listing(miniaudio: ModuleType) -> Any:
    """The library's list of devices with what it leaves out: which one is the default."""

    class Listing(miniaudio.Devices):  # type: ignore[misc, name-defined]
        def _get_info(self, kind: Any, info: Any) -> dict[str, Any]:
            return {**super()._get_info(kind, info), "default": bool(info.isDefault)}

    return Listing


def _loopback(miniaudio: ModuleType) -> Any:
    """The library's recorder for what a playback device plays, which WASAPI has and others have not."""

    class Loopback(miniaudio.CaptureDevice):  # type: ignore[misc, name-defined]
        def _make_context(self, *args: Any) -> Any:
            self._devconfig.deviceType = miniaudio.lib.ma_device_type_loopback
            return super()._make_context(*args)

    return Loopback
