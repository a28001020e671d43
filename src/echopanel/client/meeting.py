"""A meeting, as a program sees it."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from echopanel.audio import SAMPLE_BYTES, SAMPLE_RATE, Source, float_to_pcm16
from echopanel.client.address import Address, live_url
from echopanel.client.events import Event, LinkState
from echopanel.client.outgoing import Outgoing
from echopanel.client.settings import Resilience
from echopanel.client.spool import Spool
from echopanel.client.supervisor import Supervisor
from echopanel.client.traffic import Traffic
from echopanel.errors import AudioError, ConfigError, ConnectionLost, LocalProtocolError
from echopanel.wire.messages import Ready, Start, Stopped

Pcm = bytes | bytearray | memoryview | NDArray[np.float32] | NDArray[np.int16]
STUBBORN = Resilience()
_AT_ONCE = SAMPLE_RATE  # what `send` hands on without looking for room again


def connect(
    url: str,
    *,
    # What the meeting is
    sources: Sequence[str] = ("mic", "system"),
    title: str = "",
    # How to recognise it
    language: str | None = None,
    prompt: str = "",
    hotwords: str = "",
    partials: bool = True,
    # How to get there
    token: str | None = None,
    tls: ssl.SSLContext | None = None,
    open_timeout: float = 10.0,
    # What to do about trouble
    resilience: Resilience = STUBBORN,
    overflow: Literal["wait", "drop"] = "wait",
    spool: str | Path | None = None,
) -> Meeting:
    """Begin a meeting: `async with connect("http://127.0.0.1:8765") as meeting: ...`.

    Args:
        url: the server; http(s) or ws(s), with or without a path.
        sources: what will be sent: "mic", "system" or both.
        title: shown in lists of sessions.
        language: code such as "en"; None lets the model detect it.
        prompt: text before the meeting, as context for the model.
        hotwords: names and terms to expect.
        partials: whether to send the text of utterances that are still going on.
        token: the server's token, if it has one.
        tls: for https and wss, if the default will not do.
        open_timeout: seconds for each of the steps of connecting.
        resilience: how to go on after the connection failed.
        overflow: what `send` does when audio piles up: wait, or drop the oldest and never wait.
        spool: a directory for this meeting alone, which keeps audio until the server has it. A program that
            was killed connects with the same directory and sources, and goes on with the session.

    Raises:
        ConfigError: an argument that cannot work.
        StoreError: the spool cannot be read or written.
    """
    if not sources:
        raise ConfigError("sources", sources, "name at least one of: " + ", ".join(Source))
    address = Address(live_url(url), token, tls, open_timeout)
    start = Start(
        tuple(_source(name) for name in sources),
        language=language,
        prompt=prompt,
        hotwords=hotwords,
        partials=partials,
        title=title,
    )
    return Meeting(address, start, resilience, overflow, Spool(Path(spool), start.sources) if spool else None)


class Meeting:
    """Sends audio and gives text. Iterate over it, in one place, for events; they are kept until then.

    Iteration ends when the meeting has stopped. Reading, sending and `reconnect` may run in different tasks.
    """

    def __init__(
        self,
        address: Address,
        start: Start,
        resilience: Resilience,
        overflow: Literal["wait", "drop"],
        spool: Spool | None,
    ) -> None:
        self._overflow = overflow
        self._spool = spool
        self._traffic = Traffic(Outgoing(start.sources, resilience.replay), spool)
        self._supervisor = Supervisor(address, start, self._traffic, resilience, spool)
        self._runner: asyncio.Task[None] | None = None
        for source, frames in (spool.kept if spool else {}).items():
            self._traffic.outgoing.restore(source, frames, time.monotonic())

    def __repr__(self) -> str:
        return f"<Meeting {self._traffic.session} {self._supervisor!r}>"

    async def __aenter__(self) -> Self:
        """Connect; one attempt.

        Raises:
            ConnectionLost: nobody answers.
            ServerError: the server refused; `Overloaded` says when to come back.
            ConfigError: this is no EchoPanel server.
        """
        self._traffic.become(LinkState.CONNECTING)
        try:
            await self._supervisor.open()
        except BaseException:
            await self._close()
            raise
        # Owned by this context, not by a TaskGroup: a group would wrap what the caller's block raises.
        self._runner = asyncio.create_task(self._run(), name="echopanel meeting")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection. Without `stop()` the server keeps the session open for a while."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.wait([self._runner])
            await self._close()
            if exc is None and not self._runner.cancelled():
                self._runner.result()

    @property
    def ready(self) -> Ready:
        """What the server said when the newest connection was opened: session, limits, model."""
        if self._supervisor.ready is None:
            raise LocalProtocolError("the meeting is not open; use it inside `async with`")
        return self._supervisor.ready

    @property
    def session(self) -> str:
        """The session's id on the server."""
        return self.ready.session

    @property
    def state(self) -> LinkState:
        """How the client stands to the server; changes come as `LinkStatus` events."""
        return self._traffic.state

    def position(self, source: str) -> int:
        """The sample index of what is sent next; more than 0 at first where a spool was taken up."""
        return self._traffic.outgoing.track(_source(source)).next

    async def send(
        self, source: str, pcm: Pcm, *, start: int | None = None, captured_ms: float | None = None
    ) -> None:
        """Send audio: 16-bit samples (bytes or int16) or float32 in [-1, 1], mono, 16 kHz, of any length.

        Returns when the audio is on its way, or, while the connection is down, when it is kept for sending.

        Args:
            source: "mic" or "system".
            pcm: the samples.
            start: their sample index, when they do not follow what came before; what lies between is lost.
            captured_ms: when the first of them was recorded, on the clock of `time.monotonic`; needed to
                keep two sources side by side when their devices' clocks drift.

        Raises:
            AudioError: not whole samples.
            LocalProtocolError: a source not given to `connect`, a `start` that goes back, audio after `stop`.
            StoreError: the spool cannot be written; the audio is on its way all the same.
            ServerError, ConnectionLost: the meeting has failed for good.
        """
        name = _source(source)
        data = _to_bytes(pcm)
        for at in range(0, len(data), _AT_ONCE * SAMPLE_BYTES):
            part = data[at : at + _AT_ONCE * SAMPLE_BYTES]
            await self._room(name, len(part) // SAMPLE_BYTES)
            later_ms = at // SAMPLE_BYTES * 1000 / SAMPLE_RATE
            when_ms = None if captured_ms is None else captured_ms + later_ms
            first = start if at == 0 else None
            frames = self._traffic.outgoing.add(name, part, time.monotonic(), first, when_ms)
            self._traffic.work.fire()
            if self._spool is not None:
                await asyncio.to_thread(self._spool.append, frames)

    def skip(self, source: str, samples: int) -> None:
        """Leave out `samples` samples of a source that was muted or unplugged meanwhile.

        Raises:
            ValueError: a negative number.
        """
        self._traffic.outgoing.skip(_source(source), samples)

    async def flush(self) -> None:
        """Return when everything sent so far is final text, whose events are there to be read.

        Raises:
            ServerError, ConnectionLost: the meeting has failed for good.
        """
        self._traffic.check()
        name = self._traffic.outgoing.flush()
        self._traffic.work.fire()
        await self._traffic.answer(name)

    async def stop(self, *, wait_repair: bool = True) -> Stopped:
        """End the meeting: everything sent becomes final text.

        Args:
            wait_repair: return when it has; else as soon as the server keeps all audio. What is pending then
                becomes text on the server, where exports and those who read along see it.

        Returns:
            The ledger of what became of the audio.

        Raises:
            ServerError, ConnectionLost: the meeting has failed for good.
        """
        self._traffic.outgoing.wait_repair = wait_repair
        self._traffic.outgoing.stopping = True
        self._traffic.work.fire()
        return await self._traffic.end()

    def reconnect(self) -> None:
        """Try to connect now, not later, or again after the state was `lost`; counters begin at zero."""
        self._supervisor.reconnect()

    def __aiter__(self) -> AsyncIterator[Event]:
        """The events from here on.

        Raises:
            ServerError, ConnectionLost: the meeting has failed for good; after `reconnect()` read on.
        """
        return self

    async def __anext__(self) -> Event:
        """The next event."""
        event = await self._traffic.inbox.get()
        if event is None:
            raise StopAsyncIteration
        return event

    async def _run(self) -> None:
        try:
            await self._supervisor.run()
        except Exception as error:
            self._traffic.fail(ConnectionLost(f"the client failed: {error!r}", resumable=True))
            raise
        finally:
            self._traffic.close()

    async def _close(self) -> None:
        await self._supervisor.close()
        self._traffic.close()
        if self._spool is not None:
            end = self._spool.close if self._traffic.stopped is None else self._spool.delete
            await asyncio.to_thread(end)

    async def _room(self, source: Source, samples: int) -> None:
        """Wait until `samples` more can be taken: this is where back-pressure reaches the caller."""
        traffic = self._traffic
        replay = traffic.outgoing.track(source).replay
        if traffic.state is LinkState.CLOSED:
            traffic.check()
        while self._overflow == "wait":
            traffic.check()
            on_its_way = replay.unsent <= _AT_ONCE or not traffic.connected
            if on_its_way and (replay.has_room(samples) or not replay.samples):
                return
            await traffic.moved.wait()


def _source(name: str) -> Source:
    if name not in list(Source):
        raise ConfigError("source", name, f"must be one of: {', '.join(Source)}")
    return Source(name)


def _to_bytes(pcm: Pcm) -> bytes:
    if not isinstance(pcm, np.ndarray):
        return bytes(pcm)
    if pcm.ndim != 1:
        raise AudioError(f"samples of shape {pcm.shape}; give one channel, shape (n,)")
    return pcm.astype("<i2").tobytes() if pcm.dtype == np.int16 else float_to_pcm16(pcm.astype(np.float32))
