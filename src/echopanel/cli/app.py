"""The program: its commands, and the one place where errors become exit codes."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from echopanel import __version__
from echopanel.cli import bench, doctor, exits, ladder, listen, models, serve, sessions, stream, transcribe
from echopanel.errors import EchoPanelError

ABOUT = """
Live meeting transcription on your own machine.

\b
Examples:
  echopanel serve                               the server, with its panel at http://127.0.0.1:8765/
  echopanel listen                              microphone and loudspeakers to the server, with captions
  echopanel transcribe talk.mp3 --format srt    a file into subtitles, without a server
  echopanel stream mic.wav system.wav           files to the server as if live, with captions
  echopanel sessions list                       what was said before
"""


class Program(TyperGroup):
    """Ends every command with an exit code, and every error with one line."""

    def main(self, *args: Any, **kwargs: Any) -> int:
        """Run a command and exit; unless standalone, return the exit code instead."""
        standalone = kwargs.get("standalone_mode", True)
        line, code = self._run(*args, **(kwargs | {"standalone_mode": False}))
        if line:
            typer.echo(line, err=True)
        if standalone:
            sys.exit(code)
        return code

    def _run(self, *args: Any, **kwargs: Any) -> tuple[str, int]:
        try:
            result = super().main(*args, **kwargs)
        except (typer.Abort, KeyboardInterrupt):
            return "", exits.ExitCode.INTERRUPTED
        except (EchoPanelError, typer.TyperException, OSError) as error:
            return exits.explain(error)
        return "", result if isinstance(result, int) else exits.ExitCode.OK


app = typer.Typer(
    name="echopanel",
    cls=Program,
    help=ABOUT,
    epilog=exits.epilog(),
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"echopanel {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def program(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Show the help where no command is given."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


app.command()(serve.serve)
app.command()(transcribe.transcribe)
app.command()(listen.listen)
app.command()(stream.stream)
app.command()(bench.bench)
app.command()(doctor.doctor)
app.command()(ladder.ladder)
app.add_typer(models.app, name="models")
app.add_typer(sessions.app, name="sessions")


def main() -> None:
    """Run the command that the arguments name, and exit."""
    app()
