"""Latency against the number of sources, as an SVG. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from echopanel.bench.figures import Figures

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 60, 150, 48, 52
TICKS = 6
TITLE = "Latency against the number of sources"

# Figure, label, colour (tells apart also without colour vision), dashes.
LINES = (
    ("first_shown_p95", "first shown p95", "#d55e00", ""),
    ("first_shown_p50", "first shown p50", "#0072b2", ""),
    ("final_p95", "final p95", "#d55e00", "5 4"),
    ("final_p50", "final p50", "#0072b2", "5 4"),
)
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .paper { fill: #fff } .grid { stroke: #d8dee4 } .axis { stroke: #57606a }
  .title { font-size: 15px; font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .paper { fill: #0d1117 } .grid { stroke: #30363d } .axis { stroke: #8d96a0 }
  }
"""


@dataclass(frozen=True, slots=True)
class _Scale:
    """From data to pixels."""

    most_sources: float
    most_seconds: float

    def x(self, sources: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * sources / self.most_sources

    def y(self, seconds: float) -> float:
        # A word that was guessed from its beginning has a latency below 0; it lies on the axis.
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * max(seconds, 0.0) / self.most_seconds


def chart(rows: Sequence[Figures]) -> str:
    """Lines of first-shown and final latency over the number of sources; gaps where nothing was measured."""
    values = [value for row in rows for name, *_ in LINES if (value := row[name]) is not None]
    steps = nice_ticks(max([*values, 0.1]))
    sources = [row["sources"] or 0.0 for row in rows]
    scale = _Scale(max([*sources, 1.0]), steps[-1])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{TITLE}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>',
        _text(LEFT, 26, f"{TITLE} (s)", "start", "title"),
        *_grid(scale, steps, sources),
        *_lines(scale, rows),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, "sources talking at once", "middle"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def nice_ticks(most: float) -> tuple[float, ...]:
    """Round steps from 0 to at least `most`."""
    rough = most / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))
    return tuple(round(step * i, 10) for i in range(math.ceil(most / step - 1e-9) + 1))


def _grid(scale: _Scale, steps: Sequence[float], sources: Sequence[float]) -> Iterator[str]:
    for step in steps:
        y = scale.y(step)
        kind = "grid" if step else "axis"
        yield f'<line class="{kind}" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>'
        yield _text(LEFT - 8, y + 4, f"{step:g}", "end")
    for count in sorted(set(sources)):
        yield _text(scale.x(count), HEIGHT - BOTTOM + 20, f"{count:g}", "middle")


def _lines(scale: _Scale, rows: Sequence[Figures]) -> Iterator[str]:
    labels: list[tuple[float, str]] = []
    for name, label, colour, dashes in LINES:
        points = [
            (scale.x(row["sources"] or 0.0), scale.y(value))
            for row in rows
            if (value := row[name]) is not None
        ]
        if not points:
            continue
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashed}/>'
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)
        labels.append((points[-1][1], label))
    for y, label in spread(labels, 16.0):
        yield _text(WIDTH - RIGHT + 10, y + 4, label, "start")


def spread(labels: Sequence[tuple[float, str]], apart: float) -> list[tuple[float, str]]:
    """Labels from top to bottom, pushed upwards so far that they do not overlap."""
    placed: list[tuple[float, str]] = []
    for y, label in sorted(labels, reverse=True):
        placed.append((min(y, placed[-1][0] - apart) if placed else y, label))
    return placed[::-1]


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    css = f' class="{kind}"' if kind else ""
    return f'<text{css} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'
