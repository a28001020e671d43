"""CTranslate2 models become ggml files without loss."""

from __future__ import annotations

import io
import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from echopanel.asr.catalog import Catalog
from echopanel.asr.conversion import convert
from echopanel.asr.ct2_weights import read_weights
from echopanel.asr.ggml import Header, read_header, read_tensors

SIZES = {
    "tiny.en": Header(51_864, 1500, 384, 6, 4, 448, 384, 6, 4, 80),
    "base": Header(51_865, 1500, 512, 8, 6, 448, 512, 8, 6, 80),
}
# Parts of a layer, under both names.
PARTS = {
    "self_attention/linear_0": ("attn.query", "attn.key", "attn.value"),
    "self_attention/linear_1": ("attn.out",),
    "attention/linear_0": ("cross_attn.query",),
    "attention/linear_1": ("cross_attn.key", "cross_attn.value"),
    "attention/linear_2": ("cross_attn.out",),
    "ffn/linear_0": ("mlp.0",),
    "ffn/linear_1": ("mlp.2",),
}


@pytest.fixture(scope="module", params=sorted(SIZES))
def converted(
    request: pytest.FixtureRequest, catalog: Catalog, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path, Path]:
    """A model's name, its directory and its ggml file."""
    folder = catalog.resolve(request.param)
    path = tmp_path_factory.mktemp("ggml") / "model.bin"
    with path.open("wb") as file:
        convert(folder, file)
    return request.param, folder, path


def test_the_header_says_how_large_the_model_is(converted: tuple[str, Path, Path]) -> None:
    """Sizes are those of the original, and all of the file is accounted for."""
    name, _, path = converted
    assert read_header(path) == SIZES[name]


def test_every_weight_keeps_every_bit(converted: tuple[str, Path, Path]) -> None:
    """Each number of the original is in the file, with the same value, and there is nothing else."""
    name, folder, path = converted
    found = read_tensors(path)
    arrays = read_weights(folder / "model.bin").arrays
    for side, layers in (("encoder", SIZES[name].audio_layers), ("decoder", SIZES[name].text_layers)):
        for layer in range(layers):
            for theirs, ours in PARTS.items():
                weight = arrays.get(f"{side}/layer_{layer}/{theirs}/weight")
                if weight is None:
                    continue
                pieces = [found.pop(f"{side}.blocks.{layer}.{part}.weight") for part in ours]
                np.testing.assert_array_equal(np.concatenate(pieces), weight)
                assert {piece.dtype for piece in pieces} == {np.dtype(np.float16)}
                zero = np.zeros(len(weight) // len(ours), np.float16)
                biases = [found.pop(f"{side}.blocks.{layer}.{part}.bias", zero) for part in ours]
                np.testing.assert_array_equal(
                    np.concatenate(biases), arrays[f"{side}/layer_{layer}/{theirs}/bias"]
                )
    np.testing.assert_array_equal(
        found.pop("decoder.token_embedding.weight"), arrays["decoder/embeddings/weight"]
    )
    for side in ("encoder", "decoder"):
        np.testing.assert_array_equal(
            found.pop(f"{side}.positional_embedding"), arrays[f"{side}/position_encodings/encodings"]
        )
    for conv in ("conv1", "conv2"):
        np.testing.assert_array_equal(found.pop(f"encoder.{conv}.weight"), arrays[f"encoder/{conv}/weight"])
        np.testing.assert_array_equal(found.pop(f"encoder.{conv}.bias")[:, 0], arrays[f"encoder/{conv}/bias"])
    norms = [values for key, values in arrays.items() if "layer_norm" in key]
    assert len(found) == len(norms)
    assert sorted(np.concatenate(list(found.values()))) == sorted(np.concatenate(norms))
    assert {values.dtype for values in found.values()} == {np.dtype(np.float32)}


def test_the_vocabulary_spells_bytes(converted: tuple[str, Path, Path]) -> None:
    """Tokens stand in the file as what they spell, spaces and all; special ones are left to whisper.cpp."""
    _, folder, path = converted
    stand_ins = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    with path.open("rb") as file:
        file.seek(4 * 12)
        mels, bins = struct.unpack("<2i", file.read(8))
        file.seek(4 * mels * bins, io.SEEK_CUR)
        (count,) = struct.unpack("<i", file.read(4))
        tokens = [file.read(struct.unpack("<i", file.read(4))[0]) for _ in range(count)]
    assert count == stand_ins["<|endoftext|>"]
    assert tokens[stand_ins["Ġwisdom"]] == b" wisdom"
    assert tokens[stand_ins["é"]] == b"\xe9"


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", b"\x06\0\0\0\x0c\0WhisperSpec\0\x03\0"])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    """Empty, foreign and cut files give one error."""
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(ValueError, match="model"):
        convert(tmp_path, io.BytesIO())


def test_a_file_cut_short_is_refused(catalog: Catalog, tmp_path: Path) -> None:
    """Of weights, half is not a smaller model."""
    folder = Path(shutil.copytree(catalog.resolve("tiny.en"), tmp_path / "own"))
    with (folder / "model.bin").open("r+b") as file:
        file.truncate(40_000_000)
    with pytest.raises(ValueError, match=r"model\.bin is not a CTranslate2 model"):
        convert(folder, io.BytesIO())


def test_other_architectures_and_quantised_weights_are_refused(catalog: Catalog, tmp_path: Path) -> None:
    """Only float weights convert without loss, and only Whisper's."""
    folder = Path(shutil.copytree(catalog.resolve("tiny.en"), tmp_path / "own"))
    content = (folder / "model.bin").read_bytes()
    (folder / "model.bin").write_bytes(content.replace(b"WhisperSpec", b"WhisperSpek", 1))
    with pytest.raises(ValueError, match="is a WhisperSpek, not a Whisper model"):
        convert(folder, io.BytesIO())
    name = b"encoder/conv2/weight\0"
    place = content.index(name) + len(name) + 1 + 3 * 4
    (folder / "model.bin").write_bytes(content[:place] + b"\x02" + content[place + 1 :])
    with pytest.raises(ValueError, match="quantised"):
        convert(folder, io.BytesIO())
