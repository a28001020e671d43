"""Which models the settings ask for."""

from __future__ import annotations

from pathlib import Path

from echopanel.asr.provider import ModelSpec
from echopanel.asr.voxtral.settings import VoxtralSettings
from echopanel.asr.voxtral_realtime.settings import Dialect, RealtimeSettings
from echopanel.config import Settings
from echopanel.machine.detect import ram_bytes

MODEL_FILE_SUFFIX = ".bin"


def model_spec(settings: Settings) -> ModelSpec:
    """Which model to load: from the catalogue, a path, or what the provider's own section names."""
    model, options = settings.model, provider_options(settings)
    path = own_path(model.name)
    name = path.name if path else model.name
    if not path and isinstance(options, VoxtralSettings):
        name = options.model.name if options.model else "voxtral"
    elif not path and isinstance(options, RealtimeSettings):
        name = options.model_name
    return ModelSpec(
        provider=model.provider,
        name=name,
        path=path,
        device=model.device,
        compute_type=model.compute_type,
        threads=settings.engine.max_inference,
        options=options,
    )


def own_path(name: str) -> Path | None:
    """The path that a model's name is; None where it is a name out of the catalogue."""
    path = Path(name).expanduser()
    return path if path.is_dir() or path.suffix == MODEL_FILE_SUFFIX else None


def second_spec(settings: Settings, model: str, provider: str | None) -> ModelSpec:
    """The model of a second pass; the provider is that of live audio unless another one is named."""
    changed = {"name": model} | ({"provider": provider} if provider else {})
    return model_spec(settings.model_copy(update={"model": settings.model.model_copy(update=changed)}))


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
