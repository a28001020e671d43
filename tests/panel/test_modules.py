"""The panel's pure modules, in Node.js, against what the Python side does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.panel.node import HERE, run
from tests.panel.vectors import vectors

SUITES = sorted(path.name for path in HERE.glob("*.test.mjs"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared test vectors in a file."""
    path = tmp_path_factory.mktemp("vectors") / "vectors.json"
    path.write_text(json.dumps(vectors()), encoding="utf-8")
    return path


@pytest.mark.parametrize("suite", SUITES)
def test_modules_do_as_the_python_side(suite: str, shared: Path) -> None:
    """The checks in this JavaScript file pass."""
    result = run("--test", "--test-reporter=spec", HERE / suite, vectors=shared)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "tests 0\n" not in result.stdout
