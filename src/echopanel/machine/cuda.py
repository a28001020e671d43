"""CUDA devices, counted by CTranslate2, which has to use them; their names and memory by the driver."""

from __future__ import annotations

import ctypes
from typing import Any

from echopanel.equipment import Gpu

_LIBRARIES = ("libcuda.so.1", "libcuda.so")
_NAME_BYTES = 100
_UNNAMED = "CUDA device"


def cuda_devices() -> tuple[Gpu, ...]:
    """The devices that CTranslate2 sees; none where it was built without CUDA or there is no driver."""
    try:
        import ctranslate2

        count = int(ctranslate2.get_cuda_device_count())
    except (ImportError, RuntimeError):
        return ()
    return describe(count, driver()) if count else ()


def driver() -> Any:
    """The CUDA driver's library, or None."""
    for name in _LIBRARIES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def describe(count: int, cuda: Any) -> tuple[Gpu, ...]:
    """What the driver (None: no driver to ask) says of its first `count` devices."""
    if cuda is None or cuda.cuInit(0) != 0:
        return (Gpu(_UNNAMED, 0),) * count
    return tuple(_device(cuda, index) for index in range(count))


def _device(cuda: Any, index: int) -> Gpu:
    device, size = ctypes.c_int(), ctypes.c_size_t()
    name = ctypes.create_string_buffer(_NAME_BYTES)
    if cuda.cuDeviceGet(ctypes.byref(device), index) != 0:
        return Gpu(_UNNAMED, 0)
    known = cuda.cuDeviceGetName(name, _NAME_BYTES, device) == 0
    sized = cuda.cuDeviceTotalMem_v2(ctypes.byref(size), device) == 0
    return Gpu(name.value.decode(errors="replace") if known else _UNNAMED, size.value if sized else 0)
