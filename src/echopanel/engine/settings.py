"""What the engine can be told; the server fills it from its configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from echopanel.asr.provider import ModelSpec
from echopanel.audio import Source
from echopanel.machine.processor import available_cores
from echopanel.policy.admission import AdmissionSettings
from echopanel.policy.chunking import ChunkSettings
from echopanel.policy.endpoint import EndpointSettings
from echopanel.policy.ladder import LadderSettings


class LoadStrategy(StrEnum):
    """When the model is loaded: before the first request, at the first, or in the background after start."""

    EAGER = "eager"
    LAZY = "lazy"
    HYBRID = "hybrid"


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Limits in seconds, bytes or jobs as named; `max_inference` calls run at once.

    `smaller` is the model for times of overload. `fallback` stands in for a broken `model`; without one,
    speech waits until that was loaded again.
    """

    model: ModelSpec
    smaller: ModelSpec | None = None
    fallback: ModelSpec | None = None
    max_inference: int = field(default_factory=available_cores)
    max_batch: int = 16
    secondary_source: Source = Source.SYSTEM
    queue_bound_mic: int = 100
    queue_bound_system: int = 50
    load_strategy: LoadStrategy = LoadStrategy.EAGER
    warmup_level: int = 2
    model_memory_bytes: int = 4 << 30
    stuck_after_s: float = 3.5
    probe_interval_s: float = 5.0
    endpoint: EndpointSettings = field(default_factory=EndpointSettings)
    chunking: ChunkSettings = field(default_factory=ChunkSettings)
    ladder: LadderSettings = field(default_factory=LadderSettings)
    admission: AdmissionSettings = field(default_factory=AdmissionSettings)
