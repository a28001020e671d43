"""A thousand clients after a restart of their server, in simulated time: prints a table and a bar chart.

    python -m tests.helpers.herd

`docs/resilience.md` shows it.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from statistics import median

from echopanel.policy.backoff import Backoff
from echopanel.policy.breaker import Breaker
from echopanel.policy.retry import Retry

CLIENTS = 1000
OUTAGES_S = (1, 5, 20, 60, 120, 300)
SHOWN_S = 20
BIN_S = 2.0


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
    """Clients that come back in each time after an outage, as bars of one character for ten clients."""
    back = Counter(int(at / BIN_S) for at in herd(SHOWN_S))
    lines = [f"seconds after an outage of {SHOWN_S} s, and clients that come back then"]
    lines += [
        f"{place * BIN_S:3.0f} {'#' * round(back[place] / 10)} {back[place]}"
        for place in range(max(back) + 1)
    ]
    return "\n".join(lines) + "\n"


def document() -> str:
    """Both, as the document shows them."""
    return f"{table()}\n```text\n{chart()}```\n"


if __name__ == "__main__":
    sys.stdout.write(document())
