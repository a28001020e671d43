"""The client library; its public names are in `echopanel`."""

from __future__ import annotations

from echopanel.client.events import Event, LinkState, LinkStatus
from echopanel.client.meeting import Meeting, connect
from echopanel.client.settings import Resilience
from echopanel.policy.replay import ReplayLimits
from echopanel.wire.messages import Error, Flow, Ready, Stopped

__all__ = [
    "Error",
    "Event",
    "Flow",
    "LinkState",
    "LinkStatus",
    "Meeting",
    "Ready",
    "ReplayLimits",
    "Resilience",
    "Stopped",
    "connect",
]
