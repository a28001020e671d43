"""The table on the terminal."""

from __future__ import annotations

import io

from rich.console import Console

from echopanel.bench.figures import COLUMNS
from echopanel.bench.table import table


def printed(*rows: dict[str, float | None]) -> str:
    """The table as text."""
    text = io.StringIO()
    Console(file=text, width=200).print(table([dict.fromkeys(COLUMNS) | row for row in rows]))
    return text.getvalue()


def test_a_row_shows_what_was_measured() -> None:
    """Shares are percentages; a missing half of a pair is a dash."""
    text = printed({"sources": 8, "wer": 0.0525, "first_shown_p50": 0.321})
    assert "5.2" in text
    assert "0.32 / -" in text


def test_columns_that_nobody_measured_are_left_out() -> None:
    """Without --offline there is no column for it."""
    assert "offline" not in printed({"sources": 1})
    assert "offline" in printed({"sources": 1}, {"sources": 8, "offline_wer": 0.05})
