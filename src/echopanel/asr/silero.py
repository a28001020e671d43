"""The Silero VAD network (v5 and v6, 16 kHz), computed for all windows of a call at once.

Layers as in the ONNX file of the faster-whisper wheel, which also has the weights: a short-time Fourier
transform, four convolutions over its four frames, an LSTM over the windows, and one output. onnxruntime
convolves window by window, four frames at a time; products of all windows together take half to two
thirds of the time (docs/benchmarks.md), and one library less is in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from echopanel.asr.onnx_file import Graph, Tensor

WINDOW = 512  # samples (32 ms) per probability
CONTEXT = 64  # samples before a window that the network sees again
WIDTH = 128  # of the recurrent state
_FFT, _HOP, _BINS = 256, 128, 129
_FRAMES = 4
_GATES = 4 * WIDTH
_SHAPES = [(2 * _BINS, 1, _FFT), (128, _BINS, 3), (64, 128, 3), (64, 64, 3), (128, 64, 3), (1, 128, 1)]
_LSTM_SHAPES = [(1, _GATES, WIDTH), (1, _GATES, WIDTH), (1, 2 * _GATES)]

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Hidden and cell state of the LSTM, each of shape (128,). Never changed in place."""

    hidden: Floats
    cell: Floats

    @staticmethod
    def fresh() -> State:
        """Nothing heard yet."""
        return State(np.zeros(WIDTH, np.float32), np.zeros(WIDTH, np.float32))


