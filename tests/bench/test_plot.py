"""Lines over two axes."""

from __future__ import annotations

import itertools
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from echopanel.bench.plot import Line, nice_ticks, plot, spread

SVG = "{http://www.w3.org/2000/svg}"


def test_lines_have_their_names_and_nothing_is_drawn_without_points() -> None:
    """Dots only where they were asked for; the horizontal axis gets round steps by itself."""
    lines = [Line("up", "#000", ((0, 0), (37, 5))), Line("none", "#000", ())]
    root = ET.fromstring(plot("Growth", lines, x_label="time", y_unit="m"))  # noqa: S314 - our own text
    texts = [text.text for text in root.findall(f"{SVG}text")]
    assert {"Growth (m)", "time", "up", "40"} <= set(texts)
    assert "none" not in texts
    assert len(root.findall(f"{SVG}polyline")) == 1
    assert root.findall(f"{SVG}circle") == []


def test_a_legend_lists_the_lines_in_their_order() -> None:
    """With their colours, where the ends of the lines are too near to each other."""
    lines = [Line(name, colour, ((0, 0), (1, 1))) for name, colour in (("b", "#00f"), ("a", "#f00"))]
    root = ET.fromstring(plot("Growth", lines, x_label="time", y_unit="m", legend=True))  # noqa: S314 - our own
    assert {"a", "b", "time"} <= {text.text for text in root.findall(f"{SVG}text")}
    swatches = [line for line in root.findall(f"{SVG}line") if "stroke" in line.attrib]
    assert [swatch.attrib["stroke"] for swatch in swatches] == ["#00f", "#f00"]


@given(st.floats(0.01, 1e4))
def test_ticks_are_even_and_reach_the_top(most: float) -> None:
    """A handful of round steps from 0 to at least the largest value."""
    ticks = nice_ticks(most)
    assert ticks[0] == 0
    assert ticks[-1] >= most * (1 - 1e-6)
    assert 2 <= len(ticks) <= 8


@given(st.lists(st.floats(0, 400), max_size=4))
def test_labels_do_not_overlap(heights: list[float]) -> None:
    """Each keeps its distance from the next, in the order of the lines."""
    placed = spread([(y, str(y)) for y in heights], 16.0)
    assert [label for _, label in placed] == [str(y) for y in sorted(heights)]
    assert all(later - earlier >= 16 - 1e-9 for (earlier, _), (later, _) in itertools.pairwise(placed))
