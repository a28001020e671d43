"""A CTranslate2 Whisper directory as a model file of whisper.cpp: the same numbers under other names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from echopanel.asr.ct2_weights import Array, Ct2Weights, read_weights
from echopanel.asr.features import mel_filters
from echopanel.asr.ggml import Header, Tensor, write
from echopanel.asr.tokens import Vocabulary

# CTranslate2's names of a layer's parts, and OpenAI's, which whisper.cpp uses.
_LAYER = {
    "self_attention/layer_norm": "attn_ln",
    "self_attention/linear_0": ("attn.query", "attn.key", "attn.value"),
    "self_attention/linear_1": "attn.out",
    "attention/layer_norm": "cross_attn_ln",
    "attention/linear_0": "cross_attn.query",
    "attention/linear_1": ("cross_attn.key", "cross_attn.value"),
    "attention/linear_2": "cross_attn.out",
    "ffn/layer_norm": "mlp_ln",
    "ffn/linear_0": "mlp.0",
    "ffn/linear_1": "mlp.2",
}
_WHOLE = {
    "encoder/conv1": "encoder.conv1",
    "encoder/conv2": "encoder.conv2",
    "encoder/layer_norm": "encoder.ln_post",
    "decoder/layer_norm": "decoder.ln",
    "decoder/embeddings": "decoder.token_embedding",
    "encoder/position_encodings": "encoder.positional_embedding",
    "decoder/position_encodings": "decoder.positional_embedding",
}
_KINDS = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}


def convert(folder: Path, file: BinaryIO) -> Header:
    """Write the model of a CTranslate2 directory as a whisper.cpp file; weights keep every bit.

    Raises:
        ValueError: not a Whisper model, or not one in float16 or float32.
        OSError: a file cannot be read or written.
    """
    weights = read_weights(folder / "model.bin")
    if weights.kind != "WhisperSpec":
        raise ValueError(f"{folder} is a {weights.kind}, not a Whisper model")
    vocabulary = Vocabulary(folder)
    arrays = weights.arrays
    if arrays["encoder/conv2/weight"].dtype not in (np.float16, np.float32):
        raise ValueError(f"{folder} is quantised; convert a float16 model")
    header = _header(arrays)
    tokens = [vocabulary.spell(token) for token in range(vocabulary.end)]
    write(file, header, mel_filters(header.mels), tokens, _tensors(weights))
    return header


def _header(arrays: Mapping[str, Array]) -> Header:
    audio_ctx, audio_state = arrays["encoder/position_encodings/encodings"].shape
    text_ctx, text_state = arrays["decoder/position_encodings/encodings"].shape
    return Header(
        vocabulary=len(arrays["decoder/embeddings/weight"]),
        audio_ctx=audio_ctx,
        audio_state=audio_state,
        audio_heads=int(arrays["encoder/num_heads"]),
        audio_layers=_layers(arrays, "encoder"),
        text_ctx=text_ctx,
        text_state=text_state,
        text_heads=int(arrays["decoder/num_heads"]),
        text_layers=_layers(arrays, "decoder"),
        mels=arrays["encoder/conv1/weight"].shape[1],
    )


def _layers(arrays: Mapping[str, Array], part: str) -> int:
    return len({name.split("/")[1] for name in arrays if name.startswith(f"{part}/layer_")} - {"layer_norm"})


def _tensors(weights: Ct2Weights) -> Iterator[Tensor]:
    for name, values in weights.arrays.items():
        part, _, kind = name.rpartition("/")
        if part in _WHOLE:
            target = _WHOLE[part] if kind == "encodings" else f"{_WHOLE[part]}.{_KINDS[kind]}"
            yield _tensor(target, values)
        elif "/layer_" in part:
            yield from _of_layer(part, kind, values)


def _of_layer(part: str, kind: str, values: Array) -> Iterator[Tensor]:
    """A part of a layer; CTranslate2 keeps the projections of one input as one matrix."""
    side, layer, rest = part.split("/", 2)
    names = _LAYER[rest]
    stem = f"{side}.blocks.{layer.removeprefix('layer_')}"
    if isinstance(names, str):
        names = (names,)
    for name, piece in zip(names, np.split(values, len(names)), strict=True):
        if not (name.endswith(".key") and kind == "bias"):  # Whisper's keys have none: CTranslate2's is zero
            yield _tensor(f"{stem}.{name}.{_KINDS[kind]}", piece)


def _tensor(name: str, values: Array) -> Tensor:
    """As whisper.cpp wants it: matrices in float16, the rest in float32, convolution biases as a column."""
    if name.endswith(("conv1.bias", "conv2.bias")):
        values = values.reshape(-1, 1)
    matrix = values.ndim > 1 and not name.endswith((".bias", "positional_embedding"))
    return Tensor(name, values.astype(np.float16 if matrix else np.float32))
