"""Settings: which layer counts, what is refused, and the documentation of every option."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from threadpoolctl import threadpool_info, threadpool_limits

from echopanel.audio import Source
from echopanel.config import Settings, config_file, data_directory, is_loopback, load_settings
from echopanel.config.__main__ import table
from echopanel.config.layers import variable
from echopanel.config.libraries import FORGET, ISA, PRIMITIVES, WIDE, tune_libraries
from echopanel.config.settings import options
from echopanel.errors import ConfigError

DOCUMENT = Path(__file__).parents[1] / "docs" / "configuration.md"


@pytest.fixture(autouse=True)
def nobodys_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings file of whoever runs the tests plays no part."""
    monkeypatch.setattr("echopanel.config.layers.config_file", lambda: tmp_path / "user.toml")


def load(environ: dict[str, str] | None = None, config: Path | None = None, **flags: object) -> Settings:
    """Settings from flags whose names have a double underscore for the dot."""
    return load_settings({name.replace("__", "."): v for name, v in flags.items()}, config, environ or {})


def refusal(environ: dict[str, str] | None = None, config: Path | None = None, **flags: object) -> str:
    """The one line that explains why these settings cannot be."""
    with pytest.raises(ConfigError) as caught:
        load(environ, config, **flags)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_defaults_serve_this_machine_only_with_the_embedded_model() -> None:
    """Without any setting everything is local and works."""
    settings = load()
    assert settings == Settings()
    assert (settings.server.host, settings.server.port, settings.server.token) == ("127.0.0.1", 8765, None)
    assert (settings.model.provider, settings.model.name) == ("faster-whisper", "tiny.en")
    assert settings.store.data_dir == data_directory()
    assert settings.engine.max_inference >= 1


def test_each_layer_overrides_the_one_below(tmp_path: Path) -> None:
    """File over defaults, environment over file, flags over all; what a layer leaves out shines through."""
    file = tmp_path / "echo.toml"
    file.write_text("[server]\nport = 1\n[limits]\nsessions = 1\nmax_frame_ms = 100\n")
    environ = {"ECHOPANEL_SERVER_PORT": "2", "ECHOPANEL_LIMITS_SESSIONS": "2"}
    settings = load(environ, file, server__port=3, server__host=None)
    assert (settings.server.port, settings.limits.sessions, settings.limits.max_frame_ms) == (3, 2, 100)
    assert settings.server.host == "127.0.0.1"


def test_the_users_own_file_is_read_unless_another_is_named(tmp_path: Path) -> None:
    """A file in the user's configuration directory is found by itself."""
    (tmp_path / "user.toml").write_text('[model]\nname = "base"\n')
    (tmp_path / "other.toml").write_text("")
    assert load().model.name == "base"
    assert load(config=tmp_path / "other.toml").model.name == "tiny.en"
    assert config_file().name == "config.toml"


def test_values_in_the_environment_become_what_the_option_needs() -> None:
    """Numbers, switches, lists, paths and sources are written as text; an empty variable is none."""
    settings = load(
        {
            "ECHOPANEL_STORE_RECORD": "true",
            "ECHOPANEL_STORE_DATA_DIR": "~/meetings",
            "ECHOPANEL_SERVER_ALLOWED_ORIGINS": "https://a.example, http://localhost:3000",
            "ECHOPANEL_ENGINE_SECONDARY_SOURCE": "mic",
            "ECHOPANEL_ENGINE_MAX_UTTERANCE_S": "12.5",
            "ECHOPANEL_SERVER_HOST": "",
            "ECHOPANEL_UNRELATED": "kept out",
        }
    )
    assert settings.store.record is True
    assert settings.store.data_dir == Path.home() / "meetings"
    assert settings.server.allowed_origins == ("https://a.example", "http://localhost:3000")
    assert settings.engine.secondary_source is Source.MIC
    assert settings.engine.max_utterance_s == 12.5
    assert settings.server.host == "127.0.0.1"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.5", "example.org", "127.0.0.1.example.org"])
def test_an_address_that_others_reach_needs_a_token(host: str) -> None:
    """A server without a token is for this machine only, and the refusal says what to do."""
    assert not is_loopback(host)
    assert "set server.token, or listen on 127.0.0.1" in refusal(server__host=host)
    assert load(server__host=host, server__token="correct-horse").server.host == host


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_needs_no_token(host: str) -> None:
    """All of this machine's own addresses are fine."""
    assert load(server__host=host).server.token is None


