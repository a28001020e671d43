"""Streaming voice activity detection with Silero VAD: one shared network, one small state per source."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from echopanel.asr.noise_floor import NoiseFloor
from echopanel.asr.onnx_file import read_onnx
from echopanel.asr.silero import CONTEXT, WINDOW, SileroNetwork, State
from echopanel.audio import Samples
from echopanel.errors import ModelUnavailable

# Windows that were not scored and come right before some that are: to let the network's state find back.
_AGAIN = 8

Probabilities = NDArray[np.float32]


class SileroVad:
    """The loaded network; safe to share between threads. Give each source its own `stream()`."""

    def __init__(self, path: Path | None = None) -> None:
        """Load the network (about 2 ms).

        Args:
            path: the ONNX file; by default the one in the installed faster-whisper wheel.

        Raises:
            ModelUnavailable: no such file, or not a Silero network.
        """
        found = path or _bundled()
        try:
            self._network = SileroNetwork(read_onnx(found.read_bytes()))
        except (OSError, ValueError) as exc:
            raise ModelUnavailable("silero-vad", f"cannot load {found}: {exc}", _REINSTALL) from exc

    def stream(self) -> VadStream:
        """A fresh state for one source."""
        return VadStream(self)

    def run(self, audio: Samples, state: State) -> tuple[Probabilities, State]:
        """Score consecutive windows and the 64 samples before them, heard after `state`."""
        return self._network.run(audio, state)


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
        self._state = State.fresh()
        self._floor = NoiseFloor()
        self._past = np.zeros(CONTEXT, dtype=np.float32)  # the context, and windows that were not scored
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
            self._past = audio[-CONTEXT - _AGAIN * WINDOW :]
            return np.zeros(count, dtype=np.float32)
        scores, self._state = self._vad.run(audio, self._state)
        self._past = audio[-CONTEXT:].copy()
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
