"""What the processor says of itself."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from echopanel.machine.processor import available_cores, instruction_sets, processor_name, sysctl

X86 = """processor\t: 0
model name\t: AMD EPYC
flags\t\t: fpu sse2 avx2 avx512f avx512_vnni

processor\t: 1
model name\t: AMD EPYC
flags\t\t: fpu sse2
"""
ARM = "processor\t: 0\nFeatures\t: fp asimd evtstrm\n\nHardware\t: BCM2711\n"


def cpuinfo(root: Path, text: str) -> Path:
    """A /proc with one file."""
    (root / "proc").mkdir()
    (root / "proc" / "cpuinfo").write_text(text)
    return root


def test_x86_as_linux_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first core speaks for all."""
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    root = cpuinfo(tmp_path, X86)
    assert processor_name(root) == "AMD EPYC"
    assert instruction_sets(root) == ("AVX2", "AVX512", "VNNI")


def test_arm_as_linux_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NEON is called asimd there."""
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    root = cpuinfo(tmp_path, ARM)
    assert (processor_name(root), instruction_sets(root)) == ("BCM2711", ("NEON",))


@pytest.mark.parametrize(
    ("machine", "features", "found"), [("arm64", "", ("NEON",)), ("x86_64", "AVX2 BMI1", ("AVX2",))]
)
def test_a_mac_has_no_proc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: str, features: str, found: tuple[str, ...]
) -> None:
    """Its kernel is asked; every Apple processor has NEON."""
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert instruction_sets(tmp_path, lambda _: features) == found


def test_a_kernel_that_cannot_be_asked_says_nothing() -> None:
    """No such value, or no such program."""
    assert sysctl("echopanel.no.such.value") == ""


def test_the_name_is_never_empty(tmp_path: Path) -> None:
    """At the least it is the architecture."""
    assert processor_name(tmp_path)


def test_there_is_a_core() -> None:
    """On this machine too."""
    assert available_cores() >= 1
