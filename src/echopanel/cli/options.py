"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

FormatName = Literal["txt", "srt", "vtt", "json", "md"]
EditionName = Literal["merged", "live", "refined"]

Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings file instead of the user's own.")
]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", metavar="DIR", help="Directory of transcripts and journals.")
]
Session = Annotated[str, typer.Argument(metavar="ID", help="Session, as `sessions list` shows it.")]
Provider = Annotated[
    str | None, typer.Option("--provider", help="Recogniser plug-in; auto: what suits this machine.")
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Model out of the catalogue, directory or ggml file; auto: what suits this machine.",
    ),
]
Token = Annotated[str | None, typer.Option("--token", help="The server's token.", envvar="ECHOPANEL_TOKEN")]
Language = Annotated[
    str | None,
    typer.Option("--language", metavar="CODE", help="Language spoken, such as `en`; else detected."),
]
Format = Annotated[FormatName, typer.Option("--format", "-f", help="Kind of file.")]
Edition = Annotated[
    EditionName,
    typer.Option(
        "--edition", help="Live text, that of `sessions refine`, or both: what was refined where it was."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")]

WaitRepair = Annotated[
    bool,
    typer.Option(
        "--wait-repair/--no-wait-repair",
        help="Wait until also what the server had to put off is text; else it is completed there.",
    ),
]

ShowBleed = Annotated[
    bool, typer.Option("--show-bleed", help="Also what the microphone heard out of the loudspeakers.")
]


def printable(text: str) -> str:
    """Text without control characters, which could steer the terminal; it may come from anybody."""
    return "".join(char if char.isprintable() else "�" for char in text)
