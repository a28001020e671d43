"""The layers that settings come from: defaults, then a TOML file, the environment, flags."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

import platformdirs
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from echopanel.config.settings import APP, Settings, options
from echopanel.errors import ConfigError

FILE_NAME = "config.toml"
ENV_PREFIX = "ECHOPANEL_"

Layer = Mapping[str, object]  # dotted option name -> value


def config_file() -> Path:
    """Where the settings file is looked for unless another one is named."""
    return platformdirs.user_config_path(APP, appauthor=False) / FILE_NAME


def variable(option: str) -> str:
    """The environment variable of an option: `server.port` is ECHOPANEL_SERVER_PORT."""
    return ENV_PREFIX + option.replace(".", "_").upper()


def load_settings(
    flags: Layer | None = None, config: Path | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """Merge all layers; flags that are None count as not given.

    Args:
        flags: dotted option names and their values.
        config: a TOML file that must exist; None looks in the user's configuration directory.
        environ: the environment; None takes the process's own.

    Raises:
        ConfigError: one line with the option, its value and what to do.
    """
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    layers = {**_from_file(config), **_from_environment(os.environ if environ is None else environ), **given}
    sections: dict[str, dict[str, object]] = {}
    for name, value in layers.items():
        section, _, option = name.partition(".")
        sections.setdefault(section, {})[option] = value
    try:
        return Settings.model_validate(sections)
    except ValidationError as error:
        raise _explain(error.errors()[0]) from None


def _from_file(config: Path | None) -> dict[str, object]:
    path = config or config_file()
    if config is None and not path.exists():
        return {}
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError("config", path, f"cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError("config", path, f"is not TOML: {error}") from error
    for name, section in content.items():
        if not isinstance(section, dict):
            raise ConfigError(name, section, f"belongs into a section such as [server]; see {path}")
    return {
        f"{name}.{option}": value for name, section in content.items() for option, value in section.items()
    }


def _from_environment(environ: Mapping[str, str]) -> dict[str, object]:
    """An empty variable counts as not set."""
    return {name: text for name, _ in options() if (text := environ.get(variable(name), ""))}


def _explain(error: ErrorDetails) -> ConfigError:
    where = [str(part) for part in error["loc"]]
    name = ".".join(where[:2])
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, [known for known, _ in options()], n=1)
        hint = f"; did you mean {near[0]}?" if near else "; docs/configuration.md lists all options"
        return ConfigError(name, _shown(name, error["input"]), f"there is no such option{hint}")
    option = str(error.get("ctx", {}).get("option") or name)
    value = error["input"]
    if isinstance(value, dict):
        value = value.get(option.partition(".")[2])
    return ConfigError(option, _shown(option, value), error["msg"].removeprefix("Input "))


def _shown(name: str, value: object) -> object:
    return "..." if "token" in name or isinstance(value, dict) else value
