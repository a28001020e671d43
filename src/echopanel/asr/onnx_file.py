"""What an ONNX file holds, as far as a small network needs it: its operations and its float32 tensors.

The format is protobuf (onnx/onnx.proto). The `onnx` package would be one more dependency, for one file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Field numbers of onnx.proto.
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER = 1, 5
_NODE_INPUT, _NODE_OPERATION = 1, 4
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 8, 9
_FLOAT = 1
# Wire types of protobuf.
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIZES = {_FIXED64: 8, _FIXED32: 4}

Tensor = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Node:
    """An operation and the names of what it takes."""

    operation: str
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """Operations in the order in which they run, and constant tensors by name."""

    nodes: tuple[Node, ...]
    tensors: dict[str, Tensor]


def read_onnx(data: bytes) -> Graph:
    """Parse an ONNX file.

    Raises:
        ValueError: it is none, or cut off.
    """
    nodes: list[Node] = []
    tensors: dict[str, Tensor] = {}
    for graph in _messages(data, _MODEL_GRAPH):
        nodes += [_node(node) for node in _messages(graph, _GRAPH_NODE)]
        for tensor in _messages(graph, _GRAPH_INITIALIZER):
            tensors |= _tensor(tensor)
    if not nodes:
        raise ValueError("no ONNX graph")
    return Graph(tuple(nodes), tensors)


def _node(data: bytes) -> Node:
    inputs = tuple(name.decode() for name in _messages(data, _NODE_INPUT))
    operation = b"".join(_messages(data, _NODE_OPERATION)).decode()
    return Node(operation, inputs)


def _tensor(data: bytes) -> dict[str, Tensor]:
    """One tensor by its name; none if it is not of floats."""
    fields = list(_fields(data))
    values = dict(fields)
    if values.get(_TENSOR_TYPE) != _FLOAT:
        return {}
    dims = [int(value) for number, value in fields if number == _TENSOR_DIMS and isinstance(value, int)]
    name, raw = values.get(_TENSOR_NAME), values.get(_TENSOR_RAW)
    if not isinstance(name, bytes) or not isinstance(raw, bytes):
        raise ValueError("a tensor without name or values")
    return {name.decode(): np.frombuffer(raw, "<f4").reshape(dims)}


def _messages(data: bytes, wanted: int) -> Iterator[bytes]:
    """Values of one field."""
    for number, value in _fields(data):
        if number == wanted and isinstance(value, bytes):
            yield value


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of the fields of a protobuf message."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == _BYTES:
            size, at = _varint(data, at)
        elif kind in _SIZES:
            size = _SIZES[kind]
        else:
            raise ValueError(f"no protobuf: wire type {kind}")
        if at + size > len(data):
            raise ValueError("cut off")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of 7 bits a byte, lowest first, and where it ends."""
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at, value, shift = at + 1, value | (byte & 0x7F) << shift, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("cut off")
