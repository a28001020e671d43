"""A thousand clients after a restart of their server, in simulated time: prints a table and draws a picture.

    python -m tests.helpers.herd

`docs/resilience.md` shows both.
"""

from __future__ import annotations

import math
import random
import sys
from collections import Counter
from pathlib import Path
from statistics import median

from echopanel.bench.plot import Line, Point, plot
from echopanel.policy.backoff import Backoff
from echopanel.policy.breaker import Breaker
from echopanel.policy.retry import Retry

CLIENTS = 1000
OUTAGES_S = (1, 5, 20, 60, 120, 300)
# Tell apart also without colour vision; as many as there are outages.
COLOURS = ("#56b4e9", "#0072b2", "#009e73", "#e69f00", "#d55e00", "#cc79a7")
STEP_S = 0.5
PICTURE = Path(__file__).parents[2] / "docs" / "images" / "herd.svg"


def back_after(outage_s: float, chance: random.Random) -> float | None:
    """Seconds from the end of an outage until a client is back; None if it has given up."""
    retry, now = Retry(Backoff(), Breaker()), 0.0
    retry.ready(-3600.0)
    while (wait := retry.failed(now, chance.random())) is not None:
        while wait > 0:
            now += wait
            wait = retry.attempt(now)
        if now >= outage_s:
            return now - outage_s
    return None


def herd(outage_s: float) -> list[float]:
    """When each of the clients is back, in seconds from the end of the outage."""
    chance = random.Random(outage_s)
    return [at for _ in range(CLIENTS) if (at := back_after(outage_s, chance)) is not None]


def table() -> str:
    """How the clients come back, as Markdown."""
    rows = [
        "| outage | half are back after | all after | most in one second | gave up |",
        "|---|---|---|---|---|",
    ]
    for outage_s in OUTAGES_S:
        back = herd(outage_s)
        most = max(Counter(map(int, back)).values())
        rows.append(
            f"| {outage_s} s | {median(back):.1f} s | {max(back):.1f} s | {most} | {CLIENTS - len(back)} |"
        )
    return "\n".join(rows) + "\n"


def chart() -> str:
    """How many clients are back, over the time since each outage ended, as an SVG."""
    lines = [
        Line(f"{outage_s} s", colour, returns(herd(outage_s)))
        for outage_s, colour in zip(OUTAGES_S, COLOURS, strict=True)
    ]
    return plot(
        "A thousand clients come back after outages of 1 to 300 s",
        lines,
        x_label="seconds after the end of the outage",
        y_unit="clients",
        legend=True,
    )


def returns(back: list[float]) -> tuple[Point, ...]:
    """The line of one outage: (seconds, clients that are back by then), to the last of them."""
    places = [STEP_S * n for n in range(1 + math.ceil(max(back) / STEP_S))]
    return tuple((place, sum(at <= place for at in back)) for place in places)


def document() -> str:
    """Table and picture, as the document shows them."""
    picture = PICTURE.relative_to(PICTURE.parents[1])
    return f"{table()}\n![Six curves that rise from 0 to 1,000 clients]({picture})\n"


if __name__ == "__main__":
    PICTURE.write_text(chart(), encoding="utf-8")
    sys.stdout.write(document())
