"""Waiting for states on machines of any speed: for as long as it takes, and for states that pass quickly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from playwright.async_api import Page

# A test that fails may take its time; one that passes does not. Milliseconds.
PATIENCE = 60_000

# Notes every state that the page tells of: one that lasts a second is easily missed by looking now and then.
STATES = """
  window.states = [];
  addEventListener("DOMContentLoaded", () => {
    const status = document.getElementById("status-text");
    const note = () => states.push(status.textContent);
    new MutationObserver(note).observe(status, {childList: true, characterData: true, subtree: true});
    note();
  });
"""


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something has happened on the server."""
    async with asyncio.timeout(PATIENCE / 1000):
        while not condition():  # noqa: ASYNC110 - what changes is another's, without an event
            await asyncio.sleep(0.05)


async def told(page: Page, state: str) -> None:
    """Wait until a page that has `STATES` has told of a state, even if it tells of another one by now."""
    async with asyncio.timeout(PATIENCE / 1000):
        while not any(state in one for one in await page.evaluate("states")):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
