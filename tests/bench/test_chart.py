"""The chart."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from echopanel.bench.chart import chart
from echopanel.bench.figures import COLUMNS, Figures
from echopanel.bench.plot import HEIGHT, WIDTH

NAMES = ("first_shown_p50", "first_shown_p95", "final_p50", "final_p95")
SVG = "{http://www.w3.org/2000/svg}"
LATENCIES = st.none() | st.floats(-0.2, 100)
ROWS = st.lists(st.tuples(st.integers(0, 100), *[LATENCIES] * 4), max_size=5)


def row(sources: int, *latencies: float | None) -> Figures:
    """A row with what the chart shows."""
    return dict.fromkeys(COLUMNS) | {"sources": sources} | dict(zip(NAMES, latencies, strict=True))


@given(ROWS)
def test_everything_lies_on_the_paper(
    rows: list[tuple[int, float | None, float | None, float, float]],
) -> None:
    """Any rows give a well-formed picture with a point for each latency measured."""
    root = ET.fromstring(chart([row(*values) for values in rows]))  # noqa: S314 - our own text
    circles = root.findall(f"{SVG}circle")
    assert len(circles) == sum(value is not None for values in rows for value in values[1:])
    for circle in circles:
        assert 0 <= float(circle.attrib["cx"]) <= WIDTH
        assert 0 <= float(circle.attrib["cy"]) <= HEIGHT


def test_more_sources_are_further_right_and_more_seconds_higher_up() -> None:
    """The axes point the usual ways."""
    root = ET.fromstring(chart([row(1, 0.3, 0.8, 0.1, 0.2), row(60, 2.0, 4.0, 0.5, 1.0)]))  # noqa: S314
    line = root.findall(f"{SVG}polyline")[0].attrib["points"].split()
    (x1, y1), (x2, y2) = ([float(part) for part in point.split(",")] for point in line)
    assert x1 < x2
    assert y1 > y2
