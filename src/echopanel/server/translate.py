"""From the server's settings to what each room wants to know."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from echopanel.asr.provider import ModelSpec
from echopanel.asr.voxtral.settings import VoxtralSettings
from echopanel.asr.voxtral_realtime.settings import Dialect, RealtimeSettings
from echopanel.audio import to_samples
from echopanel.config import Settings
from echopanel.engine.settings import EngineSettings, LoadStrategy
from echopanel.machine.detect import ram_bytes
from echopanel.policy.admission import AdmissionSettings
from echopanel.policy.chunking import ChunkSettings
from echopanel.policy.endpoint import EndpointSettings
from echopanel.server.live import LiveLimits
from echopanel.server.session import SessionLimits
from echopanel.store.archive import Archive
from echopanel.wire.codec import Bounds
from echopanel.wire.messages import Limits

MEGABYTE = 1_000_000
MODEL_FILE_SUFFIX = ".bin"
# A client that catches up sends minutes of short frames at once; the average over this long has to fit.
BURST_S = 10
# Sessions at once on a machine that was never measured.
UNMEASURED_SESSIONS = 10


def model_spec(settings: Settings) -> ModelSpec:
    """Which model to load: from the catalogue, a path, or what the provider's own section names."""
    model, options = settings.model, provider_options(settings)
    path = Path(model.name).expanduser()
    own = path.is_dir() or path.suffix == MODEL_FILE_SUFFIX
    name = path.name if own else model.name
    if not own and isinstance(options, VoxtralSettings):
        name = options.model.name if options.model else "voxtral"
    elif not own and isinstance(options, RealtimeSettings):
        name = options.model_name
    return ModelSpec(
        provider=model.provider,
        name=name,
        path=path if own else None,
        device=model.device,
        compute_type=model.compute_type,
        threads=settings.engine.max_inference,
        options=options,
    )


def provider_options(settings: Settings) -> VoxtralSettings | RealtimeSettings | None:
    """What only the chosen recogniser understands."""
    voxtral, realtime = settings.voxtral, settings.realtime
    match settings.model.provider:
        case "voxtral":
            return VoxtralSettings(
                bin=voxtral.bin,
                model=voxtral.model,
                interval_s=voxtral.interval_s,
                max_processes=voxtral.max_processes,
                ram_bytes=ram_bytes(),
                load_s=voxtral.load_s,
            )
        case "voxtral-realtime":
            return RealtimeSettings(
                urls=realtime.urls,
                dialect=Dialect(realtime.dialect),
                model=realtime.model or "",
                token=realtime.token.get_secret_value() if realtime.token else "",
                delay_ms=realtime.delay_ms,
            )
    return None


def engine_settings(settings: Settings, carried: int | None = None) -> EngineSettings:
    """What the engine is told; `carried` is how many live sources the machine was measured to carry."""
    engine = settings.engine
    return EngineSettings(
        model=model_spec(settings),
        max_inference=engine.max_inference,
        max_batch=engine.max_batch,
        secondary_source=engine.secondary_source,
        queue_bound_mic=engine.queue_mic,
        queue_bound_system=engine.queue_system,
        load_strategy=LoadStrategy(settings.model.load),
        warmup_level=settings.model.warmup,
        model_memory_bytes=settings.model.memory_mb * MEGABYTE,
        stuck_after_s=engine.stuck_after_s,
        probe_interval_s=engine.probe_interval_s,
        chunking=chunk_settings(engine.partial_interval_s, adaptive=engine.adaptive),
        endpoint=replace(EndpointSettings(), max_utterance_s=engine.max_utterance_s),
        admission=AdmissionSettings(session_limit(settings, carried), settings.limits.sessions_per_client),
    )


def chunk_settings(shortest_s: float, *, adaptive: bool = True) -> ChunkSettings:
    """The steps of the interval between partials, the shortest first; not adaptive: only that."""
    usual = ChunkSettings()
    longer = [interval for interval in usual.intervals if interval > shortest_s]
    return replace(usual, intervals=(shortest_s, *longer) if adaptive else (shortest_s,))


def session_limit(settings: Settings, carried: int | None) -> int:
    """Sessions at once: what is set, what was measured, or a guess.

    In a meeting people take turns, so a session counts as one source that talks all the time.
    """
    wanted = settings.limits.sessions
    if wanted != "auto":
        return wanted
    return UNMEASURED_SESSIONS if carried is None else max(1, carried)


def wire_limits(settings: Settings) -> Limits:
    """What `ready` tells a client."""
    return Limits(
        max_message_bytes=settings.limits.max_message_bytes,
        max_frame_samples=max_frame_samples(settings),
        max_frames_per_second=settings.limits.max_frames_per_second,
        max_utterance_s=settings.engine.max_utterance_s,
        resume_window_s=settings.store.resume_window_s,
    )


def live_limits(settings: Settings) -> LiveLimits:
    """Bounds of one connection."""
    rate = settings.limits.max_frames_per_second
    return LiveLimits(
        bounds=Bounds(settings.limits.max_message_bytes, max_frame_samples(settings)),
        max_frames_per_second=rate,
        burst_frames=rate * BURST_S,
    )


def session_limits(settings: Settings) -> SessionLimits:
    """Bounds of one session."""
    return SessionLimits(credit_s=settings.limits.credit_s)


def quota_bytes(settings: Settings) -> int | None:
    """Most bytes in all journals."""
    quota = settings.store.journal_quota_mb
    return None if quota is None else quota * MEGABYTE


def archive(settings: Settings) -> Archive:
    """Where recordings are, and how long they are kept."""
    store = settings.store
    most = None if store.record_mb is None else store.record_mb * MEGABYTE
    return Archive(store.data_dir, store.record_days, most)


def max_frame_samples(settings: Settings) -> int:
    """Longest frame."""
    return to_samples(settings.limits.max_frame_ms / 1000)
