"""`echopanel doctor`."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from echopanel.asr.catalog import Catalog
from echopanel.asr.provider import ModelSpec
from echopanel.asr.registry import ProviderInfo
from echopanel.audio import SAMPLE_RATE
from echopanel.cli import checks
from echopanel.cli.checks import Check, Verdict
from echopanel.cli.doctor import find_specimen
from echopanel.config import load_settings
from echopanel.engine import calibration, calibrations
from echopanel.engine.advisor import survey
from echopanel.engine.calibration import Calibration, Specimen
from echopanel.policy.capacity import CallCost, Compute, Costs
from tests.cli.conftest import Program

COSTS = Costs(CallCost(0.05, 0.01, 0.01, 0.01), CallCost(0.1, 0.02), 0.01)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Measurements, data and port of the test's own."""
    monkeypatch.setattr(calibrations, "cache_file", lambda: tmp_path / "calibrations.json")
    monkeypatch.setenv("ECHOPANEL_STORE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ECHOPANEL_SERVER_PORT", "0")
    return tmp_path


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that were timed, without really doing so."""
    names: list[str] = []

    def pretend(spec: ModelSpec, cores: int, specimen: Specimen) -> Calibration:
        names.append(spec.name)
        return Calibration(spec, Compute(spec.threads, cores), specimen.name, 0.05, 10**8, 0.5, 0.5, COSTS)

    monkeypatch.setattr(calibration, "calibrate_apart", pretend)
    return names


def found_by(program: Program, *arguments: str | Path) -> dict[str, Any]:
    """What the command prints as JSON, without measuring."""
    result = program("doctor", "--no-measure", "--json", *arguments)
    body: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == any(one["verdict"] == "failed" for one in body["checks"])
    return body


def test_a_machine_in_order(program: Program) -> None:
    """Every check says what it found, and one recommendation is made."""
    body = found_by(program)
    texts = {one["name"]: one["text"] for one in body["checks"] if one["verdict"] == "ok"}
    assert {"data directory", "address", "reach", "audio files", "voice activity"} <= set(texts)
    assert {"provider faster-whisper", "model tiny.en", "model base"} <= set(texts)
    assert "GB free" in texts["data directory"]
    assert "as they should be" in texts["model base"]
    assert "mp3" in texts["audio files"]
    assert body["advice"]["provider"] == "faster-whisper"
    assert body["measured"] == []


def test_models_are_timed_once_and_again_when_asked(program: Program, timed: list[str]) -> None:
    """Figures stay; `--fresh` takes new ones."""
    first = program("doctor")
    assert first.exit_code == 0, first.output
    assert set(timed) >= {"tiny.en", "base"}
    count = len(timed)
    assert "timing faster-whisper tiny.en on " in first.stderr
    program("doctor")
    assert len(timed) == count
    program("doctor", "--fresh")
    assert len(timed) == 2 * count


def test_the_report_for_people(program: Program, timed: list[str]) -> None:
    """Machine, checks, figures, advice; and that the figures hold for a quiet machine, which this was not."""
    text = program("doctor").stdout
    for part in ("processor", "data directory", "live sources", "tiny.en", "Recommended: faster-whisper"):
        assert part in text
    assert "Other programs used the processor" in text
    assert "Use it with: echopanel serve --provider faster-whisper --model" in text


def test_a_model_that_cannot_be_timed_is_a_failure(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1, with the reason; the others are timed all the same, and nothing is remembered of it."""

    def pretend(spec: ModelSpec, cores: int, specimen: Specimen) -> Calibration:
        found = Calibration(spec, Compute(spec.threads, cores), specimen.name, costs=COSTS)
        return replace(found, problem="it crashed") if spec.name == "base" else found

    monkeypatch.setattr(calibration, "calibrate_apart", pretend)
    result = program("doctor", "--json")
    body = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [one["text"] for one in body["checks"] if one["verdict"] == "failed"] == ["it crashed"]
    assert {one["model"] for one in body["measured"]} >= {"tiny.en"}
    assert "base" not in {one["model"] for one in body["measured"]}


