"""Runs JavaScript: the Node.js that comes in Playwright's wheel, so that every machine has the same one."""

from __future__ import annotations

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent


def node() -> Path:
    """The program."""
    spec = find_spec("playwright")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("playwright is not installed; run: make dev")
    return Path(spec.origin).parent / "driver" / ("node.exe" if os.name == "nt" else "node")


def run(*arguments: str | Path, vectors: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Node.js with arguments; `vectors` is handed over in the environment."""
    environment = os.environ | ({"PANEL_VECTORS": str(vectors)} if vectors else {})
    command = [str(node()), *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
