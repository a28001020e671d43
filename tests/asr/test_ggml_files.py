"""Model files of whisper.cpp: found, made once, kept with a digest."""

from __future__ import annotations

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from echopanel.asr.catalog import Catalog
from echopanel.asr.ggml_files import GgmlFiles
from echopanel.asr.model_files import sha256
from echopanel.errors import ModelUnavailable


@pytest.fixture
def files(catalog: Catalog, tmp_path: Path) -> GgmlFiles:
    """With directories of their own."""
    return GgmlFiles(catalog, tmp_path / "ggml", tmp_path / "downloads")


def test_a_model_is_converted_once(files: GgmlFiles, tmp_path: Path) -> None:
    """The first use makes the file, even if several ask at once; later ones find it; no debris stays."""
    assert files.find("tiny.en") is None
    with ThreadPoolExecutor(2) as pool:
        (path, header), again = pool.map(files.resolve, ["tiny.en"] * 2)
    assert again == (path, header)
    assert path == tmp_path / "ggml" / "ggml-tiny.en.bin"
    assert not header.multilingual
    place = files.find("tiny.en")
    assert place is not None
    assert (place.path, place.origin) == (path, "converted")
    made = path.stat().st_mtime_ns
    assert files.resolve("tiny.en")[0].stat().st_mtime_ns == made
    assert files.size("tiny.en") == path.stat().st_size
    assert {one.name for one in path.parent.iterdir()} == {path.name, f"{path.name}.sha256", "verified"}


def test_the_digest_is_one_that_sha256sum_checks(files: GgmlFiles) -> None:
    """It stands beside the file in the usual form."""
    path = files.make("tiny.en")
    check = ["sha256sum", "--check", f"{path.name}.sha256"]
    assert subprocess.run(check, cwd=path.parent, capture_output=True, check=False).returncode == 0


def test_a_conversion_that_was_changed_is_refused(files: GgmlFiles) -> None:
    """One flipped bit is found before the file is loaded."""
    path = files.make("tiny.en")
    with path.open("r+b") as file:
        file.seek(-1, 2)
        byte = file.read(1)[0]
        file.seek(-1, 2)
        file.write(bytes([byte ^ 1]))
    with pytest.raises(ModelUnavailable, match=r"is not the file it should be.*it is made again"):
        files.resolve("tiny.en")


def test_what_was_converted_outlives_the_original(files: GgmlFiles, tmp_path: Path) -> None:
    """The kept file needs no catalogue; a name that it never had does."""
    path = files.make("tiny.en")
    later = GgmlFiles(Catalog(tmp_path / "nothing"), path.parent, tmp_path / "downloads")
    assert later.resolve("tiny.en")[0] == path
    with pytest.raises(ModelUnavailable, match="no such model"):
        later.resolve("enormous")


def test_a_file_of_the_users_is_taken_as_it_is(files: GgmlFiles, tmp_path: Path) -> None:
    """It needs no digest, but it must be whole and of the format."""
    own = tmp_path / "mine.bin"
    files.convert("tiny.en", own)
    assert files.resolve("mine.bin", own)[0] == own
    with own.open("r+b") as file:
        file.truncate(70_000_000)
    with pytest.raises(ModelUnavailable, match="is cut short"):
        files.resolve("mine.bin", own)
    own.write_text("no weights")
    with pytest.raises(ModelUnavailable, match="is not a model of whisper"):
        files.resolve("mine.bin", own)
    with pytest.raises(ModelUnavailable, match=r"there is no file .*none\.bin"):
        files.resolve("none.bin", tmp_path / "none.bin")


def test_downloads_of_pywhispercpp_are_used(files: GgmlFiles, tmp_path: Path) -> None:
    """They go before a conversion, and the list of models shows them, quantised ones too."""
    (tmp_path / "downloads").mkdir()
    for name in ("tiny.en", "tiny.en-q5_1"):
        files.convert("tiny.en", tmp_path / "downloads" / f"ggml-{name}.bin")
    (tmp_path / "downloads" / "ggml-broken.bin").write_text("half a download")
    assert set(files.present()) == {"tiny.en", "tiny.en-q5_1"}
    path, _ = files.resolve("tiny.en-q5_1")
    assert path == tmp_path / "downloads" / "ggml-tiny.en-q5_1.bin"
    assert not (tmp_path / "ggml").exists()


def test_a_directory_of_ones_own_is_converted_aside(
    files: GgmlFiles, catalog: Catalog, tmp_path: Path
) -> None:
    """Two directories of one name do not share a file, and neither takes the catalogue's."""
    folders = [tmp_path / where / "tiny.en" for where in ("a", "b")]
    for folder in folders:
        shutil.copytree(catalog.resolve("tiny.en"), folder)
    paths = {files.resolve("tiny.en", folder)[0] for folder in folders}
    assert len(paths | {files.kept("tiny.en")}) == 3
    assert len({sha256(path) for path in paths}) == 1


def test_what_cannot_be_converted_or_written_says_why(
    files: GgmlFiles, catalog: Catalog, tmp_path: Path
) -> None:
    """One line each, with what to do."""
    folder = Path(shutil.copytree(catalog.resolve("tiny.en"), tmp_path / "own"))
    (folder / "model.bin").write_bytes(b"\0" * 100)
    with pytest.raises(ModelUnavailable, match=r"cannot be converted: model\.bin .*; take a float16"):
        files.resolve("own", folder)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelUnavailable, match=r"cannot write .*file/ggml\.bin"):
        files.convert("tiny.en", tmp_path / "file" / "ggml.bin")
