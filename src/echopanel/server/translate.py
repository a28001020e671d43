"""From the server's settings to what each room wants to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from echopanel.asr.provider import ModelSpec
from echopanel.audio import to_samples
from echopanel.config import Settings
from echopanel.config.ladder import AUTO, NONE
from echopanel.engine.second_pass import SecondPass, plan
from echopanel.engine.settings import EngineSettings, LoadStrategy
from echopanel.engine.standby import smaller_spec
from echopanel.policy.admission import AdmissionSettings
from echopanel.policy.chunking import ChunkSettings
from echopanel.policy.endpoint import EndpointSettings
from echopanel.policy.ladder import LadderSettings
from echopanel.server.limits import LiveLimits
from echopanel.server.session import SessionLimits
from echopanel.server.specs import model_spec, own_path, second_spec
from echopanel.store.archive import Archive
from echopanel.store.transcripts import TranscriptStore
from echopanel.wire.codec import Bounds
from echopanel.wire.messages import Limits

MEGABYTE = 1_000_000
# A client that catches up sends minutes of short frames at once; the average over this long has to fit.
BURST_S = 10
# Sessions at once on a machine that was never measured.
UNMEASURED_SESSIONS = 10


def second_pass(
    settings: Settings, store: TranscriptStore, archive: Archive
) -> Callable[[str, str, str | None], SecondPass]:
    """What finds out what a second pass has to do, given session, model and perhaps provider."""
    return lambda session, model, provider: plan(
        store, archive, session, second_spec(settings, model, provider)
    )


def engine_settings(settings: Settings, carried: int | None = None) -> EngineSettings:
    """What the engine is told; `carried` is how many live sources the machine was measured to carry."""
    engine, first = settings.engine, model_spec(settings)
    smaller = smaller_model(settings, first)
    return EngineSettings(
        model=first,
        smaller=smaller,
        fallback=fallback_model(settings, first, smaller),
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
        ladder=ladder_settings(settings),
        admission=AdmissionSettings(session_limit(settings, carried), settings.limits.sessions_per_client),
    )


def smaller_model(settings: Settings, first: ModelSpec) -> ModelSpec | None:
    """The model for times of overload; looks for what is installed where that is left to us."""
    wanted = settings.ladder.smaller_model
    if wanted == NONE or not degrades(settings):
        return None
    return smaller_spec(first) if wanted == AUTO else named(first, first.provider, wanted)


def fallback_model(settings: Settings, first: ModelSpec, smaller: ModelSpec | None) -> ModelSpec | None:
    """The model that stands in for a broken one."""
    wanted = settings.ladder.fallback
    if wanted == NONE or not degrades(settings):
        return None
    provider, _, name = wanted.partition(":")
    return smaller if wanted == AUTO else named(first, provider, name)


def named(like: ModelSpec, provider: str, name: str) -> ModelSpec:
    """A model by name or path, to run as another one does."""
    path = own_path(name)
    return replace(like, provider=provider, name=path.name if path else name, path=path, options=None)


def degrades(settings: Settings) -> bool:
    """Whether quality may get worse; what is to be held does not."""
    return settings.ladder.enabled and settings.engine.adaptive


def ladder_settings(settings: Settings) -> LadderSettings:
    """When quality gets worse."""
    ladder = settings.ladder
    return LadderSettings(
        enabled=degrades(settings),
        raise_above=(ladder.level_1_above, ladder.level_2_above, ladder.level_3_above),
        back_below=ladder.back_below,
        sustain_s=ladder.sustain_s,
        recover_s=ladder.recover_s,
        dwell_s=ladder.dwell_s,
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
