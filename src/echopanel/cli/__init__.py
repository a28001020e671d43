"""The command line."""

from __future__ import annotations

from echopanel.cli.app import main

__all__ = ["main"]
