"""Recognisers are found by name and imported no sooner than needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from echopanel.asr.fake import Fake
from echopanel.asr.registry import get_provider, list_providers, provider_names
from echopanel.errors import ConfigError


@pytest.fixture
def strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of somebody else's with one good and three bad providers."""
    (tmp_path / "stranger.py").write_text(
        "from echopanel.asr.fake import Fake\n"
        "class Good(Fake): pass\n"
        "class Empty: pass\n"
        "class NeedsLibrary:\n"
        "    def __init__(self):\n"
        "        import a_library_nobody_has\n"
    )
    info = tmp_path / "stranger-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(
        "[echopanel.providers]\n"
        "good = stranger:Good\n"
        "empty = stranger:Empty\n"
        "needy = stranger:NeedsLibrary\n"
        "gone = stranger:Gone\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


def test_importing_the_package_loads_no_engine() -> None:
    """Neither `import echopanel` nor looking up names imports a recogniser's library."""
    code = (
        "import sys, echopanel, echopanel.asr.registry as registry; registry.provider_names();"
        "print([name for name in ('ctranslate2', 'onnxruntime', 'tokenizers', 'faster_whisper',"
        " 'huggingface_hub') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_built_in_providers_are_installed_like_strangers() -> None:
    """Both come by entry points of this package."""
    assert {"fake", "faster-whisper"} <= set(provider_names())
    assert isinstance(get_provider("fake"), Fake)


def test_an_unknown_name_gets_the_known_ones() -> None:
    """The error says what could be taken instead."""
    with pytest.raises(ConfigError, match=r"provider=whisper: no such provider; .*fake, faster-whisper"):
        get_provider("whisper")


@pytest.mark.usefixtures("strangers")
def test_a_strangers_provider_is_as_good_as_ours() -> None:
    """It is listed with its package and version, and can be had."""
    info = {one.name: one for one in list_providers()}["good"]
    assert (info.package, info.version, info.unavailable) == ("stranger", "1.2", "")
    assert info.capabilities is not None
    assert get_provider("good").capabilities == info.capabilities


@pytest.mark.usefixtures("strangers")
@pytest.mark.parametrize(
    ("name", "reason"),
    [("empty", "not a provider"), ("needy", "a_library_nobody_has"), ("gone", "Gone")],
)
def test_an_unusable_provider_says_why_and_harms_nobody(name: str, reason: str) -> None:
    """The list goes on with the reason in one line; asking for it raises the same."""
    info = {one.name: one for one in list_providers()}
    assert reason in info[name].unavailable
    assert "\n" not in info[name].unavailable
    assert info[name].capabilities is None
    assert info["fake"].unavailable == ""
    with pytest.raises(ConfigError, match=reason):
        get_provider(name)
