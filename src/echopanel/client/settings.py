"""How stubborn a client is."""

from __future__ import annotations

from dataclasses import dataclass, field

from echopanel.policy.backoff import Backoff
from echopanel.policy.replay import ReplayLimits


@dataclass(frozen=True, slots=True)
class Resilience:
    """What a client does when the connection fails; times in seconds.

    Args:
        attempts: tries in a row to reconnect before the state is `lost`; 0 never reconnects.
        backoff: how long to wait between them.
        breaker_failures: failures in a row that open the circuit breaker.
        breaker_open_s: how long it stays open.
        quick_failure_s: a connection that ends sooner than this after `ready` counts as a failure.
        ping_s: how often to ask whether the server is there.
        dead_s: silence for this long ends the connection.
        replay: how much audio to keep for sending again.
    """

    attempts: int = 15
    backoff: Backoff = field(default_factory=Backoff)
    breaker_failures: int = 5
    breaker_open_s: float = 60.0
    quick_failure_s: float = 5.0
    ping_s: float = 10.0
    dead_s: float = 15.0
    replay: ReplayLimits = field(default_factory=ReplayLimits)
