"""A server that most end-to-end tests share, and the figures that tests measure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import FIGURE
from tests.e2e.programs import Server, serving

Note = Callable[[str], None]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A ready server with the embedded model; that it ends well is checked behind the last test."""
    with serving(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Note:
    """Has a measured figure shown at the end of the run."""
    properties = request.node.user_properties  # they also come back from another process
    return lambda figure: properties.append((FIGURE, figure))
