"""The result on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.table import Table

from echopanel.bench.figures import Figures

Format = Callable[[float], str]


def _seconds(value: float) -> str:
    return f"{value:.2f}"


def _share(value: float) -> str:
    return f"{value * 100:.1f}"


def _whole(value: float) -> str:
    return f"{value:.0f}"


def _fine(value: float) -> str:
    return f"{value:.3f}"


# Heading, figures (several are joined by a slash), format.
SHOWN: tuple[tuple[str, tuple[str, ...], Format], ...] = (
    ("sources", ("sources",), _whole),
    ("WER %", ("wer",), _share),
    ("offline", ("offline_wer",), _share),
    ("first shown p50/p95 s", ("first_shown_p50", "first_shown_p95"), _seconds),
    ("final p50/p95 s", ("final_p50", "final_p95"), _seconds),
    ("load", ("load",), _seconds),
    ("CPU/audio s", ("cpu_per_audio_s",), _fine),
    ("RSS MB", ("rss_mb",), _whole),
    ("lost", ("words_lost",), _whole),
    ("dropped s", ("dropped_s",), _seconds),
    ("stable changed", ("stable_changes",), _whole),
    ("batch", ("batch_mean",), _seconds),
    ("server/client/other cores", ("server_cores", "client_cores", "other_cores"), _seconds),
    ("failed", ("failed_sessions",), _whole),
)


def table(rows: Sequence[Figures]) -> Table:
    """One line a row; columns that nobody measured are left out."""
    made = Table()
    shown = [column for column in SHOWN if any(row[name] is not None for row in rows for name in column[1])]
    for heading, _, _ in shown:
        made.add_column(heading, justify="right")
    for row in rows:
        made.add_row(*(_cell(row, names, form) for _, names, form in shown))
    return made


def _cell(row: Figures, names: Sequence[str], form: Format) -> str:
    return " / ".join("-" if (value := row[name]) is None else form(value) for name in names)
