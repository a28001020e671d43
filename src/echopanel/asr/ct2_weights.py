"""Weights as CTranslate2 keeps them in `model.bin`: a plain list of named arrays, read in place."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_VERSION = 6
_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}  # ctranslate2::DataType


@dataclass(frozen=True, slots=True)
class Ct2Weights:
    """The arrays of a model by name; `kind` is the name of its architecture, such as `WhisperSpec`."""

    kind: str
    arrays: Mapping[str, Array]


def read_weights(path: Path) -> Ct2Weights:
    """Map a `model.bin` into memory.

    Raises:
        ValueError: not a file of that format, or cut short.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        try:
            return _read(file, np.memmap(path, np.uint8, mode="r"))
        except (struct.error, KeyError, TypeError, ValueError) as exc:
            raise ValueError(f"{path.name} is not a CTranslate2 model of version {_VERSION}") from exc


def _read(file: BinaryIO, content: NDArray[np.uint8]) -> Ct2Weights:
    (version,) = _unpack(file, "<I")
    if version != _VERSION:
        raise ValueError(version)
    kind = _text(file)
    _, count = _unpack(file, "<II")
    arrays: dict[str, Array] = {}
    for _ in range(count):
        name = _text(file)
        (rank,) = _unpack(file, "<B")
        shape = _unpack(file, f"<{rank}I")
        kind_of_number, size = _unpack(file, "<BI")
        start = file.tell()
        dtype = np.dtype(_TYPES[kind_of_number])
        arrays[name] = content[start : start + size].view(dtype).reshape(shape)
        file.seek(size, 1)
    (count,) = _unpack(file, "<I")
    for _ in range(count):
        alias, name = _text(file), _text(file)
        arrays[alias] = arrays[name]
    return Ct2Weights(kind, arrays)


def _unpack(file: BinaryIO, layout: str) -> tuple[Any, ...]:
    return struct.unpack(layout, file.read(struct.calcsize(layout)))


def _text(file: BinaryIO) -> str:
    """A string with its length in front and a zero byte behind."""
    (length,) = _unpack(file, "<H")
    return file.read(length).rstrip(b"\0").decode()
