"""CUDA devices; there are none here, so the driver is a stand-in that follows its C interface."""

from __future__ import annotations

from typing import Any

from echopanel.equipment import Gpu
from echopanel.machine.cuda import cuda_devices, describe


class Driver:
    """cuInit, cuDeviceGet, cuDeviceGetName and cuDeviceTotalMem_v2 of libcuda: 0 is success."""

    def __init__(self, *sizes: int, broken: bool = False) -> None:
        self.sizes = sizes
        self.broken = broken

    def cuInit(self, flags: int) -> int:  # noqa: N802 - the driver's name
        return 100 if self.broken else 0

    def cuDeviceGet(self, device: Any, index: int) -> int:  # noqa: N802 - the driver's name
        device._obj.value = index
        return 0 if index < len(self.sizes) else 101

    def cuDeviceGetName(self, name: Any, length: int, device: Any) -> int:  # noqa: N802 - the driver's name
        name.value = f"GPU {device.value}".encode()
        return 0

    def cuDeviceTotalMem_v2(self, size: Any, device: Any) -> int:  # noqa: N802 - the driver's name
        size._obj.value = self.sizes[device.value]
        return 0


def test_devices_have_names_and_memory() -> None:
    """More than 4 GB too."""
    assert describe(2, Driver(8 << 30, 24 << 30)) == (Gpu("GPU 0", 8 << 30), Gpu("GPU 1", 24 << 30))


def test_without_a_driver_to_ask_devices_still_count() -> None:
    """CTranslate2 saw them; their memory is unknown."""
    assert describe(1, None) == describe(1, Driver(broken=True)) == (Gpu("CUDA device", 0),)
    assert describe(1, Driver()) == (Gpu("CUDA device", 0),)


def test_ctranslate2_without_cuda_finds_none() -> None:
    """As on the machines that build this; where it finds some, each has a name."""
    assert all(gpu.name for gpu in cuda_devices())
