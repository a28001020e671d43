"""`echopanel serve`: from flags to settings."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from echopanel.cli.app import app
from echopanel.config import Settings
from echopanel.config.settings import options
from tests.cli.conftest import Program

OPTION_OF_FLAG = {
    "host": "server.host",
    "port": "server.port",
    "token": "server.token",
    "allow_origin": "server.allowed_origins",
    "tls_cert": "server.tls_cert",
    "tls_key": "server.tls_key",
    "data_dir": "store.data_dir",
    "record": "store.record",
    "provider": "model.provider",
    "model": "model.name",
    "load": "model.load",
    "max_inference": "engine.max_inference",
    "max_sessions": "limits.sessions",
    "log_level": "log.level",
    "log_format": "log.format",
}


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings that a server would run with."""
    found: list[Settings] = []
    monkeypatch.setattr("echopanel.server.main.run", found.append)
    return found


def test_without_flags_the_defaults_are_served(program: Program, served: list[Settings]) -> None:
    """Nothing is set that was not asked for."""
    assert program("serve").exit_code == 0
    assert served == [Settings()]


def test_every_flag_arrives(program: Program, served: list[Settings], tmp_path: Path) -> None:
    """Each sets its option, and `--set` any other."""
    result = program(
        *("serve", "--host", "::", "--port", "0", "--token", "correct-horse", "--data-dir", tmp_path),
        *("--allow-origin", "https://a.example", "--allow-origin", "https://b.example", "--record"),
        *("--provider", "fake", "--model", "base", "--load", "lazy", "--max-inference", "3"),
        *("--max-sessions", "7", "--log-level", "debug", "--log-format", "json"),
        *("--set", "limits.max_frame_ms=500", "--set", "model.warmup=1"),
    )
    assert (result.exit_code, result.stderr) == (0, "")
    (settings,) = served
    server = settings.server
    assert (server.host, server.port, server.allowed_origins) == (
        "::",
        0,
        ("https://a.example", "https://b.example"),
    )
    assert server.token is not None
    assert server.token.get_secret_value() == "correct-horse"
    assert (settings.store.data_dir, settings.store.record) == (tmp_path, True)
    model = settings.model
    assert (model.provider, model.name, model.load, model.warmup) == ("fake", "base", "lazy", 1)
    assert (settings.engine.max_inference, settings.limits.sessions) == (3, 7)
    assert (settings.log.level, settings.log.format) == ("debug", "json")
    assert settings.limits.max_frame_ms == 500


def test_a_flag_can_turn_off_what_the_file_turns_on(
    program: Program, served: list[Settings], tmp_path: Path
) -> None:
    """`--no-record` is an answer, not the absence of one."""
    (tmp_path / "echo.toml").write_text("[store]\nrecord = true\n")
    assert program("serve", "--config", tmp_path / "echo.toml", "--no-record").exit_code == 0
    assert program("serve", "--config", tmp_path / "echo.toml").exit_code == 0
    assert [settings.store.record for settings in served] == [False, True]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["--host", "0.0.0.0"],
            "server.host=0.0.0.0: other machines can reach this address; set server.token",
        ),
        (["--set", "limits.max_frame_ms"], "--set=limits.max_frame_ms: write it as OPTION=VALUE"),
        (["--set", "server.prot=1"], "did you mean server.port?"),
        (["--log-level", "loud"], "'debug', 'info', 'warning' or 'error'"),
        (["--config", "/no/such.toml"], "cannot be read"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    program: Program, served: list[Settings], arguments: list[str], line: str
) -> None:
    """In one line, before anything starts."""
    code, text = program.refusal("serve", *arguments)
    assert code == 2
    assert line in text
    assert served == []


def test_flags_are_described_as_their_options_are() -> None:
    """The help and the table of options say the same."""
    described = {name: field.description for name, field in options()}
    (serve,) = (one for one in app.registered_commands if one.callback and one.callback.__name__ == "serve")
    command = typer.main.get_command_from_info(serve, pretty_exceptions_short=True, rich_markup_mode=None)
    helps = {one.name: getattr(one, "help", None) for one in command.params}
    assert {flag: helps[flag] for flag in OPTION_OF_FLAG} == {
        flag: described[option] for flag, option in OPTION_OF_FLAG.items()
    }
    assert set(helps) == {*OPTION_OF_FLAG, "config", "further"}
