"""One thread for the blocking calls of one stream, in order."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from echopanel.errors import ProviderError, TranscriptionFailed

T = TypeVar("T")


class Caller:
    """Runs one call after the other; a daemon, because a call that hangs cannot be ended."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._inbox: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"<Caller {self._thread.name}>"

    def call(self, function: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
        """Run a function behind those that were asked for earlier.

        The future raises what the function does: a `ProviderError`, or else `TranscriptionFailed`.
        """
        future: asyncio.Future[T] = self._loop.create_future()

        def run() -> None:
            try:
                result = function(*arguments)
            except ProviderError as error:
                self._tell(future, error)
            except Exception as error:  # noqa: BLE001 - a plug-in may raise anything; this frame is the seam
                self._tell(future, TranscriptionFailed(f"{type(error).__name__}: {error}"))
            else:
                self._tell(future, result)

        self._inbox.put(run)
        return future

    def stop(self) -> None:
        """Let the thread end when the calls so far are over."""
        self._inbox.put(None)

    def _run(self) -> None:
        while (call := self._inbox.get()) is not None:
            call()

    def _tell(self, future: asyncio.Future[T], result: T | ProviderError) -> None:
        def settle() -> None:
            if future.done():  # nobody waits any more
                return
            if isinstance(result, ProviderError):
                future.set_exception(result)
            else:
                future.set_result(result)

        try:
            self._loop.call_soon_threadsafe(settle)
        except RuntimeError:  # the loop has closed
            return