class SileroNetwork:
    """The weights, and how they are used. Holds nothing of what was heard: safe to share between threads."""

    def __init__(self, graph: Graph) -> None:
        """Take the weights out of the graph.

        Raises:
            ValueError: another network, or another version of this one.
        """
        convolutions = [node.inputs for node in graph.nodes if node.operation == "Conv"]
        recurrent = [node.inputs for node in graph.nodes if node.operation == "LSTM"]
        kernels = [graph.tensors.get(name) for inputs in convolutions for name in inputs[1:2]]
        biases = [graph.tensors.get(name) for inputs in convolutions for name in inputs[2:3]]
        lstm = [graph.tensors.get(name) for inputs in recurrent for name in inputs[1:4]]
        basis, *kernels_ = _checked(kernels, _SHAPES)
        first, second, third, fourth, output = kernels_
        self._biases = _checked(biases, [(shape[0],) for shape in _SHAPES[1:]])
        inputs, hidden, bias = _checked(lstm, _LSTM_SHAPES)
        # A windowed Fourier transform as a convolution; what it has for the mean is the window.
        self._fade = basis[0, 0].copy()
        # Kernels of products, rows by tap and channel. The last two convolutions see one frame beside padding
        # only: of their taps the first, or all but the middle one, meet nothing.
        self._first, self._second = _taps(first), _taps(second)
        self._third, self._fourth = _taps(third[:, :, 1:]), _taps(fourth[:, :, 1:2])
        self._output = output[0, :, 0].copy()
        # Three of the four gates (input, output, forget, cell) are sigmoids, and sigmoid(x) is
        # (1 + tanh(x / 2)) / 2: halved weights make one tanh do for all.
        halves = np.full(_GATES, 0.5, np.float32)
        halves[3 * WIDTH :] = 1.0
        self._inputs = np.ascontiguousarray((inputs[0] * halves[:, None]).T)
        self._hidden = np.ascontiguousarray((hidden[0] * halves[:, None]).T)
        self._gates = (bias[0, :_GATES] + bias[0, _GATES:]) * halves

    def __repr__(self) -> str:
        return f"<SileroNetwork [{WIDTH} wide]>"

    def run(self, audio: Floats, state: State) -> tuple[Floats, State]:
        """Speech probability of n consecutive windows, heard after `state`.

        Args:
            audio: the 64 samples before them and the windows, shape (64 + 512 n,) with n > 0.
            state: of the network before the first window.
        """
        gates = self._encode(audio) @ self._inputs
        gates += self._gates
        hidden, state = self._remember(gates, state)
        logits = np.maximum(hidden, 0.0) @ self._output + self._biases[-1]
        probabilities: Floats = 1.0 / (1.0 + np.exp(-logits))
        return probabilities, state

    def _encode(self, audio: Floats) -> Floats:
        """What the convolutions make of each window, shape (n, 128)."""
        magnitudes = self._magnitudes(audio)
        count = len(magnitudes)
        frames = np.zeros((count, 1 + _FRAMES, 128), np.float32)  # a frame of padding in front
        heard = _unfold(magnitudes, 1, _FRAMES) @ self._first
        heard += self._biases[0]
        np.maximum(heard.reshape(count, _FRAMES, 128), 0.0, out=frames[:, 1:])
        heard = _rectified(_unfold(frames, 2, _FRAMES // 2) @ self._second, self._biases[1])
        heard = _rectified(heard.reshape(count, -1) @ self._third, self._biases[2])
        return _rectified(heard @ self._fourth, self._biases[3])

    def _magnitudes(self, audio: Floats) -> Floats:
        """Spectra of four frames of each window between two of padding, shape (n, 6, 129)."""
        count = len(audio) // WINDOW
        samples = np.empty((count, _HOP * (_FRAMES + 1)), np.float32)
        samples[:, :CONTEXT] = audio[:-CONTEXT].reshape(count, WINDOW)[:, :CONTEXT]
        samples[:, CONTEXT : CONTEXT + WINDOW] = audio[CONTEXT:].reshape(count, WINDOW)
        # The end mirrored at the last sample.
        samples[:, CONTEXT + WINDOW :] = samples[:, CONTEXT + WINDOW - 2 : WINDOW - 2 : -1]
        hops = samples.reshape(count, _FRAMES + 1, _HOP)
        frames = np.concatenate((hops[:, :-1], hops[:, 1:]), axis=2)
        magnitudes = np.zeros((count, _FRAMES + 2, _BINS), np.float32)
        np.abs(np.fft.rfft(frames * self._fade), out=magnitudes[:, 1:-1])
        return magnitudes

    def _remember(self, gates: Floats, state: State) -> tuple[Floats, State]:
        """The LSTM: hidden states of all windows, shape (n, 128), and the state behind them.

        Args:
            gates: what each window adds to the gates, shape (n, 512).
            state: before the first window.
        """
        states = np.empty((len(gates), WIDTH), np.float32)
        hidden, cell = state.hidden, state.cell.copy()
        gate = np.empty(_GATES, np.float32)
        sigmoids = gate[: 3 * WIDTH]
        taken, shown, kept, new = gate.reshape(4, WIDTH)
        for fed, state_behind in zip(gates, states, strict=True):
            np.dot(hidden, self._hidden, out=gate)
            gate += fed
            np.tanh(gate, out=gate)
            sigmoids += 1.0
            sigmoids *= 0.5
            cell *= kept
            taken *= new
            cell += taken
            hidden = np.tanh(cell, out=state_behind)
            hidden *= shown
        return states, State(hidden.copy(), cell)


def _checked(tensors: Sequence[Tensor | None], shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    known = [tensor for tensor in tensors if tensor is not None]
    if [tensor.shape for tensor in known] != list(shapes):
        raise ValueError(f"not the network of Silero VAD v5 or v6: {[tensor.shape for tensor in known]}")
    return known


def _taps(kernel: Tensor) -> Tensor:
    """A convolution's kernel (out, in, taps) for products with unfolded frames: (taps * in, out)."""
    return np.ascontiguousarray(kernel.transpose(2, 1, 0).reshape(-1, len(kernel)))


def _unfold(frames: Floats, step: int, count: int) -> Floats:
    """Three frames side by side, from every `step`-th on, shape (n * count, 3 * channels)."""
    taps = [frames[:, tap : tap + step * count : step] for tap in range(3)]
    return np.concatenate(taps, axis=2).reshape(len(frames) * count, -1)


def _rectified(heard: Floats, bias: Floats) -> Floats:
    heard += bias
    return np.maximum(heard, 0.0, out=heard)
