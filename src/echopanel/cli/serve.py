"""`echopanel serve`: the server."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Annotated

import typer

from echopanel.cli import options
from echopanel.errors import ConfigError

# The help of each flag is the description of its setting, which a test compares: importing the settings would
# make `--help` slow.
Host = Annotated[str | None, typer.Option(help="Address to listen on; any but a loopback one needs a token.")]
Port = Annotated[int | None, typer.Option(help="TCP port; 0 takes any free one.")]
Token = Annotated[str | None, typer.Option(help="Secret that clients must present.")]
Origins = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ORIGIN",
        help="Web pages besides our own that may open the socket, as `https://host:port`, by comma.",
    ),
]
Certificate = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Certificate chain in PEM; turns TLS on.")
]
Key = Annotated[Path | None, typer.Option(metavar="FILE", help="Private key of the certificate in PEM.")]
Record = Annotated[
    bool | None, typer.Option(help="Keep the audio of ended sessions, as one FLAC file per source.")
]
Load = Annotated[
    str | None,
    typer.Option(
        metavar="[eager|lazy|hybrid]",
        help="Load the model before serving, at the first session, or in the background.",
    ),
]
Inference = Annotated[int | None, typer.Option(help="Recogniser calls that run at once.")]
Sessions = Annotated[
    str | None,
    typer.Option(
        metavar="N",
        help="Sessions at once; auto: the live sources that `echopanel doctor` measured, else 10.",
    ),
]
Level = Annotated[
    str | None, typer.Option(metavar="[debug|info|warning|error]", help="Least severity logged.")
]
Format = Annotated[
    str | None,
    typer.Option(
        metavar="[auto|console|json]",
        help="Log lines for people or machines; auto: people where it is a terminal.",
    ),
]
Further = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="OPTION=VALUE", help="Any other option, as docs/configuration.md names it."
    ),
]


def serve(
    host: Host = None,
    port: Port = None,
    token: Token = None,
    allow_origin: Origins = None,
    tls_cert: Certificate = None,
    tls_key: Key = None,
    data_dir: options.DataDir = None,
    record: Record = None,
    provider: options.Provider = None,
    model: options.Model = None,
    load: Load = None,
    max_inference: Inference = None,
    max_sessions: Sessions = None,
    log_level: Level = None,
    log_format: Format = None,
    config: options.Config = None,
    further: Further = None,
) -> None:
    """Run the server; prints the address of its panel.

    Ctrl-C ends it. Options that are not given come from the environment, then the settings file, then the
    defaults; docs/configuration.md lists them.

    \b
    Examples:
      echopanel serve
      echopanel serve --port 9000 --model base
      echopanel serve --provider auto --model auto
      ECHOPANEL_SERVER_TOKEN=correct-horse echopanel serve --host 0.0.0.0
      echopanel serve --set limits.max_frame_ms=500
    """
    gc.disable()  # imports make much that stays; collecting goes on when the server is ready
    from echopanel.cli.models import settle
    from echopanel.config import load_settings
    from echopanel.server.main import run

    flags = {
        "server.host": host,
        "server.port": port,
        "server.token": token,
        "server.allowed_origins": allow_origin or None,
        "server.tls_cert": tls_cert,
        "server.tls_key": tls_key,
        "store.data_dir": data_dir,
        "store.record": record,
        "model.provider": provider,
        "model.name": model,
        "model.load": load,
        "engine.max_inference": max_inference,
        "limits.sessions": max_sessions,
        "log.level": log_level,
        "log.format": log_format,
    }
    run(settle(load_settings(flags | parse_further(further or []), config)))


def parse_further(texts: list[str]) -> dict[str, object]:
    """Options given as `OPTION=VALUE`.

    Raises:
        ConfigError: no equals sign.
    """
    pairs = [text.partition("=") for text in texts]
    for name, equals, _ in pairs:
        if not equals:
            raise ConfigError("--set", name, "write it as OPTION=VALUE, such as server.port=9000")
    return {name: value for name, _, value in pairs}
