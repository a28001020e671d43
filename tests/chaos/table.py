"""The verdicts of many schedules as a table in Markdown. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from tests.chaos.judge import Verdict
from tests.chaos.schedule import Kind

HEAD = (
    "| what goes wrong | schedules | words | reconnects | WER undisturbed | WER disturbed "
    "| words that differ | of them repeated | lost | doubled | ledger lost | broken |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|\n"
)


def table(done: Mapping[tuple[Kind, int], Verdict]) -> str:
    """A row for each kind, and one for all."""
    rows = {kind: [one for (of, _), one in done.items() if of is kind] for kind in Kind}
    lines = [_row(kind, sum(found, Verdict())) for kind, found in rows.items() if found]
    return HEAD + "".join(lines) + _row("all", sum(done.values(), Verdict()))


def _row(name: str, all_of: Verdict) -> str:
    words = max(all_of.words, 1)
    cells = [
        name,
        all_of.schedules,
        all_of.words,
        all_of.reconnects,
        f"{all_of.calm_errors / words:.2%}",
        f"{all_of.errors / words:.2%}",
        f"{all_of.differences} ({all_of.differences / words:.2%})",
        all_of.repeated,
        all_of.lost,
        all_of.doubled,
        f"{all_of.ledger_lost} samples",
        len(all_of.broken),
    ]
    return "| " + " | ".join(map(str, cells)) + " |\n"
