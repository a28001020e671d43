"""The file format of whisper.cpp, in small."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from echopanel.asr.ggml import Header, Tensor, is_ggml, read_header, read_tensors, write

HEADER = Header(51_864, 4, 2, 1, 1, 4, 2, 1, 1, 3)
TENSORS = (
    Tensor("a.weight", np.arange(6, dtype=np.float16).reshape(2, 3)),
    Tensor("a.bias", np.arange(5, dtype=np.float32)),
)


def content() -> bytes:
    """A tiny file with two tensors."""
    file = io.BytesIO()
    write(file, HEADER, np.ones((3, 2), np.float32), [b"!", b"", b" the"], TENSORS)
    return file.getvalue()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Header and tensors come back as they were."""
    path = tmp_path / "model.bin"
    path.write_bytes(content())
    assert is_ggml(path)
    assert read_header(path) == HEADER
    found = read_tensors(path)
    assert list(found) == [tensor.name for tensor in TENSORS]
    for tensor in TENSORS:
        np.testing.assert_array_equal(found[tensor.name], tensor.values)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    """Wherever it ends, except between two tensors, where whisper.cpp itself counts."""
    whole = content()
    path = tmp_path / "model.bin"
    starts = {whole.index(b"a.weight") - 4 * 5, whole.index(b"a.bias") - 4 * 4}
    for cut in set(range(len(whole))) - starts:
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match=r"cut short|not a model|unknown"):
            read_header(path)


def test_quantised_tensors_are_measured(tmp_path: Path) -> None:
    """A block of 32 numbers in q5_0 takes 22 bytes; a number type nobody knows is refused."""
    whole = content()
    for number_type, size, error in ((6, 2 * 22, ""), (99, 10, "unknown number type 99")):
        tensor = struct.pack("<3i2i", 2, 1, number_type, 32, 2) + b"q" + bytes(size)
        (path := tmp_path / "model.bin").write_bytes(whole + tensor)
        if error:
            with pytest.raises(ValueError, match=error):
                read_header(path)
        else:
            assert read_header(path) == HEADER
            assert "q" not in read_tensors(path)


def test_other_files_are_none(tmp_path: Path) -> None:
    """Neither a missing file nor another format is taken for a model."""
    (tmp_path / "text").write_text("lorem ipsum")
    assert not is_ggml(tmp_path / "text")
    assert not is_ggml(tmp_path / "nothing")
    with pytest.raises(ValueError, match="is not a model of whisper"):
        read_header(tmp_path / "text")


def test_the_vocabulary_tells_whether_it_knows_languages() -> None:
    """51,864 tokens are English alone."""
    assert not HEADER.multilingual
    assert replace(HEADER, vocabulary=51_866).multilingual
