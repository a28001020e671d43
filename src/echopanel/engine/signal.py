"""Tells any number of waiters that something has changed."""

from __future__ import annotations

import asyncio
import contextlib


class Signal:
    """`notify` wakes everybody who waits at that moment."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Wake all waiters."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, longest_s: float) -> None:
        """Return at the next `notify`, or after `longest_s` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                await self._event.wait()
