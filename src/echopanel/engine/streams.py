"""The streams of a server: opened by the way that works best, left alone where they keep failing."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TypeVar
from weakref import WeakSet

import structlog

from echopanel.asr.provider import DecodeOptions, Hypothesis, Increment, Model, Stream, StreamingModel
from echopanel.audio import Samples, Source
from echopanel.engine.caller import Caller
from echopanel.engine.metrics import Metrics
from echopanel.errors import ModelUnavailable, ProviderError, TranscriptionFailed
from echopanel.policy.breaker import Breaker, BreakerState

T = TypeVar("T")

log = structlog.get_logger(__name__)

# Providers see for themselves that they hang; this is for one that does not.
STUCK_S = 60.0
OPENING_S = 300.0
SOURCES = 2  # of a session
# A way that failed so lately is taken only if there is no other.
LATELY_S = 10.0


class Listening(Protocol):
    """A source that uses streams."""

    session: str
    source: Source

    @property
    def closing(self) -> int:
        """Utterances that wait."""
        ...

    @property
    def behind_s(self) -> float:
        """Age of the oldest of them, in seconds."""
        ...


class OpenStream:
    """A stream and its thread. Lives on the event loop."""

    def __init__(
        self, owner: Streams, route: str, caller: Caller, on_text: Callable[[Increment], None]
    ) -> None:
        self.route = route
        self._owner = owner
        self._caller = caller
        self._on_text = on_text
        self._stream: Stream | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<OpenStream to {self.route} {self._stream!r}>"

    async def begin(self, model: StreamingModel, options: DecodeOptions) -> None:
        """Open it.

        Raises:
            Busy: there is no room.
            ModelUnavailable: it can never be opened.
            TranscriptionFailed: it cannot be opened now.
        """
        loop = asyncio.get_running_loop()

        def told(increment: Increment) -> None:
            with suppress(RuntimeError):  # the loop has closed
                loop.call_soon_threadsafe(self._hear, increment)

        opening = self._caller.call(model.open_stream, options, told, self.route)
        opening.add_done_callback(self._take)
        await self._in_time(asyncio.shield(opening), OPENING_S)

    async def feed(self, samples: Samples) -> None:
        """As that of a `Stream`.

        Raises:
            TranscriptionFailed: likewise, or it takes far too long.
        """
        await self._in_time(self._caller.call(self._ready.feed, samples), STUCK_S)

    async def finish(self) -> Hypothesis:
        """Likewise."""
        return await self._in_time(self._caller.call(self._ready.finish), STUCK_S)

    async def rest(self) -> None:
        """Likewise."""
        await self._in_time(self._caller.call(self._ready.rest), STUCK_S)

    def close(self) -> None:
        """Say nothing more, and free it aside; again does nothing."""
        if not self._closed:
            self._closed = True
            self._caller.stop()
            self._owner.closed(self, self._stream)

    @property
    def _ready(self) -> Stream:
        assert self._stream is not None, "it is used after it was opened"
        return self._stream

    def _take(self, opening: asyncio.Future[Stream]) -> None:
        """Also when nobody waits for it any more."""
        if opening.cancelled() or opening.exception() is not None:
            return
        self._stream = opening.result()
        if self._closed:
            self._owner.free(self._stream)

    def _hear(self, increment: Increment) -> None:
        if not self._closed:
            self._on_text(increment)

    async def _in_time(self, future: asyncio.Future[T], limit_s: float) -> T:
        try:
            async with asyncio.timeout(limit_s):
                return await future
        except TimeoutError:
            raise TranscriptionFailed(f"the recogniser did not answer within {limit_s:g} s") from None


class Streams:
    """One per engine with a streaming model."""

    def __init__(self, model: Callable[[], Model], metrics: Metrics) -> None:
        self._model = model
        self._metrics = metrics
        self._breakers: dict[str, Breaker] = {}
        self._failed_at: dict[str, float] = {}
        self._open: Counter[str] = Counter()
        self._sources: WeakSet[Listening] = WeakSet()
        self._freeing: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)
        self.last_error = ""

    def __repr__(self) -> str:
        return f"<Streams {dict(self._open)} {list(self._breakers.values())}>"

    def join(self, source: Listening) -> None:
        """A source will want a stream."""
        self._sources.add(source)

    def leave(self, source: Listening) -> None:
        """It will not any more."""
        self._sources.discard(source)

    @property
    def room(self) -> bool:
        """Whether the sources of one more session would find streams."""
        with suppress(ModelUnavailable):
            capacity = self._streaming().capacity
            return capacity is None or len(self._sources) + min(SOURCES, capacity) <= capacity
        return True  # the model comes with the first session

    @property
    def behind_s(self) -> float:
        """Seconds that the slowest source is behind."""
        return max((source.behind_s for source in self._sources), default=0.0)

    @property
    def failing(self) -> str:
        """Why no stream can be had now, "" if one can."""
        now = time.monotonic()
        waits = [breaker.retry_in(now) for breaker in self._breakers.values()]
        if not waits or min(waits) == 0.0:
            return ""
        return f"{self.last_error}; tried again in {min(waits):.0f} s"

    def queued(self, session: str, source: Source) -> int:
        """Utterances of a source that wait."""
        return sum(one.closing for one in self._sources if (one.session, one.source) == (session, source))

    async def open(self, options: DecodeOptions, on_text: Callable[[Increment], None]) -> OpenStream:
        """A stream by the least used of the ways that work.

        Raises:
            Busy: there is no room.
            ModelUnavailable: none will do before somebody does something about it.
            TranscriptionFailed: none can be opened now, or all ways have failed too often.
        """
        model = self._streaming()
        stream = OpenStream(self, self._route(model), Caller(f"stream-{next(self._numbers)}"), on_text)
        self._open[stream.route] += 1
        self._metrics.streams.set(self._open.total())
        try:
            await stream.begin(model, options)
        except BaseException as error:
            stream.close()
            if isinstance(error, TranscriptionFailed | ModelUnavailable):
                self.failed(stream, error)
            raise
        return stream

    def failed(self, stream: OpenStream, error: ProviderError) -> None:
        """A stream has broken."""
        self.last_error = str(error)
        self._metrics.stream_failures.inc()
        now = self._failed_at[stream.route] = time.monotonic()
        breaker = self._breaker(stream.route)
        before = breaker.state
        breaker.fail(now)
        log.warning("stream failed", route=stream.route, error=str(error), breaker=breaker.state.value)
        if breaker.state is BreakerState.OPEN and before is not BreakerState.OPEN:
            log.error("recogniser left alone for a while", route=stream.route, error=str(error))

    def worked(self, stream: OpenStream) -> None:
        """A stream has given an utterance's text."""
        self._breaker(stream.route).succeed()

    def closed(self, stream: OpenStream, inner: Stream | None) -> None:
        """A stream is not used any more."""
        self._open[stream.route] -= 1
        self._metrics.streams.set(self._open.total())
        if inner is not None:
            self.free(inner)

    def free(self, inner: Stream) -> None:
        """Close a provider's stream in a thread."""
        task = asyncio.create_task(asyncio.to_thread(inner.close), name="close stream")
        self._freeing.add(task)
        task.add_done_callback(self._freeing.discard)

    async def close(self) -> None:
        """Wait until what was closed is free."""
        await asyncio.gather(*self._freeing, return_exceptions=True)

    def _streaming(self) -> StreamingModel:
        model = self._model()
        if not isinstance(model, StreamingModel):
            raise ModelUnavailable(repr(model), "its provider says that it streams, but it does not")
        return model

    def _route(self, model: StreamingModel) -> str:
        now = time.monotonic()

        def unfit(route: str) -> tuple[bool, int]:
            return now - self._failed_at.get(route, -LATELY_S) < LATELY_S, self._open[route]

        for route in sorted(model.routes, key=unfit):
            if self._breaker(route).allow(now):
                return route
        raise TranscriptionFailed(f"the recogniser is left alone for a while: {self.failing}")

    def _breaker(self, route: str) -> Breaker:
        return self._breakers.setdefault(route, Breaker(probe_s=OPENING_S))
