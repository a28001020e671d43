"""The shape of the source: which way imports point, where effects may live, how long things get."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "echopanel"
FILES = sorted(SOURCE.rglob("*.py"))
ALL = {"wire", "policy", "asr", "store", "config", "engine", "client", "capture", "server", "machine"}
LEAVES = {"errors", "audio", "transcript", "equipment"}

# What each part may import besides itself and the leaves. The roots compose the parts, so they see more.
MAY_IMPORT: dict[str, set[str]] = {
    **{leaf: set() for leaf in LEAVES},
    **{part: set() for part in ("wire", "policy", "asr", "store", "machine")},
    "config": {"machine"},
    "engine": {"policy", "asr", "store", "machine"},
    "client": {"wire", "policy"},
    "capture": {"client"},
    "server": {"wire", "engine", "store", "config"},
    "bench": {"client", "wire", "policy", "asr", "config"},
    "cli": ALL | {"bench"},
    "server/server.py": ALL - {"client", "capture"},
    "server/specs.py": ALL - {"client", "capture"},
    "server/translate.py": ALL - {"client", "capture"},
    "__init__": {"client"},
    "__main__": {"cli"},
}
PURE = ("wire", "policy")
IMPURE_MODULES = {"asyncio", "logging", "os", "random", "threading", "time"}
MAX_FUNCTION_LINES = 80
MAX_FILE_LINES = 400

every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())


def part_of(path: Path) -> str:
    """`wire` for wire/codec.py, `audio` for audio.py; a composition root is a part of its own."""
    relative = path.relative_to(SOURCE)
    return relative.as_posix() if relative.as_posix() in MAY_IMPORT else relative.parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names of everything imported, also inside functions; `from a import b` gives `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@every_file
def test_imports_point_one_way(path: Path) -> None:
    """A part imports only what lies below it; `__version__` is everybody's."""
    part = part_of(path)
    own = part.split("/")[0]
    allowed = MAY_IMPORT[part] | LEAVES | {own, "__version__"}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own_imports = [name for name in imports(tree) if name.split(".")[0] == "echopanel"]
    assert [name for name in own_imports if name.partition(".")[2].split(".")[0] not in allowed] == []


@every_file
def test_protocol_and_policies_are_pure(path: Path) -> None:
    """wire/ and policy/ neither wait, nor look at a clock, nor toss a coin: time and chance are arguments."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if part_of(path) in PURE:
        assert {name.split(".")[0] for name in imports(tree)} & IMPURE_MODULES == set()
        waits = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
        assert [node.lineno for node in ast.walk(tree) if isinstance(node, waits)] == []


@every_file
def test_only_config_reads_the_environment(path: Path) -> None:
    """Settings come from one place."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} | {
        name.rpartition(".")[2] for name in imports(tree)
    }
    if part_of(path) != "config":
        assert names & {"environ", "environb", "getenv", "getenvb"} == set()


@every_file
def test_functions_and_files_are_short(path: Path) -> None:
    """A function fits a screen or two, a file is read in one sitting."""
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MAX_FILE_LINES
    functions = [
        n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    lengths = {f.name: (f.end_lineno or f.lineno) - f.lineno + 1 for f in functions}
    assert {name: n for name, n in lengths.items() if n > MAX_FUNCTION_LINES} == {}
