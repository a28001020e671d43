"""Settings of the server: defaults, then a TOML file, the environment, flags."""

from __future__ import annotations

from echopanel.config.ladder import LadderSection
from echopanel.config.layers import Layer, config_file, load_settings
from echopanel.config.settings import (
    EngineSection,
    LimitsSection,
    LogSection,
    ModelSection,
    ServerSection,
    Settings,
    StoreSection,
    data_directory,
    is_loopback,
)
from echopanel.config.voxtral import RealtimeSection, VoxtralSection

__all__ = [
    "EngineSection",
    "LadderSection",
    "Layer",
    "LimitsSection",
    "LogSection",
    "ModelSection",
    "RealtimeSection",
    "ServerSection",
    "Settings",
    "StoreSection",
    "VoxtralSection",
    "config_file",
    "data_directory",
    "is_loopback",
    "load_settings",
]
