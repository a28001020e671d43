"""docs/benchmarks.md agrees with the code."""

from __future__ import annotations

from pathlib import Path

from echopanel.bench.figures import COLUMNS
from echopanel.bench.script import GAP_S, RUN_OUT_S, STAGGER_S

DOCUMENT = (Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text(encoding="utf-8")


def test_the_table_of_columns_is_that_of_the_code() -> None:
    """Each column with its definition, in the order of the JSON."""
    rows = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in COLUMNS.items())
    table = f"| column | meaning |\n|---|---|\n{rows}\n"
    _, _, generated = DOCUMENT.partition("<!-- generated: columns -->\n\n")
    assert generated.startswith(f"{table}\n<!-- end of generated: columns -->")


def test_the_schedule_is_that_of_the_code() -> None:
    """Gap, stagger and run-out are named."""
    assert f"{GAP_S:g} s of digital silence" in DOCUMENT
    assert f"{STAGGER_S:g} s x k / N" in DOCUMENT
    assert f"ends {RUN_OUT_S:g} s before" in DOCUMENT
