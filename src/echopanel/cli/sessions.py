"""`echopanel sessions`: the kept transcripts, straight from the data directory."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from echopanel.cli import options, output
from echopanel.cli.kept import delete_session, existing, opened
from echopanel.cli.refine import refine
from echopanel.errors import EchoPanelError

if TYPE_CHECKING:
    from echopanel.store.search import Found
    from echopanel.store.transcripts import SessionRecord, TranscriptStore
    from echopanel.transcript import Coverage, Refined, Transcript

ABOUT = """
List, search, show, export, refine and delete transcripts.

Works on the data directory itself, whether a server is running or not.

\b
Examples:
  echopanel sessions list
  echopanel sessions search "next budget"
  echopanel sessions show 0123456789abcdef
  echopanel sessions rename 0123456789abcdef "Budget 2027"
  echopanel sessions export 0123456789abcdef --format srt --output talk.srt
  echopanel sessions refine 0123456789abcdef --model base
  echopanel sessions delete 0123456789abcdef
"""

app = typer.Typer(help=ABOUT, rich_markup_mode=None)
app.command()(refine)


@app.command("list")
def list_sessions(
    data_dir: options.DataDir = None,
    config: options.Config = None,
    limit: Annotated[int, typer.Option(min=1, help="Most sessions to list.")] = 50,
    offset: Annotated[int, typer.Option(min=0, help="Sessions to leave out, from the newest.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List sessions, newest first.

    Shows id, begin, length, state and title.

    \b
    Examples:
      echopanel sessions list --limit 10
      echopanel sessions list --json | jq -r .id
    """
    with opened(data_dir, config) as store:
        records = store.sessions(limit, offset) if store else []
    for record in records:
        typer.echo(json.dumps(asdict(record), default=str) if as_json else _line(record))
    if not records and not as_json:
        typer.echo("no sessions", err=True)


