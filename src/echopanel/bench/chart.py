"""Latency against the number of sources, as an SVG. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from echopanel.bench.figures import Figures
from echopanel.bench.plot import Line, plot

# Figure, label, colour (tells apart also without colour vision), dashes.
LINES = (
    ("first_shown_p95", "first shown p95", "#d55e00", ""),
    ("first_shown_p50", "first shown p50", "#0072b2", ""),
    ("final_p95", "final p95", "#d55e00", "5 4"),
    ("final_p50", "final p50", "#0072b2", "5 4"),
)


def chart(rows: Sequence[Figures]) -> str:
    """Lines of first-shown and final latency over the number of sources; gaps where nothing was measured."""
    lines = [
        Line(
            label,
            colour,
            # A word that was guessed from its beginning has a latency below 0; it lies on the axis.
            tuple((row["sources"] or 0.0, value) for row in rows if (value := row[name]) is not None),
            dashes,
            marked=True,
        )
        for name, label, colour, dashes in LINES
    ]
    return plot(
        "Latency against the number of sources",
        lines,
        x_label="sources talking at once",
        y_unit="s",
        x_ticks=[row["sources"] or 0.0 for row in rows],
    )
