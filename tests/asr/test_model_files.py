"""Digests, and when a file is read again."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from echopanel.asr import model_files
from echopanel.asr.model_files import BadFile, Checker, Digest, git_blob_id, missing, write_atomically

FILES = {"model.bin": b"weights", "config.json": b"{}", "tokenizer.json": b"[]", "vocabulary.txt": b"a\n"}
PINS = {name: Digest(hashlib.sha256(content).hexdigest(), len(content)) for name, content in FILES.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with all that a model needs."""
    path = tmp_path / "model"
    path.mkdir()
    for name, content in FILES.items():
        (path / name).write_bytes(content)
    return path


@pytest.fixture
def checker(tmp_path: Path) -> Checker:
    """A checker that remembers."""
    return Checker(tmp_path / "memory")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were hashed."""
    names: list[str] = []

    def counted(path: Path) -> str:
        names.append(path.name)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(model_files, "sha256", counted)
    return names


def test_what_a_model_directory_must_hold(folder: Path) -> None:
    """Every missing file is named; one kind of vocabulary is enough."""
    assert missing(folder) == []
    (folder / "vocabulary.txt").rename(folder / "vocabulary.json")
    assert missing(folder) == []
    (folder / "vocabulary.json").unlink()
    (folder / "model.bin").unlink()
    assert missing(folder) == ["model.bin", "vocabulary.txt or vocabulary.json"]


def test_right_files_pass_and_are_listed(folder: Path, checker: Checker) -> None:
    """Each file comes with its digest and whether that was pinned."""
    pins = {name: pin for name, pin in PINS.items() if name != "config.json"}
    checked = {one.path.name: one for one in checker.check(folder, pins)}
    assert {name: one.digest for name, one in checked.items()} == {
        name: pin.hex for name, pin in PINS.items()
    }
    assert [name for name, one in checked.items() if not one.pinned] == ["config.json"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"weightz", "not the file it should be"),
        (b"longer weights", "14 bytes instead of 7"),
        (None, "No such file"),
    ],
)
def test_wrong_files_are_refused(folder: Path, checker: Checker, content: bytes | None, reason: str) -> None:
    """Other content, another size, no file: each is named with the reason."""
    (folder / "model.bin").unlink()
    if content:
        (folder / "model.bin").write_bytes(content)
    with pytest.raises(BadFile, match=rf"model\.bin.*{reason}"):
        checker.check(folder, PINS)


def test_files_seen_before_are_not_read_again(folder: Path, checker: Checker, reads: list[str]) -> None:
    """The second check hashes nothing, unless asked to."""
    first = checker.check(folder, PINS)
    assert sorted(reads) == sorted(FILES)
    reads.clear()
    assert checker.check(folder, PINS) == first
    assert reads == []
    checker.check(folder, PINS, afresh=True)
    assert sorted(reads) == sorted(FILES)


def test_a_changed_file_is_read_again(folder: Path, checker: Checker) -> None:
    """Same size and the old modification time do not hide other content."""
    checker.check(folder, PINS)
    stat = (folder / "model.bin").stat()
    (folder / "model.bin").write_bytes(b"WEIGHTS")
    os.utime(folder / "model.bin", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(BadFile):
        checker.check(folder, PINS)


def test_a_remembered_digest_is_still_compared(folder: Path, checker: Checker) -> None:
    """What is remembered is the digest, not that it was right: a new pin counts at once."""
    checker.check(folder, PINS)
    with pytest.raises(BadFile):
        checker.check(folder, {**PINS, "model.bin": Digest("0" * 64)})


@pytest.mark.parametrize("content", ["", "[]", '{"model.bin": 1}', "\udcff"])
def test_a_spoilt_memory_is_no_obstacle(
    folder: Path, checker: Checker, reads: list[str], content: str
) -> None:
    """Whatever the note holds, the files are read and the check goes on."""
    checker.check(folder, PINS)
    (note,) = (folder.parent / "memory").iterdir()
    note.write_text(content, encoding="utf-8", errors="surrogateescape")
    reads.clear()
    checker.check(folder, PINS)
    assert "model.bin" in reads


def test_memory_that_cannot_be_written_is_no_obstacle(folder: Path, tmp_path: Path, reads: list[str]) -> None:
    """Without it every check reads the files."""
    (tmp_path / "occupied").write_text("a file where a directory should be")
    checker = Checker(tmp_path / "occupied" / "memory")
    checker.check(folder, PINS)
    checker.check(folder, PINS)
    assert reads.count("model.bin") == 2


def test_git_blob_ids_are_those_of_git(folder: Path) -> None:
    """The hub names small files by what `git hash-object` says."""
    made = subprocess.run(
        ["git", "hash-object", folder / "model.bin"], check=True, capture_output=True, text=True
    )
    assert git_blob_id(folder / "model.bin") == made.stdout.strip()


def test_a_git_blob_id_can_be_a_pin(folder: Path, checker: Checker) -> None:
    """Forty digits are compared as such, also when the file was remembered under its SHA-256."""
    checker.check(folder, PINS)
    pin = Digest(git_blob_id(folder / "config.json"))
    checked = {one.path.name: one for one in checker.check(folder, {"config.json": pin})}
    assert checked["config.json"].pinned
    with pytest.raises(BadFile):
        checker.check(folder, {"config.json": Digest("0" * 40)})


def test_a_failed_write_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a file never takes the place of a whole one, and no debris stays."""
    path = tmp_path / "note.json"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("note.json", b"old")]
