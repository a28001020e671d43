"""EchoPanel: live meeting transcription on your own machine."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from echopanel.audio import Source
    from echopanel.client import (
        Error,
        Event,
        Flow,
        LinkState,
        LinkStatus,
        Meeting,
        Ready,
        ReplayLimits,
        Resilience,
        Stopped,
        connect,
    )
    from echopanel.errors import (
        AudioError,
        ConfigError,
        ConnectionLost,
        DeviceError,
        EchoPanelError,
        ErrorCode,
        LocalProtocolError,
        ModelUnavailable,
        Overloaded,
        ProtocolError,
        ProviderError,
        RemoteProtocolError,
        ServerError,
        StoreError,
        TranscriptionFailed,
    )
    from echopanel.transcript import (
        Coverage,
        Final,
        Gap,
        GapStatus,
        LostRange,
        Partial,
        Revision,
        Segment,
        Word,
    )

__version__ = "0.1.0"

__all__ = [
    "AudioError",
    "ConfigError",
    "ConnectionLost",
    "Coverage",
    "DeviceError",
    "EchoPanelError",
    "Error",
    "ErrorCode",
    "Event",
    "Final",
    "Flow",
    "Gap",
    "GapStatus",
    "LinkState",
    "LinkStatus",
    "LocalProtocolError",
    "LostRange",
    "Meeting",
    "ModelUnavailable",
    "Overloaded",
    "Partial",
    "ProtocolError",
    "ProviderError",
    "Ready",
    "RemoteProtocolError",
    "ReplayLimits",
    "Resilience",
    "Revision",
    "Segment",
    "ServerError",
    "Source",
    "Stopped",
    "StoreError",
    "TranscriptionFailed",
    "Word",
    "connect",
]

# Searched on first use of a name, cheapest first, so that `import echopanel` costs nothing.
_HOMES = ("errors", "transcript", "audio", "client")


def __getattr__(name: str) -> object:
    if name in __all__:
        for home in _HOMES:
            module = import_module(f"echopanel.{home}")
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module 'echopanel' has no attribute {name!r}")
