"""Streaming voice activity detection with Silero VAD: one shared session, one small state per source."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from echopanel.asr.noise_floor import NoiseFloor
from echopanel.audio import Samples
from echopanel.errors import ModelUnavailable

WINDOW = 512  # samples (32 ms) per probability: the only step Silero v5 and v6 accept at 16 kHz
_CONTEXT = 64  # samples of the previous window that the model sees again
_STATE_SHAPE = (1, 1, 128)
# Windows that were not scored and come right before some that are: to let the network's state find back.
_AGAIN = 8

Probabilities = NDArray[np.float32]


class SileroVad:
    """The loaded network; safe to share between threads. Give each source its own `stream()`."""

    def __init__(self, path: Path | None = None) -> None:
        """Load the network (about 10 ms).

        Args:
            path: the ONNX file; by default the one in the installed faster-whisper wheel.

        Raises:
            ModelUnavailable: no such file, or not a Silero network.
        """
        import onnxruntime

        found = path or _bundled()
        options = onnxruntime.SessionOptions()
        # The network is far too small to gain from threads, and the arena would only hold memory.
        options.inter_op_num_threads = 1
        options.intra_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(
                str(found), sess_options=options, providers=["CPUExecutionProvider"]
            )
        except Exception as exc:  # onnxruntime's classes have no narrower public base
            raise ModelUnavailable("silero-vad", f"cannot load {found}: {exc}", _REINSTALL) from exc

    def stream(self) -> VadStream:
        """A fresh state for one source."""
        return VadStream(self)

    def run(self, windows: Samples, h: Samples, c: Samples) -> tuple[Probabilities, Samples, Samples]:
        """Score consecutive windows, shape (n, 576), from the recurrent state (h, c), each (1, 1, 128)."""
        result: Any = self._session.run(None, {"input": windows, "h": h, "c": c})
        return result[0].reshape(-1), result[1], result[2]


class VadStream:
    """The state of one source: recurrent state, noise floor, the audio before, and the rest of a window."""

    def __init__(self, vad: SileroVad) -> None:
        self._vad = vad
        self.reset()

    def __repr__(self) -> str:
        return f"<VadStream [{len(self._rest)} samples waiting]>"

    @property
    def waiting(self) -> int:
        """Samples pushed that do not fill a window yet."""
        return len(self._rest)

    def reset(self) -> None:
        """Forget what was heard, e.g. behind a gap."""
        self._h = np.zeros(_STATE_SHAPE, dtype=np.float32)
        self._c = np.zeros(_STATE_SHAPE, dtype=np.float32)
        self._floor = NoiseFloor()
        self._past = np.zeros(_CONTEXT, dtype=np.float32)  # the context, and windows that were not scored
        self._rest = np.zeros(0, dtype=np.float32)

    def push(self, samples: Samples) -> Probabilities:
        """Speech probability of each 512-sample window that `samples` complete, in order; any size goes.

        What is but the faint noise that was there before is not scored: its probability is 0.
        """
        heard = np.concatenate((self._rest, samples))
        count = len(heard) // WINDOW
        fresh, self._rest = heard[: count * WINDOW], heard[count * WINDOW :].astype(np.float32)
        if not count:
            return np.zeros(0, dtype=np.float32)
        loudness = np.sqrt(np.square(fresh.reshape(count, WINDOW)).mean(axis=1))
        audio = np.concatenate((self._past, fresh))
        if self._floor.covers(loudness):
            self._past = audio[-_CONTEXT - _AGAIN * WINDOW :]
            return np.zeros(count, dtype=np.float32)
        windows = sliding_window_view(audio, _CONTEXT + WINDOW)[::WINDOW]
        scores, self._h, self._c = self._vad.run(np.ascontiguousarray(windows), self._h, self._c)
        self._past = audio[-_CONTEXT:].copy()
        self._floor.heard(loudness, scores[-count:])
        return scores[-count:]


_REINSTALL = "install the faster-whisper wheel again: it carries the Silero network"


def _bundled() -> Path:
    """The ONNX file in the faster-whisper wheel, found without importing that package."""
    spec = find_spec("faster_whisper")
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        for path in sorted(Path(folder, "assets").glob("silero_vad*.onnx"), reverse=True):
            return path
    raise ModelUnavailable("silero-vad", "no network file found", _REINSTALL)
