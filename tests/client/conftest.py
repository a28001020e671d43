"""A scripted server on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.client.scripted import Scripted, listening


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    """A server that listens."""
    scripted = Scripted()
    async with listening(scripted):
        yield scripted
