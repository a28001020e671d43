"""What the documents say is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import echopanel

REPOSITORY = Path(__file__).parents[1]
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")])
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")

LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"`echopanel ([a-z]+)(?: |`)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link in a document names a file of the repository."""
    targets = LINK.findall(document.read_text(encoding="utf-8"))
    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_python_in_the_readme_uses_names_that_exist() -> None:
    """The README's example is valid Python and asks the library only for what it has."""
    blocks = PYTHON_BLOCK.findall(README)
    assert blocks
    for block in blocks:
        compile(block, "README.md", "exec")
    names = set(re.findall(r"\bechopanel\.(\w+)", "".join(blocks)))
    assert {name for name in names if not hasattr(echopanel, name)} == set()


@pytest.mark.parametrize("command", sorted(set(COMMAND.findall(README))))
def test_commands_of_the_readme_exist(command: str) -> None:
    """The installed program knows every command that the README names."""
    program = Path(sys.executable).with_name("echopanel")
    result = subprocess.run([program, command, "--help"], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
