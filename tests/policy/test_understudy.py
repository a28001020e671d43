"""The model for times of overload is the best of those that are really smaller."""

from __future__ import annotations

import pytest

from echopanel.equipment import Offer
from echopanel.policy.understudy import english_only, understudy

SIZES = {"tiny.en": 78, "tiny": 78, "base.en": 148, "base": 148, "small": 486, "distil-small.en": 336}


@pytest.mark.parametrize(
    ("model", "installed", "found"),
    [
        ("base", ["tiny.en", "base"], "tiny.en"),
        ("base", ["tiny.en", "tiny", "base"], "tiny"),
        ("small", ["tiny", "base.en", "base", "small"], "base"),
        ("small", ["tiny", "base.en", "small"], "tiny"),
        ("base.en", ["tiny.en", "tiny", "base.en"], "tiny.en"),
        ("distil-small.en", ["tiny", "base.en", "base"], "base.en"),
        ("tiny.en", ["tiny.en", "tiny", "base"], None),
        ("base", [], None),
    ],
)
def test_the_next_smaller_one_that_knows_as_many_languages(
    model: str, installed: list[str], found: str | None
) -> None:
    """One that is as big is not smaller, and one that is not installed is of no use."""
    offers = [Offer("p", name, size, "" if name in installed else "get it") for name, size in SIZES.items()]
    chosen = understudy(model, SIZES[model], offers)
    assert (chosen and chosen.model) == found


@pytest.mark.parametrize(("model", "only"), [("tiny.en", True), ("distil-large-v3", True), ("base", False)])
def test_names_tell_of_languages(model: str, *, only: bool) -> None:
    """As Whisper's names do."""
    assert english_only(model) == only
