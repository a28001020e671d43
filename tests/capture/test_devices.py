"""Which device is meant."""

from __future__ import annotations

import pytest

from echopanel.audio import Source
from echopanel.capture.devices import Device, choose, remedy
from echopanel.errors import DeviceError

HEADSET = Device("usb-1", "Headset", Source.MIC, 48_000)
BUILT_IN = Device("pci-1", "Built-in Audio", Source.MIC, 44_100, default=True)
MONITOR = Device("pci-1.monitor", "Monitor of Built-in Audio", Source.SYSTEM, 44_100, default=True)
DEVICES = (HEADSET, BUILT_IN, MONITOR)


@pytest.mark.parametrize(
    ("source", "wanted", "meant"),
    [
        (Source.MIC, None, BUILT_IN),
        (Source.SYSTEM, None, MONITOR),
        (Source.MIC, "usb-1", HEADSET),
        (Source.MIC, "headset", HEADSET),
        (Source.MIC, "Built", BUILT_IN),
        (Source.SYSTEM, "built-in", MONITOR),
    ],
)
def test_a_device_is_named_by_key_name_or_a_part_of_it(
    source: Source, wanted: str | None, meant: Device
) -> None:
    """Of the right kind; without a name it is the system's default."""
    assert choose(DEVICES, source, wanted) is meant


def test_the_whole_name_goes_before_a_part() -> None:
    """A device whose name is part of another one's can be named."""
    longer = Device("usb-2", "Headset 2", Source.MIC, 48_000)
    assert choose((longer, HEADSET), Source.MIC, "headset") is HEADSET


def test_a_name_that_fits_several_is_refused() -> None:
    """The answer lists their keys, which are unique."""
    twin = Device("usb-2", "Headset", Source.MIC, 48_000)
    with pytest.raises(DeviceError, match="usb-1, usb-2"):
        choose((HEADSET, twin), Source.MIC, "head")


def test_a_name_that_fits_none_is_refused() -> None:
    """The answer says how to see those there are."""
    with pytest.raises(DeviceError, match="listen --list"):
        choose(DEVICES, Source.SYSTEM, "usb-1")


def test_a_system_without_a_default_gets_advice() -> None:
    """What to do depends on source and system."""
    with pytest.raises(DeviceError, match="plug a microphone in"):
        choose((MONITOR,), Source.MIC, None)
    assert "BlackHole" in remedy(Source.SYSTEM, "darwin")
    assert "PipeWire" in remedy(Source.SYSTEM, "linux")
