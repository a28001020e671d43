"""From the server's settings to what each part is told: every option arrives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from echopanel.asr.provider import ModelSpec
from echopanel.asr.voxtral.settings import VoxtralSettings
from echopanel.asr.voxtral_realtime.settings import Dialect, RealtimeSettings
from echopanel.audio import Source
from echopanel.config import Settings
from echopanel.engine.settings import LoadStrategy
from echopanel.machine.detect import ram_bytes
from echopanel.policy.ladder import LadderSettings
from echopanel.server import translate
from echopanel.server.specs import model_spec
from tests.server.rig import settings_of


def settings(path: Path) -> Settings:
    """None of them a default."""
    return settings_of(
        path,
        store={"journal_quota_mb": 7, "resume_window_s": 11, "record_days": 3, "record_mb": 5},
        model={"device": "cuda", "compute_type": "float16", "load": "lazy", "warmup": 3, "memory_mb": 9},
        engine={
            "max_inference": 3,
            "max_batch": 5,
            "max_utterance_s": 12,
            "partial_interval_s": 0.6,
            "secondary_source": "mic",
            "queue_mic": 17,
            "queue_system": 19,
            "stuck_after_s": 2.5,
            "probe_interval_s": 1.5,
        },
        limits={
            "sessions": 4,
            "sessions_per_client": 2,
            "credit_s": 6,
            "max_message_bytes": 8192,
            "max_frame_ms": 100,
            "max_frames_per_second": 50,
        },
    )


def test_the_engine(tmp_path: Path) -> None:
    """Model, queue, watchdog, endpoints and admission."""
    made = translate.engine_settings(settings(tmp_path))
    assert made.model == ModelSpec("fake", "scripted", None, "cuda", "float16", 3)
    assert (made.max_inference, made.max_batch, made.secondary_source) == (3, 5, Source.MIC)
    assert (made.queue_bound_mic, made.queue_bound_system) == (17, 19)
    assert (made.load_strategy, made.warmup_level) == (LoadStrategy.LAZY, 3)
    assert made.model_memory_bytes == 9_000_000
    assert (made.stuck_after_s, made.probe_interval_s) == (2.5, 1.5)
    assert made.endpoint.max_utterance_s == 12
    assert made.chunking.intervals[:3] == (0.6, 0.75, 1.0)
    assert (made.admission.limit, made.admission.per_client) == (4, 2)


@pytest.mark.parametrize(
    ("limits", "carried", "limit"),
    [({}, None, 10), ({}, 40, 40), ({}, 0, 1), ({"sessions": 3}, 40, 3), ({"sessions": "auto"}, 7, 7)],
)
def test_sessions_at_once(tmp_path: Path, limits: dict[str, object], carried: int | None, limit: int) -> None:
    """What is set, else what was measured, else a guess; a slow machine takes one all the same."""
    made = translate.engine_settings(settings_of(tmp_path, limits=limits), carried)
    assert made.admission.limit == limit


def test_when_quality_gets_worse(tmp_path: Path) -> None:
    """Every threshold arrives; where quality is held there is no ladder, and no model for it."""
    ladder = {
        "level_1_above": 0.6,
        "level_2_above": 0.7,
        "level_3_above": 0.9,
        "back_below": 0.5,
        "sustain_s": 1,
        "recover_s": 2,
        "dwell_s": 3,
        "smaller_model": "small",
        "fallback": "whisper-cpp:tiny.en",
    }
    made = translate.engine_settings(settings_of(tmp_path, ladder=ladder))
    assert made.ladder == LadderSettings(True, (0.6, 0.7, 0.9), 0.5, 1, 2, 3)
    assert made.smaller == replace(made.model, name="small")
    assert made.fallback == replace(made.model, provider="whisper-cpp", name="tiny.en")
    for section, option in (("ladder", "enabled"), ("engine", "adaptive")):
        made = translate.engine_settings(settings_of(tmp_path, **{section: {option: False}}))
        assert (made.ladder.enabled, made.smaller, made.fallback) == (False, None, None)


def test_the_smaller_model_stands_in_unless_another_one_is_named(tmp_path: Path) -> None:
    """Each may be none."""
    for section, smaller, fallback in (
        ({"smaller_model": "small"}, "small", "small"),
        ({"smaller_model": "small", "fallback": "none"}, "small", None),
        ({"smaller_model": "none"}, None, None),
        ({}, None, None),
    ):
        made = translate.engine_settings(settings_of(tmp_path, ladder=section))
        assert (made.smaller and made.smaller.name, made.fallback and made.fallback.name) == (
            smaller,
            fallback,
        )


def test_beside_base_the_embedded_model_is_found(tmp_path: Path) -> None:
    """Where that is left to us."""
    model = {"provider": "faster-whisper", "name": "base"}
    made = translate.engine_settings(settings_of(tmp_path, model=model))
    assert made.smaller == made.fallback == replace(made.model, name="tiny.en")


def test_a_model_is_a_name_or_a_path(tmp_path: Path) -> None:
    """A directory and a `.bin` file are paths, whether or not the file is there; anything else is a name."""
    for name, path in (("tiny.en", None), (str(tmp_path), tmp_path), ("no/such.bin", Path("no/such.bin"))):
        spec = model_spec(settings_of(tmp_path, model={"name": name}))
        assert (spec.name, spec.path) == (path.name if path else name, path)


def test_the_wire_and_the_connection(tmp_path: Path) -> None:
    """What clients are told is what they are held to."""
    told, held = translate.wire_limits(settings(tmp_path)), translate.live_limits(settings(tmp_path))
    assert (told.max_message_bytes, told.max_frame_samples, told.max_frames_per_second) == (8192, 1600, 50)
    assert (told.max_utterance_s, told.resume_window_s) == (12, 11)
    assert (held.bounds.max_message_bytes, held.bounds.max_frame_samples) == (8192, 1600)
    assert (held.max_frames_per_second, held.burst_frames) == (50, 500)


def test_the_store(tmp_path: Path) -> None:
    """Quota and credit; recordings are bounded, or not."""
    made = settings(tmp_path)
    assert translate.quota_bytes(made) == 7_000_000
    assert translate.quota_bytes(settings_of(tmp_path)) is None
    assert translate.session_limits(made).credit_s == 6
    archive = translate.archive(made)
    assert (archive.max_days, archive.max_bytes) == (3, 5_000_000)
    assert translate.archive(settings_of(tmp_path)).directory == tmp_path / "recordings"


def test_voxtral(tmp_path: Path) -> None:
    """Its options go with the model, which has the name of its directory."""
    section = {"bin": "vx", "model": "~/v", "interval_s": 1.0, "max_processes": 3, "load_s": 9}
    spec = model_spec(settings_of(tmp_path, model={"provider": "voxtral"}, voxtral=section))
    options = VoxtralSettings("vx", Path("~/v").expanduser(), 1.0, 3, ram_bytes(), 9)
    assert (spec.provider, spec.name, spec.options) == ("voxtral", "v", options)


def test_voxtral_on_servers(tmp_path: Path) -> None:
    """Likewise; the model has the servers' name."""
    section = {
        "urls": "ws://a/v1/realtime, wss://b",
        "dialect": "mistral",
        "token": "correct-horse",
        "delay_ms": 480,
    }
    settings = settings_of(tmp_path, model={"provider": "voxtral-realtime"}, realtime=section)
    spec = model_spec(settings)
    urls = ("ws://a/v1/realtime", "wss://b")
    assert spec.options == RealtimeSettings(urls, Dialect.MISTRAL, "", "correct-horse", 480)
    assert spec.name == "voxtral-mini-transcribe-realtime-2602"


def test_a_model_may_be_a_directory(tmp_path: Path) -> None:
    """Then its path goes with it."""
    spec = model_spec(settings_of(tmp_path, model={"name": str(tmp_path)}))
    assert (spec.name, spec.path) == (tmp_path.name, tmp_path)
