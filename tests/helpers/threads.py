"""Threads that call back into the event loop."""

from __future__ import annotations

import asyncio


def check_threads() -> None:
    """Let a call into this event loop from a wrong thread be an error; too slow for all tests."""
    asyncio.get_running_loop().set_debug(True)
