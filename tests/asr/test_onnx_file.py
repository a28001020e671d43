"""ONNX files are read as their format says; what is none is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from echopanel.asr.onnx_file import Node, Tensor, read_onnx
from echopanel.asr.silero import SileroNetwork

FLOAT, INT64 = 1, 7
names = st.text(max_size=200)
tensors = st.dictionaries(
    names, arrays(np.float32, st.lists(st.integers(0, 4), max_size=3).map(tuple)), max_size=4
)
nodes = st.lists(st.builds(Node, names, st.lists(names, max_size=4).map(tuple)), min_size=1, max_size=4)


def varint(value: int) -> bytes:
    """A number as protobuf writes it."""
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + varint(value >> 7)


def field(number: int, value: int | bytes) -> bytes:
    """A field as protobuf writes it."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(name: str, values: Tensor, kind: int = FLOAT) -> bytes:
    """onnx.TensorProto."""
    dims = b"".join(field(1, size) for size in values.shape)
    return dims + field(2, kind) + field(8, name.encode()) + field(9, values.tobytes())


def graph(nodes: list[Node], tensors: dict[str, Tensor]) -> bytes:
    """onnx.GraphProto, with a name and a tensor of integers between what matters."""
    written = [
        b"".join(field(1, name.encode()) for name in node.inputs) + field(4, node.operation.encode())
        for node in nodes
    ]
    numbers = tensor("numbers of no interest", np.zeros(2, np.float32), INT64)
    return b"".join(
        (
            *(field(1, node) for node in written),
            field(2, b"main_graph"),
            *(field(5, tensor(name, values)) for name, values in tensors.items()),
            field(5, numbers),
        )
    )


def model(graph: bytes) -> bytes:
    """onnx.ModelProto, with a version in front, and fields of fixed size, which other writers may use."""
    return field(1, 8) + varint(20 << 3 | 1) + bytes(8) + varint(21 << 3 | 5) + bytes(4) + field(7, graph)


@given(nodes, tensors)
def test_what_was_written_is_read(nodes: list[Node], tensors: dict[str, Tensor]) -> None:
    """Operations in order with their inputs, and the tensors of floats by name."""
    found = read_onnx(model(graph(nodes, tensors)))
    assert list(found.nodes) == nodes
    assert list(found.tensors) == list(tensors)
    for name, values in tensors.items():
        np.testing.assert_array_equal(found.tensors[name], values)


@given(nodes, tensors, st.data())
def test_a_file_that_was_cut_off_is_refused(
    nodes: list[Node], tensors: dict[str, Tensor], data: st.DataObject
) -> None:
    """Wherever the rest lacks."""
    whole = model(graph(nodes, tensors))
    with pytest.raises(ValueError, match=r"cut off|no ONNX graph"):
        read_onnx(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(st.binary())
def test_anything_else_is_refused(data: bytes) -> None:
    """By a ValueError, never another."""
    with pytest.raises(ValueError, match=r"."):
        SileroNetwork(read_onnx(data))


@pytest.mark.parametrize("lacking", [8, 9])
def test_a_tensor_without_name_or_values_is_refused(lacking: int) -> None:
    """Rather than taken for another."""
    fields = {2: field(2, FLOAT), 8: field(8, b"name"), 9: field(9, bytes(4))}
    del fields[lacking]
    written = field(1, field(4, b"Conv")) + field(5, b"".join(fields.values()))
    with pytest.raises(ValueError, match="a tensor without"):
        read_onnx(field(7, written))


@pytest.mark.parametrize(("inputs", "found"), [(("heard", "kernel"), r"\(2, 1, 3\)"), ((), r"\[\]")])
def test_another_network_is_refused(inputs: tuple[str, ...], found: str) -> None:
    """The shapes found are named."""
    other = graph([Node("Conv", inputs)], {"kernel": np.zeros((2, 1, 3), np.float32)})
    with pytest.raises(ValueError, match=f"not the network of Silero VAD.*{found}"):
        SileroNetwork(read_onnx(model(other)))
