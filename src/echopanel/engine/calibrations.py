"""What was measured before on this machine, kept in the user's cache: by machine, versions and model."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

import platformdirs
from pydantic import TypeAdapter, ValidationError

from echopanel.asr.model_files import write_atomically
from echopanel.asr.provider import ModelSpec
from echopanel.asr.registry import provider_package
from echopanel.engine.calibration import Calibration
from echopanel.equipment import Machine

FILE_NAME = "calibrations.json"
# Grows whenever other calls are timed than before or count otherwise, so that old figures are not mixed
# with new ones.
METHOD = 6
_FILE = TypeAdapter(dict[str, Calibration])
_PACKAGE = re.compile(r"[A-Za-z0-9._-]+")


def cache_file() -> Path:
    """Where they are kept unless another file is named."""
    return platformdirs.user_cache_path("echopanel") / FILE_NAME


class Calibrations:
    """Reads and writes the file; one that cannot be read counts as empty."""

    def __init__(self, machine: Machine, path: Path | None = None) -> None:
        self._machine = machine
        self._path = path or cache_file()
        self._known = self._read()

    def __repr__(self) -> str:
        return f"<Calibrations {len(self._known)} in {self._path}>"

    def find(self, spec: ModelSpec) -> Calibration | None:
        """The measurement of exactly this model, with these versions, on this machine."""
        return self._known.get(key(self._machine, spec))

    def all(self) -> list[Calibration]:
        """All measurements that still hold."""
        return [one for name, one in self._known.items() if name == key(self._machine, one.model)]

    def carried(self) -> dict[tuple[str, str], int]:
        """Live sources by provider and model; where a model was measured in several ways, the most."""
        best: dict[tuple[str, str], int] = {}
        for one in self.all():
            name = one.model.provider, one.model.name
            best[name] = max(best.get(name, 0), one.sources)
        return best

    def keep(self, found: Calibration) -> None:
        """Remember a measurement; without a writable cache it is forgotten with the process."""
        self._known = {**self._read(), **self._known, key(self._machine, found.model): found}
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._path, _FILE.dump_json(self._known, indent=1))

    def _read(self) -> dict[str, Calibration]:
        try:
            return _FILE.validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return {}


def key(machine: Machine, spec: ModelSpec) -> str:
    """What a measurement depends on, as a name: it changes with the machine, the versions and the model."""
    facts = (METHOD, asdict(machine), versions(provider_package(spec.provider)), asdict(spec))
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


def versions(package: str) -> tuple[str, ...]:
    """The versions of a package and of all that it asks for by name."""
    try:
        asked = [_PACKAGE.match(line) for line in distribution(package).requires or ()]
    except (PackageNotFoundError, ValueError):
        return ()
    names = sorted({package, *(found.group() for found in asked if found)})
    return tuple(f"{name} {_version(name)}" for name in names)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