@app.command()
def search(
    query: Annotated[str, typer.Argument(metavar="WORDS", help='Words, or "phrases" in quotes.')],
    data_dir: options.DataDir = None,
    config: options.Config = None,
    limit: Annotated[int, typer.Option(min=1, help="Most sessions to list.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Find sessions by what was said in them, newest first.

    An utterance has to have all the words; the last one may be the beginning of a word. Titles count as well.

    \b
    Examples:
      echopanel sessions search budget
      echopanel sessions search '"best of times" wisdom'
    """
    with opened(data_dir, config) as store:
        found = store.search(query, limit) if store else []
    for one in found:
        if as_json:
            typer.echo(json.dumps(asdict(one), default=str))
        else:
            for line in _found(one):
                typer.echo(line)
    if not found and not as_json:
        typer.echo("nothing found", err=True)


@app.command()
def rename(
    session: options.Session,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="The new title.")],
    data_dir: options.DataDir = None,
    config: options.Config = None,
) -> None:
    """Give a session another title.

    \b
    Example:
      echopanel sessions rename 0123456789abcdef "Budget 2027"
    """
    with existing(session, data_dir, config) as store:
        store.rename(session, " ".join(title.split()))


@app.command()
def show(
    session: options.Session,
    edition: options.Edition = "merged",
    show_bleed: options.ShowBleed = False,
    data_dir: options.DataDir = None,
    config: options.Config = None,
) -> None:
    """Show what is known of a session, and its text.

    \b
    Example:
      echopanel sessions show 0123456789abcdef
    """
    from echopanel.store.export import Format, export

    with existing(session, data_dir, config) as store:
        record, refined = store.session(session), store.refined(session)
        transcript = _transcript(store, session, edition)
    for name, value in (*_facts(record), *_refined(refined)):
        typer.echo(f"{name + ':':<11}{options.printable(value)}")
    for source, ledger in transcript.coverage.items():
        typer.echo(f"{source + ':':<11}{_ledger(ledger)}")
    typer.echo("")
    for line in export(transcript, Format.TXT, show_bleed=show_bleed).splitlines():
        typer.echo(options.printable(line))


@app.command()
def export(
    session: options.Session,
    kind: options.Format = "txt",
    target: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="File or directory; else stdout.")
    ] = None,
    force: options.Force = False,
    edition: options.Edition = "merged",
    show_bleed: options.ShowBleed = False,
    data_dir: options.DataDir = None,
    config: options.Config = None,
) -> None:
    """Write a session's transcript as a file.

    \b
    Examples:
      echopanel sessions export 0123456789abcdef --format md > meeting.md
      echopanel sessions export 0123456789abcdef --format vtt --output subtitles/
      echopanel sessions export 0123456789abcdef --edition live
    """
    from echopanel.store.export import Format
    from echopanel.store.export import export as write_transcript

    with existing(session, data_dir, config) as store:
        transcript = _transcript(store, session, edition)
    text = write_transcript(transcript, Format(kind), show_bleed=show_bleed)
    if target is None:
        typer.echo(text, nl=False)
    else:
        output.write(target / f"{session}.{kind}" if target.is_dir() else target, text, force=force)


@app.command()
def delete(
    sessions: Annotated[list[str], typer.Argument(metavar="ID", help="Sessions to delete.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    live: Annotated[bool, typer.Option("--live", help="Also sessions that are marked as running.")] = False,
    data_dir: options.DataDir = None,
    config: options.Config = None,
) -> None:
    """Delete sessions and their text for good.

    Asks before, on a terminal.

    \b
    Examples:
      echopanel sessions delete 0123456789abcdef
      echopanel sessions delete --yes 0123456789abcdef fedcba9876543210
    """
    for session in sessions:
        with existing(session, data_dir, config) as store:
            record = store.session(session)
            if record.state in ("live", "completing") and not live:
                raise EchoPanelError(f"session {session} is running; stop it first, or delete it with --live")
            if not yes and not _agreed(record):
                continue
            delete_session(store, session)
            typer.echo(f"deleted {session}", err=True)


def _asked_by_a_person() -> bool:
    return sys.stdin.isatty()


def _agreed(record: SessionRecord) -> bool:
    if not _asked_by_a_person():
        raise EchoPanelError("deleting needs --yes where nobody can be asked")
    return typer.confirm(f"Delete {_line(record).strip()}?", err=True)


def _transcript(store: TranscriptStore, session: str, edition: options.EditionName) -> Transcript:
    from echopanel.engine.editions import NOT_REFINED, Edition, edition_of

    found = edition_of(store.transcript(session), store.refined(session), Edition(edition))
    if found is None:
        raise EchoPanelError(f"{session}: {NOT_REFINED}")
    return found


def _line(record: SessionRecord) -> str:
    begin = record.created.astimezone().strftime("%Y-%m-%d %H:%M")
    title = options.printable(record.title)
    return f"{record.id}  {begin}  {_length(record):>8}  {record.state:<11}  {title}".rstrip()


def _found(found: Found) -> Iterator[str]:
    from echopanel.store.export import LABELS, clock

    yield _line(found.record)
    for hit in found.hits:
        parts = [typer.style(options.printable(part.text), bold=part.hit or None) for part in hit.parts]
        yield f"  [{clock(hit.start)}] {LABELS[hit.source]}: {''.join(parts)}"
    if more := found.count - len(found.hits):
        yield f"  and {more} more"


def _length(record: SessionRecord) -> str:
    if record.ended is None:
        return "-"
    seconds = max(0, round((record.ended - record.created).total_seconds()))
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _facts(record: SessionRecord) -> Iterator[tuple[str, str]]:
    yield "session", record.id
    if record.title:
        yield "title", record.title
    yield "begin", record.created.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    yield "length", f"{_length(record)} ({record.state})"
    yield "model", f"{record.provider} {record.model}".strip()
    if record.language:
        yield "language", record.language
    if record.continues:
        yield "continues", record.continues


def _refined(refined: Refined | None) -> Iterator[tuple[str, str]]:
    if refined is not None:
        made = refined.made.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
        yield "refined", f"{refined.provider} {refined.model}, {made}"


def _ledger(ledger: Coverage) -> str:
    from echopanel.audio import to_seconds

    return ", ".join(
        f"{to_seconds(samples):.1f} s {name}"
        for name, samples in asdict(ledger).items()
        if name != "lost_ranges"
    )
