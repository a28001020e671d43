"""What a server says this machine can do."""

from __future__ import annotations

from pathlib import Path

import pytest

from echopanel.asr.fake import Fake
from echopanel.engine import calibrations
from echopanel.engine.calibration import Calibration
from echopanel.engine.calibrations import Calibrations
from echopanel.machine.detect import detect
from echopanel.policy.capacity import CallCost, Compute, Costs
from echopanel.server.specs import model_spec
from tests.server.rig import serving, settings_of


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Measurements of the test's own."""
    file = tmp_path / "calibrations.json"
    monkeypatch.setattr(calibrations, "cache_file", lambda: file)
    return file


async def test_a_machine_that_was_never_measured(tmp_path: Path, fake: Fake) -> None:
    """It is described, something is recommended, and ten sessions are a guess."""
    async with serving(settings_of(tmp_path), fake) as served:
        body = (await served.http.get("/v1/capabilities")).json()
    assert body["machine"]["cores"] >= 1
    assert {one["name"] for one in body["providers"]} >= {"fake", "faster-whisper"}
    assert {one["model"] for one in body["models"] if one["installed"]} >= {"tiny.en"}
    assert (body["measured"], body["session_limit"]) == ([], 10)
    assert body["advice"]["reason"]


async def test_what_was_measured_bounds_the_sessions(tmp_path: Path, fake: Fake) -> None:
    """The figure is that of the very model the server runs; nothing is measured on request."""
    settings = settings_of(tmp_path)
    costs = Costs(CallCost(0.1, 0.02), CallCost(0.1, 0.06), 0.01)
    found = Calibration(model_spec(settings), Compute(1, 1), "speech.wav", 0.05, 3_000_000, 0.5, 0.9, costs)
    Calibrations(detect()).keep(found)
    async with serving(settings, fake) as served:
        body = (await served.http.get("/v1/capabilities")).json()
        assert len(fake.models) == 1
    (measured,) = body["measured"]
    assert 1 <= measured["sources"] < 10
    assert body["session_limit"] == measured["sources"] == found.sources
    assert (measured["model"], measured["rtf"], measured["memory_bytes"]) == ("scripted", 0.05, 3_000_000)
