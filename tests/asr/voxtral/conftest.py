"""The fake program, and where somebody has one, the genuine one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from echopanel.asr.provider import ModelSpec
from echopanel.asr.voxtral import Voxtral
from echopanel.asr.voxtral.model import VoxtralModel
from echopanel.asr.voxtral.process import VoxtralProcess
from echopanel.asr.voxtral.settings import VoxtralSettings
from echopanel.asr.voxtral.starting import start_process
from tests.helpers.voxtral import FakeBinary, fake_binary

GENUINE = os.environ.get("ECHOPANEL_VOXTRAL_BIN", ""), os.environ.get("ECHOPANEL_VOXTRAL_MODEL", "")

Start = Callable[[VoxtralSettings], VoxtralProcess]


@pytest.fixture(params=["fake", *(["genuine"] if all(GENUINE) else [])])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> VoxtralSettings:
    """What both programs must do the same."""
    if request.param == "genuine":
        return VoxtralSettings(bin=GENUINE[0], model=Path(GENUINE[1]), max_processes=2)
    return fake_binary(tmp_path / "fake").settings(max_processes=2)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts processes that are ended with the test."""
    started: list[VoxtralProcess] = []

    def begin(settings: VoxtralSettings) -> VoxtralProcess:
        started.append(start_process(settings, threads=1))
        return started[-1]

    yield begin
    for process in started:
        process.close()


@pytest.fixture
def model(settings: VoxtralSettings) -> Iterator[VoxtralModel]:
    """A loaded model."""
    loaded = Voxtral().load(ModelSpec("voxtral", "any", threads=1, options=settings))
    assert isinstance(loaded, VoxtralModel)
    yield loaded
    loaded.close()


@pytest.fixture
def faulty(tmp_path: Path) -> Callable[..., FakeBinary]:
    """Makes fakes that misbehave."""

    def make(**knobs: Any) -> FakeBinary:
        return fake_binary(tmp_path / "faulty", **knobs)

    return make