def test_a_token_is_never_shown() -> None:
    """No message, log line or traceback has it, whether it was accepted or refused."""
    settings = load(server__token="correct-horse")
    assert settings.server.token is not None
    assert settings.server.token.get_secret_value() == "correct-horse"
    assert "correct-horse" not in f"{settings!r} {settings}"
    with pytest.raises(ConfigError) as caught:
        load(server__token="geheimnis ü")
    assert "geheimnis" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert "geheimnis" not in refusal(servr__token="geheimnis ü")


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("server__port", "http", "valid integer"),
        ("server__port", 70_000, "65535"),
        ("server__token", "short", "8 or more characters"),
        ("server__token", "with space", "8 or more characters"),
        ("server__allowed_origins", "example.org", "looks like https://host:port"),
        ("server__allowed_origins", "https://example.org/page", "looks like https://host:port"),
        ("server__tls_cert", "/no/such/file.pem", "no such file"),
        ("model__warmup", 4, "less than or equal to 3"),
        ("model__load", "soon", "'eager', 'lazy' or 'hybrid'"),
        ("engine__max_utterance_s", float("nan"), "finite"),
        ("server__prot", 1, "did you mean server.port?"),
        ("store__data_dir", "~nobody-of-that-name/x", "no such user"),
        ("ladder__back_below", 0.9, "must be below ladder.level_1_above"),
        ("ladder__level_2_above", 0.5, "must not be below ladder.level_1_above"),
        ("ladder__level_3_above", 0.5, "must not be below ladder.level_2_above"),
        ("ladder__fallback", "tiny.en", "write it as PROVIDER:MODEL"),
        ("ladder__fallback", "whisper-cpp:", "write it as PROVIDER:MODEL"),
        ("nonsense__x", 1, "docs/configuration.md"),
    ],
)
def test_a_value_that_cannot_work_is_named_with_the_reason(option: str, value: object, reason: str) -> None:
    """The line has option, value and what to do."""
    line = refusal(None, None, **{option: value})
    assert line.startswith(option.replace("__", ".").removesuffix(".x"))
    assert reason in line


def test_tls_needs_both_files(tmp_path: Path) -> None:
    """Certificate and key come together, and the one that is missing is named."""
    pem = tmp_path / "one.pem"
    pem.touch()
    assert refusal(server__tls_cert=pem).startswith("server.tls_key=None: TLS needs")
    assert refusal(server__tls_key=pem).startswith("server.tls_cert=None: TLS needs")
    assert load(server__tls_cert=pem, server__tls_key=pem).server.tls_cert == pem


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"[server\n", "is not TOML"),
        (b"\xff", "is not TOML"),
        (b"port = 1\n", "belongs into a section"),
        (b"[server]\nprot = 1\n", "did you mean server.port?"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, content: bytes | None, line: str) -> None:
    """A typing error in the file never passes in silence."""
    file = tmp_path / "echo.toml"
    if content is not None:
        file.write_bytes(content)
    assert line in refusal(config=file)


def test_settings_do_not_change() -> None:
    """What was decided at the start holds until the end."""
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.server.port = 1


@given(st.sampled_from([name for name, _ in options()]), st.text(max_size=20))
def test_no_value_leads_to_anything_but_settings_or_an_explanation(name: str, value: str) -> None:
    """Whatever somebody writes into a variable, the answer is a setting or one line."""
    with contextlib.suppress(ConfigError):
        assert isinstance(load_settings({}, None, {variable(name): value}), Settings)


def test_every_option_is_described_in_one_line() -> None:
    """Each has a sentence, and names with a unit say it in words."""
    units = {"_s": "seconds", "_ms": "milliseconds", "_mb": "megabytes", "_bytes": "bytes"}
    for name, field in options():
        assert field.description is not None
        assert field.description.endswith(".")
        wanted = [unit for suffix, unit in units.items() if name.endswith(suffix)]
        assert [unit for unit in wanted if unit not in field.description] == []


def test_the_documentation_lists_every_option() -> None:
    """The table in the document is the one that the program prints."""
    printed = subprocess.run(
        [sys.executable, "-m", "echopanel.config"], capture_output=True, text=True, check=True
    ).stdout
    assert printed == table() + "\n"
    assert printed in DOCUMENT.read_text(encoding="utf-8")


def test_libraries_are_asked_for_what_pays() -> None:
    """A processor with VNNI gains by wide vectors; what the user says holds."""
    for have, before, after in (
        (("AVX2", "AVX512", "VNNI"), {}, {FORGET: "1", PRIMITIVES: "0", ISA: WIDE}),
        (("AVX2", "AVX512"), {}, {FORGET: "1", PRIMITIVES: "0"}),
        (("AVX2", "VNNI"), {}, {FORGET: "1", PRIMITIVES: "0"}),
        (
            ("AVX2", "AVX512", "VNNI"),
            {FORGET: "0", PRIMITIVES: "16", ISA: "AVX2"},
            {FORGET: "0", PRIMITIVES: "16", ISA: "AVX2"},
        ),
    ):
        environ = dict[str, str](before)
        with threadpool_limits(2, user_api="blas"):
            tune_libraries(environ, have)
            threads = {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
        assert environ == after
        assert threads <= {1}  # none where numpy's library is not known to have threads
