"""Where the model files of whisper.cpp are: the user's own, pywhispercpp's, or converted and kept."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from echopanel.asr.catalog import Catalog
from echopanel.asr.conversion import convert
from echopanel.asr.ggml import Header, is_ggml, read_header
from echopanel.asr.model_files import BadFile, Checker, Digest, sha256, write_atomically
from echopanel.errors import ModelUnavailable

_REMEDY = "name a ggml file (`--model FILE.bin`), or a model that `echopanel models list` shows"
_DOWNLOADED = "download of pywhispercpp"


@dataclass(frozen=True, slots=True)
class GgmlPlace:
    """Where a model file is; `origin` says how it came there."""

    path: Path
    origin: str


class GgmlFiles:
    """Finds model files of whisper.cpp and makes them out of installed models."""

    def __init__(
        self, catalog: Catalog | None = None, folder: Path | None = None, downloads: Path | None = None
    ) -> None:
        """By default conversions are kept beside the catalogue's models, in the user's cache directory.

        Args:
            catalog: the models that can be converted.
            folder: where conversions are kept.
            downloads: pywhispercpp's directory of models.
        """
        self._catalog = catalog or Catalog()
        self._folder = folder or self._catalog.models_dir / "ggml"
        self._downloads = downloads or platformdirs.user_data_path("pywhispercpp") / "models"
        self._checker = Checker(self._folder / "verified")

    def resolve(self, name: str, path: Path | None = None) -> tuple[Path, Header]:
        """A model file, checked, and its hyperparameters; converts the model on first use.

        Args:
            name: of the catalogue, or of a model that pywhispercpp downloaded.
            path: a ggml file, or a CTranslate2 directory to convert.

        Raises:
            ModelUnavailable: with what to do.
        """
        place = self.find(name, path)
        found = place.path if place else self.make(name, path)
        try:
            return found, read_header(found)
        except (OSError, ValueError) as exc:
            raise ModelUnavailable(name, str(exc), _REMEDY) from exc

    def size(self, name: str, path: Path | None = None) -> int:
        """Bytes of a model file, there already or not.

        Raises:
            ModelUnavailable: there is no such model.
        """
        place = self.find(name, path)
        return place.path.stat().st_size if place else self._catalog.size(name, path)

    def find(self, name: str, path: Path | None = None) -> GgmlPlace | None:
        """A model file that is there already; None: it has to be made.

        Raises:
            ModelUnavailable: a conversion is not what was once written, or `path` names nothing.
        """
        if path is not None and not path.is_dir():
            if not path.is_file():
                raise ModelUnavailable(name, f"there is no file {path}", _REMEDY)
            return GgmlPlace(path, "your file")
        downloaded = self._downloads / f"ggml-{name}.bin"
        if path is None and is_ggml(downloaded):
            return GgmlPlace(downloaded, _DOWNLOADED)
        kept = self.kept(name, path)
        note = _note(kept)
        if not (kept.is_file() and note.is_file()):
            return None
        try:
            digest = note.read_text(encoding="utf-8").partition(" ")[0]
            self._checker.check(kept.parent, {kept.name: Digest(digest)})
        except (BadFile, OSError) as exc:
            raise ModelUnavailable(name, str(exc), f"delete {kept.parent}; it is made again") from exc
        return GgmlPlace(kept, "converted")

    def present(self) -> dict[str, GgmlPlace]:
        """Model files that pywhispercpp downloaded, by the name that loads them."""
        files = sorted(self._downloads.glob("ggml-*.bin"))
        return {
            path.stem.removeprefix("ggml-"): GgmlPlace(path, _DOWNLOADED) for path in files if is_ggml(path)
        }

    def kept(self, name: str, path: Path | None = None) -> Path:
        """Where the conversion of a model is kept, or would be; directories of one name are told apart."""
        if path is None:
            return self._folder / f"ggml-{name}.bin"
        return (
            self._folder / hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16] / f"ggml-{name}.bin"
        )

    def make(self, name: str, path: Path | None = None) -> Path:
        """Convert a model and keep the result, with its digest beside it.

        Raises:
            ModelUnavailable: with what to do.
        """
        kept = self.kept(name, path)
        digest = self.convert(name, kept, path)
        write_atomically(_note(kept), f"{digest}  {kept.name}\n".encode())
        return kept

    def convert(self, name: str, target: Path, path: Path | None = None) -> str:
        """Write a model as a ggml file, whole or not at all; returns its SHA-256.

        Raises:
            ModelUnavailable: the model is not to be had, cannot be converted, or cannot be written.
        """
        source = self._catalog.resolve(name, path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=".ggml-") as aside:
                made = Path(aside, target.name)
                with made.open("wb") as file:
                    convert(source, file)
                digest = sha256(made)
                made.replace(target)
        except ValueError as exc:
            remedy = "take a float16 model made by ct2-transformers-converter"
            raise ModelUnavailable(name, f"cannot be converted: {exc}", remedy) from exc
        except OSError as exc:
            reason = f"cannot write {target}: {exc.strerror or exc}"
            raise ModelUnavailable(name, reason, "make room or rights there") from exc
        return digest


def _note(path: Path) -> Path:
    """The file beside a conversion that has its digest, as `sha256sum --check` reads it."""
    return path.with_name(f"{path.name}.sha256")
