"""Lines over two axes, as an SVG that reads well on light and dark pages. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 60, 150, 48, 52
TICKS = 6
LABEL_APART = 16.0  # pixels between the names of two lines
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .paper { fill: #fff } .grid { stroke: #d8dee4 } .axis { stroke: #57606a }
  .title { font-size: 15px; font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .paper { fill: #0d1117 } .grid { stroke: #30363d } .axis { stroke: #8d96a0 }
  }
"""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """Points (x, y) from left to right, and their name; `marked`: with dots."""

    label: str
    colour: str
    points: tuple[Point, ...]
    dashes: str = ""
    marked: bool = False


@dataclass(frozen=True, slots=True)
class _Scale:
    """From data to pixels."""

    most_x: float
    most_y: float

    def x(self, value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * value / self.most_x

    def y(self, value: float) -> float:
        """What is below 0 lies on the axis."""
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * max(value, 0.0) / self.most_y


def plot(
    title: str,
    lines: Iterable[Line],
    *,
    x_label: str,
    y_unit: str,
    x_ticks: Sequence[float] | None = None,
    legend: bool = False,
) -> str:
    """The picture; lines without points are left out.

    `x_ticks`: round steps unless given. `legend`: the names stand in a list, not at the ends of the lines.
    """
    drawn = [line for line in lines if line.points]
    rows = nice_ticks(max([y for line in drawn for _, y in line.points] + [0.1]))
    most_x = max([x for line in drawn for x, _ in line.points] + [1.0, *(x_ticks or ())])
    columns = nice_ticks(most_x) if x_ticks is None else x_ticks
    scale = _Scale(max([most_x, *columns]), rows[-1])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{title}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>',
        _text(LEFT, 26, f"{title} ({y_unit})", "start", "title"),
        *_grid(scale, rows, columns),
        *(part for line in drawn for part in _line(scale, line)),
        *(_legend(drawn) if legend else _names(scale, drawn)),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_label, "middle"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def nice_ticks(most: float) -> tuple[float, ...]:
    """Round steps from 0 to at least `most`."""
    rough = most / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))
    return tuple(round(step * i, 10) for i in range(math.ceil(most / step - 1e-9) + 1))


def _grid(scale: _Scale, rows: Sequence[float], columns: Sequence[float]) -> Iterator[str]:
    for value in rows:
        y = scale.y(value)
        kind = "grid" if value else "axis"
        yield f'<line class="{kind}" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>'
        yield _text(LEFT - 8, y + 4, f"{value:g}", "end")
    for value in sorted(set(columns)):
        yield _text(scale.x(value), HEIGHT - BOTTOM + 20, f"{value:g}", "middle")


def _line(scale: _Scale, line: Line) -> Iterator[str]:
    points = [(scale.x(x), scale.y(y)) for x, y in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    yield f'<polyline points="{path}" fill="none" {_stroke(line)}/>'
    if line.marked:
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{line.colour}"/>' for x, y in points)


def _stroke(line: Line) -> str:
    dashed = f' stroke-dasharray="{line.dashes}"' if line.dashes else ""
    return f'stroke="{line.colour}" stroke-width="2"{dashed}'


def _names(scale: _Scale, lines: Iterable[Line]) -> Iterator[str]:
    ends = [(scale.y(line.points[-1][1]), line.label) for line in lines]
    for y, label in spread(ends, LABEL_APART):
        yield _text(WIDTH - RIGHT + 10, y + 4, label, "start")


def _legend(lines: Iterable[Line]) -> Iterator[str]:
    x = WIDTH - RIGHT + 16
    for row, line in enumerate(lines):
        y = TOP + 1.5 * LABEL_APART * row
        yield f'<line x1="{x}" y1="{y:.1f}" x2="{x + 24}" y2="{y:.1f}" {_stroke(line)}/>'
        yield _text(x + 32, y + 4, line.label, "start")


def spread(labels: Sequence[tuple[float, str]], apart: float) -> list[tuple[float, str]]:
    """Labels from top to bottom, pushed upwards so far that they do not overlap."""
    placed: list[tuple[float, str]] = []
    for y, label in sorted(labels, reverse=True):
        placed.append((min(y, placed[-1][0] - apart) if placed else y, label))
    return placed[::-1]


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    css = f' class="{kind}"' if kind else ""
    return f'<text{css} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'
