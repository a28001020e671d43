"""Models that the tests of the recognisers share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from echopanel.asr.catalog import Catalog
from echopanel.asr.faster_whisper import FasterWhisper
from echopanel.asr.provider import Model, ModelSpec
from echopanel.asr.tokens import Vocabulary


@pytest.fixture(scope="session")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The catalogue with a cache of its own."""
    return Catalog(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def vocabulary(catalog: Catalog) -> Vocabulary:
    """That of tiny.en."""
    return Vocabulary(catalog.resolve("tiny.en"))


@pytest.fixture(scope="session")
def tiny(catalog: Catalog) -> Iterator[Model]:
    """The embedded model."""
    model = FasterWhisper(catalog).load(ModelSpec("faster-whisper", "tiny.en"))
    yield model
    model.close()
