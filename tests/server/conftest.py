"""A server with the scripted recogniser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from echopanel.asr.fake import Fake
from tests.server.rig import Served, quicken, serving, settings_of


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """The recogniser of all servers of the test."""
    return quicken(monkeypatch)


@pytest.fixture
async def served(tmp_path: Path, fake: Fake) -> AsyncIterator[Served]:
    """A server with the usual limits."""
    async with serving(settings_of(tmp_path), fake) as served:
        yield served
