"""docs/resilience.md agrees with the code."""

from __future__ import annotations

from pathlib import Path

from echopanel.client.settings import Resilience
from tests.chaos.schedule import Kind
from tests.chaos.table import HEAD
from tests.helpers.herd import PICTURE, chart, document

DOCUMENT = (Path(__file__).parents[2] / "docs" / "resilience.md").read_text(encoding="utf-8")


def test_the_herd_is_that_of_the_policies() -> None:
    """Table and picture are what `python -m tests.helpers.herd` makes."""
    _, _, generated = DOCUMENT.partition("<!-- generated: herd -->\n\n")
    assert generated.startswith(f"{document()}\n<!-- end of generated: herd -->")
    assert PICTURE.read_text(encoding="utf-8") == chart()


def test_the_results_have_a_row_for_each_kind() -> None:
    """In the columns that `make chaos` prints."""
    assert HEAD in DOCUMENT
    for kind in Kind:
        assert f"\n| {kind} |" in DOCUMENT


def test_defaults_are_named() -> None:
    """Of the client."""
    usual = Resilience()
    assert f"After {usual.attempts} attempts" in DOCUMENT
    assert f"died within {usual.quick_failure_s:g} s of `ready`" in DOCUMENT
    assert f"after {usual.dead_s:g} s of silence" in DOCUMENT
    assert f"keeps {usual.replay.seconds:g} s of audio" in DOCUMENT
