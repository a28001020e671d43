"""The fake `voxtral` as a program with a model directory, and sounds that its text tells apart."""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from echopanel.asr.provider import Model, ModelSpec, Provider
from echopanel.asr.voxtral import Voxtral
from echopanel.asr.voxtral.settings import VoxtralSettings
from echopanel.audio import Samples, to_samples
from tests.helpers import fake_voxtral


@dataclass(frozen=True)
class FakeBinary:
    """Where it is, and what it remembers of the processes that were started."""

    folder: Path

    @property
    def program(self) -> Path:
        return self.folder / "voxtral"

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def started(self) -> list[dict[str, Any]]:
        """The processes so far: `pid` and `argv`."""
        log = self.folder / "started"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def settings(self, **changes: Any) -> VoxtralSettings:
        """What a user would set."""
        return VoxtralSettings(**{"bin": str(self.program), "model": self.model, **changes})

    def spec(self, **changes: Any) -> ModelSpec:
        """What a server would load."""
        return ModelSpec("voxtral", "voxtral", threads=1, options=self.settings(**changes))


def fake_binary(folder: Path, **knobs: Any) -> FakeBinary:
    """Make one that misbehaves as `knobs` say; `once=True`: not again after the first time."""
    binary = FakeBinary(folder)
    binary.model.mkdir(parents=True)
    for name in ("consolidated.safetensors", "tekken.json"):
        (binary.model / name).write_bytes(b"fake")
    if knobs.pop("once", False):
        knobs["once"] = str(folder / "happened")
    knobs["log"] = str(folder / "started")
    text = shlex.quote(json.dumps(knobs))
    # -S: a standard library is all that it needs, and it starts in a tenth of the time.
    binary.program.write_text(
        f'#!/bin/sh\nFAKE_VOXTRAL={text} exec {sys.executable} -S {fake_voxtral.__file__} "$@"\n'
    )
    binary.program.chmod(0o755)
    return binary


class FakeVoxtral(Voxtral):
    """The provider, on a fake program whatever it is asked for."""

    def __init__(self, binary: FakeBinary, **settings: Any) -> None:
        self._binary = binary
        self._settings = settings

    def load(self, spec: ModelSpec) -> Model:
        return super().load(replace(spec, options=self._binary.settings(**self._settings)))


@contextmanager
def served_by_program() -> Iterator[Provider]:
    """The provider `voxtral` on a fake program of its own."""
    with tempfile.TemporaryDirectory() as folder:
        yield FakeVoxtral(fake_binary(Path(folder, "fake")))


def babble(seconds: float, seed: int = 0) -> Samples:
    """Noise that is loud throughout and never repeats, as 16-bit audio would carry it."""
    chance = np.random.default_rng(seed)
    whole = chance.integers(6000, 16_000, to_samples(seconds)) * chance.choice([-1, 1], to_samples(seconds))
    return np.asarray(whole / 32_768, np.float32)
