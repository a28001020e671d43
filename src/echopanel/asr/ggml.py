"""The file format of whisper.cpp: hyperparameters, mel filters, vocabulary, tensors, in that order."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

MAGIC = b"lmgg"  # 0x67676d6c
_ENGLISH_VOCABULARY = 51_864  # tokens of an English-only model; the multilingual ones have more
# ggml_type: numbers in a block, and bytes it takes.
_BLOCKS = {
    0: (1, 4),  # float32
    1: (1, 2),  # float16
    2: (32, 18),  # q4_0
    3: (32, 20),  # q4_1
    6: (32, 22),  # q5_0
    7: (32, 24),  # q5_1
    8: (32, 34),  # q8_0
    10: (256, 84),  # q2_K
    11: (256, 110),  # q3_K
    12: (256, 144),  # q4_K
    13: (256, 176),  # q5_K
    14: (256, 210),  # q6_K
}
_FLOAT32, _FLOAT16 = 0, 1


@dataclass(frozen=True, slots=True)
class Header:
    """Hyperparameters in the order of the file; `number_type` is 1 for float16, more where quantised."""

    vocabulary: int
    audio_ctx: int
    audio_state: int
    audio_heads: int
    audio_layers: int
    text_ctx: int
    text_state: int
    text_heads: int
    text_layers: int
    mels: int
    number_type: int = _FLOAT16

    @property
    def multilingual(self) -> bool:
        """Whether the model knows languages besides English."""
        return self.vocabulary > _ENGLISH_VOCABULARY


_HEADER = struct.Struct(f"<{len(Header.__dataclass_fields__)}i")


@dataclass(frozen=True, slots=True)
class Tensor:
    """A named array; float32 or float16."""

    name: str
    values: NDArray[Any]


def write(
    file: BinaryIO,
    header: Header,
    filters: NDArray[np.float32],
    tokens: Sequence[bytes],
    tensors: Iterable[Tensor],
) -> None:
    """Write a whole model.

    Args:
        file: where to.
        header: hyperparameters.
        filters: mel filters, shape (mels, bins).
        tokens: what each text token spells, without the special tokens.
        tensors: the weights.
    """
    file.write(MAGIC + _HEADER.pack(*astuple(header)))
    file.write(struct.pack("<2i", *filters.shape) + filters.tobytes())
    file.write(struct.pack("<i", len(tokens)))
    file.writelines(struct.pack("<i", len(token)) + token for token in tokens)
    for tensor in tensors:
        name, values = tensor.name.encode(), tensor.values
        number_type = _FLOAT16 if values.dtype == np.float16 else _FLOAT32
        file.write(struct.pack("<3i", values.ndim, len(name), number_type))
        file.write(struct.pack(f"<{values.ndim}i", *reversed(values.shape)) + name)
        file.write(np.ascontiguousarray(values).data)


def is_ggml(path: Path) -> bool:
    """Whether a file begins like one of this format."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def read_header(path: Path) -> Header:
    """The hyperparameters of a model file whose every part is there.

    whisper.cpp takes a file that is cut short for a smaller model, so the sizes are added up here.

    Raises:
        ValueError: not such a file, or cut short.
        OSError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            header = _skim(file, path.stat().st_size)
    except struct.error as exc:
        raise ValueError(f"{path} is cut short") from exc
    if header is None:
        raise ValueError(f"{path} is not a model of whisper.cpp")
    return header


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """All float tensors of a model file, mapped into memory."""
    content = np.memmap(path, np.uint8, mode="r")
    found: dict[str, NDArray[Any]] = {}
    with path.open("rb") as file:
        _skip_to_tensors(file)
        while file.tell() < len(content):
            name, shape, number_type, size = _tensor(file)
            if number_type in (_FLOAT32, _FLOAT16):
                dtype = np.float16 if number_type == _FLOAT16 else np.float32
                found[name] = content[file.tell() : file.tell() + size].view(dtype).reshape(shape)
            file.seek(size, 1)
    return found


def _skim(file: BinaryIO, size: int) -> Header | None:
    header = _skip_to_tensors(file)
    while header is not None and file.tell() < size:
        _, _, _, length = _tensor(file)
        file.seek(length, 1)
    if header is not None and file.tell() > size:
        raise struct.error
    return header


def _skip_to_tensors(file: BinaryIO) -> Header | None:
    if file.read(len(MAGIC)) != MAGIC:
        return None
    header = Header(*_HEADER.unpack(file.read(_HEADER.size)))
    file.seek(4 * prod(_integers(file, 2)), 1)
    for _ in range(_integers(file, 1)[0]):
        file.seek(_integers(file, 1)[0], 1)
    return header


def _tensor(file: BinaryIO) -> tuple[str, tuple[int, ...], int, int]:
    """Name, shape, number type and bytes of the next tensor."""
    rank, length, number_type = _integers(file, 3)
    shape = tuple(reversed(_integers(file, rank)))
    name = file.read(length).decode(errors="replace")
    numbers, block = _BLOCKS.get(number_type, (1, 0))
    if not block:
        raise ValueError(f"{name or 'a tensor'} has the unknown number type {number_type}")
    return name, shape, number_type, prod(shape) // numbers * block


def _integers(file: BinaryIO, count: int) -> tuple[int, ...]:
    return struct.unpack(f"<{count}i", file.read(4 * count))
