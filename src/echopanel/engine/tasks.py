"""Tasks that run as long as the server does: nobody waits for them, so they have to say how they end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import structlog

log = structlog.get_logger(__name__)


def background(
    work: Coroutine[None, None, None], name: str, failed: Callable[[BaseException], None] = lambda _: None
) -> asyncio.Task[None]:
    """Start a task that logs what it fails with, and tells `failed`; its owner cancels it at the end."""

    def ended(task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("a part of the server failed; restart it", part=name, exc_info=error)
            failed(error)

    task = asyncio.create_task(work, name=name)
    task.add_done_callback(ended)
    return task
