"""Waking whoever waits for a change."""

from __future__ import annotations

import asyncio

from echopanel.engine.signal import Signal


async def test_all_waiters_wake_at_once() -> None:
    """Everybody who waits at the moment of `notify` goes on."""
    signal = Signal()
    waiting = [asyncio.create_task(signal.wait(60.0)) for _ in range(3)]
    await asyncio.sleep(0)
    signal.notify()
    async with asyncio.timeout(1.0):
        await asyncio.gather(*waiting)


async def test_a_notice_is_not_kept_for_later() -> None:
    """Who begins to wait after a notice waits for the next one."""
    signal = Signal()
    signal.notify()
    waiting = asyncio.create_task(signal.wait(60.0))
    await asyncio.sleep(0)
    assert not waiting.done()
    signal.notify()
    await waiting


async def test_waiting_ends_after_the_longest_time() -> None:
    """Nobody waits for ever."""
    await Signal().wait(0.0)