def test_speech_to_time_models_on(clip: Path, monkeypatch: pytest.MonkeyPatch, program: Program) -> None:
    """A recording of the user's, or one that a package has; 8 s are too short; without any, a warning."""
    packaged = find_specimen(None)
    assert packaged is not None
    assert packaged.name == "two_cities.wav"
    assert len(packaged.samples) > 40 * SAMPLE_RATE
    monkeypatch.setattr("echopanel.cli.doctor.RECORDINGS", ())
    assert find_specimen(None) is None
    silent = program("doctor")
    assert (silent.exit_code, "there is no speech to time models on" in silent.stdout) == (0, True)
    code, line = program.refusal("doctor", "--fresh", "--speech", clip)
    assert code == 1
    assert "8 s; name 20 s or more" in line


# --- single checks ----------------------------------------------------------------------------------------


@pytest.fixture
def listening() -> Iterator[Callable[[], int]]:
    """Something else on a port."""
    opened: list[socket.socket] = []

    def listen() -> int:
        one = socket.create_server(("127.0.0.1", 0))
        opened.append(one)
        port: int = one.getsockname()[1]
        return port

    yield listen
    for one in opened:
        one.close()


def test_a_port_that_somebody_else_has(listening: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure, with what to do."""
    monkeypatch.setattr(checks, "ANSWER_WITHIN_S", 0.05)
    port = listening()
    check = checks.address(load_settings({"server.port": port}, environ={}))
    assert check.verdict is Verdict.FAILED
    assert f"127.0.0.1:{port}" in check.text
    assert "choose another with --port" in check.text


def test_a_data_directory_that_cannot_be_made(tmp_path: Path) -> None:
    """Something in its way that is no directory."""
    (tmp_path / "file").write_text("")
    check = checks.data_directory(load_settings({"store.data_dir": tmp_path / "file" / "data"}, environ={}))
    assert check.verdict is Verdict.FAILED
    assert "choose another with --data-dir" in check.text


def test_a_disk_that_is_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning: a server starts, and a long meeting may not end well."""
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=5_000_000))
    check = checks.data_directory(load_settings({"store.data_dir": tmp_path}, environ={}))
    assert (check.verdict, "0.0 GB free" in check.text) == (Verdict.WARNING, True)


def test_browsers_elsewhere_need_tls(tmp_path: Path) -> None:
    """Without it they give no microphone."""
    exposed = {"server.host": "0.0.0.0", "server.token": "correct-horse"}
    check = checks.exposure(load_settings(exposed, environ={}))
    assert (check.verdict, "tls_cert" in check.text) == (Verdict.WARNING, True)
    for name in ("cert", "key"):
        (tmp_path / name).write_text("")
    safe = exposed | {"server.tls_cert": tmp_path / "cert", "server.tls_key": tmp_path / "key"}
    assert checks.exposure(load_settings(safe, environ={})).verdict is Verdict.OK


def test_a_provider_that_cannot_be_imported(home: Path) -> None:
    """It fails only whoever wants to use it."""
    found = survey()
    broken = ProviderInfo("needy", "stranger", "1.2", None, "ModelNotFound: a_library")
    found = replace(found, providers=(*found.providers, broken))

    def verdict(wanted: str) -> dict[str, Check]:
        settings = load_settings({"model.provider": wanted}, environ={})
        return {one.name: one for one in checks.providers(settings, found)}

    assert verdict("faster-whisper")["provider needy"].verdict is Verdict.WARNING
    assert verdict("needy")["provider needy"] == Check("provider needy", Verdict.FAILED, broken.unavailable)
    assert "not installed" in verdict("absent")["provider absent"].text


def test_model_files_that_are_not_what_they_should_be(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """A failure with what to do; a configured model that is not here will be fetched, which is a warning."""
    from echopanel.errors import ModelUnavailable

    def refuse(self: Catalog, name: str) -> None:
        raise ModelUnavailable(name, "digest differs", "delete it")

    monkeypatch.setattr(Catalog, "verify", refuse)
    settings = load_settings({"model.name": "large-v3"}, environ={})
    told = {one.name: one for one in checks.models(settings, survey())}
    assert told["model tiny.en"] == Check("model tiny.en", Verdict.FAILED, "digest differs; delete it")
    assert told["model large-v3"].verdict is Verdict.WARNING
    assert "`echopanel models pull large-v3` gets it" in told["model large-v3"].text
