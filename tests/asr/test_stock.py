"""The models that providers say they have."""

from __future__ import annotations

from pathlib import Path

import pytest

from echopanel.asr import stock
from echopanel.asr.catalog import Catalog
from echopanel.asr.fake import Fake
from echopanel.asr.faster_whisper import FasterWhisper
from echopanel.asr.registry import ProviderInfo, get_provider, provider_package
from echopanel.asr.stock import Stocked, offers
from echopanel.equipment import Offer


class Stranger(Fake):
    """Somebody else's provider that knows its models."""

    def stock(self) -> list[Offer]:
        return [Offer("stranger", "own", 5)]


def test_the_catalogue_is_the_stock_of_faster_whisper(tmp_path: Path) -> None:
    """What is here is installed; all else says how to get it."""
    catalog = Catalog(tmp_path)
    by_name = {one.model: one for one in FasterWhisper(catalog).stock()}
    assert by_name["tiny.en"] == Offer("faster-whisper", "tiny.en", 78_000_000)
    assert by_name["tiny.en"].installed
    assert by_name["large-v3"].get == "echopanel models pull large-v3"
    assert not by_name["large-v3"].installed
    assert set(by_name) == {one.name for one in catalog.listings()}


def test_providers_that_know_their_models_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others have none to offer, and those that cannot be used are not touched."""
    known = {"fake": Fake(), "stranger": Stranger()}
    monkeypatch.setattr(stock, "get_provider", known.__getitem__)
    infos = [ProviderInfo(name, "", "", known[name].capabilities, "") for name in known]
    broken = ProviderInfo("broken", "", "", None, "ImportError")
    assert offers([*infos, broken]) == [Offer("stranger", "own", 5)]


def test_the_fake_offers_nothing() -> None:
    """It must never be recommended to anybody."""
    assert not isinstance(get_provider("fake"), Stocked)
    assert {one.provider for one in offers()} >= {"faster-whisper"}


def test_a_provider_comes_in_a_package() -> None:
    """Ours in this one; one that is not there in none."""
    assert (provider_package("faster-whisper"), provider_package("absent")) == ("echopanel", "")
