"""What a model directory must hold, digests, and remembering which files were already checked."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

REQUIRED = ("model.bin", "config.json", "tokenizer.json")
VOCABULARIES = ("vocabulary.txt", "vocabulary.json")  # older and newer conversions
_BLOCK = 1 << 20
_GIT_DIGEST_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Digest:
    """A pinned file. `hex` is a SHA-256, or a git blob id (SHA-1) when it has 40 digits."""

    hex: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file whose content was hashed; `pinned` says whether there was a digest to compare with."""

    path: Path
    digest: str
    size: int
    pinned: bool


class BadFile(Exception):
    """A file that is missing or not what it should be; the text says which and why."""


def missing(folder: Path) -> list[str]:
    """Names that a CTranslate2 Whisper directory needs and `folder` has not."""
    absent = [name for name in REQUIRED if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in VOCABULARIES):
        absent.append(" or ".join(VOCABULARIES))
    return absent


def model_files(folder: Path) -> list[str]:
    """Names of the files in `folder` that a model is loaded from."""
    return [name for name in (*REQUIRED, *VOCABULARIES) if (folder / name).is_file()]


class Checker:
    """Compares files with their pins; remembers digests by size, times and inode of the file.

    Hashing 75 MB takes some tenths of a second at each start; a file system's change time cannot be set by
    hand, so a file that still has the same one is not read again. Without a writable `memory` nothing is
    remembered and every check reads the files.
    """

    def __init__(self, memory: Path) -> None:
        self._memory = memory

    def check(self, folder: Path, pins: Mapping[str, Digest], *, afresh: bool = False) -> list[CheckedFile]:
        """Check the files of a model directory; `afresh` reads them even if they were seen before.

        Raises:
            BadFile: a file is missing or differs from its pin.
        """
        known = {} if afresh else self._recall(folder)
        names = sorted({*model_files(folder), *pins})
        checked = [self._check(folder / name, pins.get(name), known.get(name, "")) for name in names]
        state = {one.path.name: f"{_fingerprint(one.path)} {one.digest}" for one in checked}
        if state != known:
            self._remember(folder, state)
        return checked

    def _check(self, path: Path, pin: Digest | None, known: str) -> CheckedFile:
        try:
            size = path.stat().st_size
            if pin and pin.size is not None and pin.size != size:
                raise BadFile(f"{path} has {size:,} bytes instead of {pin.size:,}")
            git = pin is not None and len(pin.hex) == _GIT_DIGEST_LENGTH
            seen, _, digest = known.partition(" ")
            if seen != _fingerprint(path) or (len(digest) == _GIT_DIGEST_LENGTH) != git:
                digest = git_blob_id(path) if git else sha256(path)
        except OSError as exc:
            raise BadFile(f"{path}: {exc.strerror or exc}") from exc
        if pin and pin.hex != digest:
            raise BadFile(f"{path} is not the file it should be: digest {digest[:12]}…, not {pin.hex[:12]}…")
        return CheckedFile(path, digest, size, pin is not None)

    def _note(self, folder: Path) -> Path:
        return self._memory / f"{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:32]}.json"

    def _recall(self, folder: Path) -> dict[str, str]:
        try:
            known = json.loads(self._note(folder).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {str(name): str(seen) for name, seen in known.items()} if isinstance(known, dict) else {}

    def _remember(self, folder: Path, state: Mapping[str, str]) -> None:
        with suppress(OSError):
            self._memory.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._note(folder), json.dumps(state).encode())


def sha256(path: Path) -> str:
    """SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_blob_id(path: Path) -> str:
    """The id git gives the file's content: how the hub names small files."""
    size = path.stat().st_size
    digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def join_files(parts: Iterable[Path], target: Path) -> None:
    """Write the contents of `parts` one behind the other to `target`."""
    with target.open("wb") as out:
        for part in parts:
            with part.open("rb") as file:
                while block := file.read(_BLOCK):
                    out.write(block)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` so that a reader sees the old content or the new, never half."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def _fingerprint(path: Path) -> str:
    stat = path.stat()
    return f"{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}:{stat.st_ino}"
