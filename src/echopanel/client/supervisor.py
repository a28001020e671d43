"""Keeps a meeting connected: one link after the other, with the policies deciding when."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from dataclasses import replace

from echopanel.client.address import Address
from echopanel.client.events import LinkState
from echopanel.client.link import Link, open_link
from echopanel.client.settings import Resilience
from echopanel.client.spool import Spool, Ticket
from echopanel.client.traffic import Traffic
from echopanel.errors import ConnectionLost, EchoPanelError, ErrorCode, ServerError
from echopanel.policy.breaker import Breaker
from echopanel.policy.heartbeat import Heartbeat
from echopanel.policy.retry import Retry
from echopanel.wire.closing import is_retryable
from echopanel.wire.messages import Ready, Start


class Supervisor:
    """Opens links and runs them until the session has stopped or nothing helps."""

    def __init__(
        self, address: Address, start: Start, traffic: Traffic, resilience: Resilience, spool: Spool | None
    ) -> None:
        self.ready: Ready | None = None
        self.ticket = None if spool is None else spool.ticket
        self._address = address
        self._start = start
        self._traffic = traffic
        self._resilience = resilience
        self._spool = spool
        breaker = Breaker(
            resilience.breaker_failures,
            resilience.breaker_open_s,
            2 * address.open_timeout + resilience.quick_failure_s,
        )
        self._retry = Retry(resilience.backoff, breaker, resilience.attempts, resilience.quick_failure_s)
        self._by_hand = asyncio.Event()
        self._link: Link | None = None

    def __repr__(self) -> str:
        return f"<Supervisor {self._traffic.state} {self._retry!r}>"

    async def open(self) -> None:
        """Make one attempt to connect, resuming the session if there is one; a lost session is continued.

        Raises:
            ConfigError, ConnectionLost, ServerError, RemoteProtocolError: it failed.
        """
        try:
            await self._open(self._next_start())
        except ServerError as error:
            if self.ticket is None or error.code is not ErrorCode.UNKNOWN_SESSION:
                raise
            await self._open(replace(self._start, continues=self.ticket.session))

    async def run(self) -> None:
        """Run one link after the other until the session has stopped or has failed for good."""
        while self._link is not None:
            link, self._link = self._link, None
            try:
                self._traffic.receive(await link.run())
            except EchoPanelError as error:
                await link.close(error)
                await self._again(error)
            finally:
                await link.close()

    async def close(self) -> None:
        """Close the link, if one is open that does not run."""
        if self._link is not None:
            await self._link.close()

    def reconnect(self) -> None:
        """Try again now, with all counters at zero."""
        self._retry.reset()
        self._by_hand.set()
        if self._traffic.state is LinkState.LOST:
            self._traffic.failure = None

    async def _again(self, cause: EchoPanelError) -> None:
        """Get a new link, unless `cause`, or what follows it, is final."""
        while is_retryable(cause):
            await self._pause(cause)
            self._traffic.become(LinkState.CONNECTING)
            try:
                await self.open()
            except EchoPanelError as error:
                cause = error
            else:
                return
        self._traffic.fail(cause)

    async def _pause(self, cause: EchoPanelError) -> None:
        """Wait as long as the policies say, or for `reconnect()`."""
        self._by_hand.clear()
        asked = cause.retry_after if isinstance(cause, ServerError) else None
        u = random.random()  # noqa: S311 - jitter, no secret
        wait = self._retry.failed(time.monotonic(), u, asked or 0.0)
        if wait is None:
            await self._lost(cause)
        else:
            await self._sleep(cause, wait)
        while (wait := self._retry.attempt(time.monotonic())) > 0:
            await self._sleep(cause, wait)

    async def _sleep(self, cause: EchoPanelError, seconds: float) -> None:
        self._traffic.become(LinkState.WAITING, _reason(cause), seconds)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._by_hand.wait()

    async def _lost(self, cause: EchoPanelError) -> None:
        reason = f"{_reason(cause)}; gave up after {self._resilience.attempts} attempts"
        self._traffic.become(LinkState.LOST, reason)
        self._traffic.fail(ConnectionLost(reason, resumable=True))
        await self._by_hand.wait()

    async def _open(self, start: Start) -> None:
        heartbeat = Heartbeat(time.monotonic(), self._resilience.ping_s, self._resilience.dead_s)
        self._link, self.ready = await open_link(self._address, self._traffic, start, heartbeat)
        self.ticket = Ticket(self.ready.session, self.ready.resume_token)
        if self._spool is not None:
            await asyncio.to_thread(self._spool.remember, self.ticket)
        self._retry.ready(time.monotonic())

    def _next_start(self) -> Start:
        if self.ticket is None:
            return self._start
        return replace(
            self._start,
            session=self.ticket.session,
            resume_token=self.ticket.resume_token,
            last_event=self._traffic.last_event,
        )


def _reason(cause: EchoPanelError) -> str:
    return cause.reason if isinstance(cause, ConnectionLost) else str(cause)
