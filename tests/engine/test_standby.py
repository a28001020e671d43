"""The smaller model is looked for in what is installed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from echopanel.asr.fake import Fake
from echopanel.asr.provider import ModelSpec
from echopanel.engine.standby import smaller_spec
from echopanel.equipment import Offer
from echopanel.errors import ModelUnavailable


class Stock(Fake):
    """A provider that knows its models."""

    def size(self, spec: ModelSpec) -> int:
        if spec.name == "unknown":
            raise ModelUnavailable(spec.name, "no such model")
        return 100

    def stock(self) -> Sequence[Offer]:
        return [Offer("fake", "little", 40), Offer("fake", "less", 70, "get it")]


def use(monkeypatch: pytest.MonkeyPatch, provider: Fake) -> None:
    """The provider that is installed."""
    monkeypatch.setattr("echopanel.engine.standby.get_provider", lambda _: provider)


def test_the_smaller_model_runs_as_the_first_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the same device, in the same number format; also beside a model out of a directory."""
    use(monkeypatch, Stock())
    first = ModelSpec("fake", "big", path=Path("big"), device="cuda", compute_type="float16", threads=3)
    assert smaller_spec(first) == ModelSpec("fake", "little", None, "cuda", "float16", 3)


def test_where_nothing_is_known_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither beside a model that is not there, nor of a provider that does not list its models."""
    use(monkeypatch, Stock())
    assert smaller_spec(ModelSpec("fake", "unknown")) is None
    use(monkeypatch, Fake())
    assert smaller_spec(ModelSpec("fake", "big")) is None
