"""Every setting of the server, in one frozen value."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

import platformdirs
from pydantic import AfterValidator, BeforeValidator, Field
from pydantic import model_validator as validates
from pydantic.fields import FieldInfo

from echopanel.audio import Source
from echopanel.config.base import Directory, Section, Token, expand, split, wrong
from echopanel.config.ladder import LadderSection
from echopanel.config.voxtral import RealtimeSection, VoxtralSection
from echopanel.machine.processor import available_cores

APP = "echopanel"

_ORIGIN = re.compile(r"https?://[^/\s]+")


def data_directory() -> Path:
    """Where this user's programs keep their data."""
    return platformdirs.user_data_path(APP, appauthor=False)


def _check_origin(origin: str) -> str:
    if not _ORIGIN.fullmatch(origin):
        raise wrong(f"an origin looks like https://host:port, and {origin!r} does not")
    return origin


def _check_file(path: Path) -> Path:
    if not path.is_file():
        raise wrong("there is no such file")
    return path


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`; a name other than `localhost` is not taken on trust."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


Origin = Annotated[str, AfterValidator(_check_origin)]
ExistingFile = Annotated[Path, AfterValidator(expand), AfterValidator(_check_file)]


class ServerSection(Section):
    """Where the server listens and who may come in."""

    host: str = Field(
        default="127.0.0.1", description="Address to listen on; any but a loopback one needs a token."
    )
    port: int = Field(default=8765, ge=0, le=65_535, description="TCP port; 0 takes any free one.")
    token: Token | None = Field(default=None, description="Secret that clients must present.")
    allowed_origins: Annotated[tuple[Origin, ...], BeforeValidator(split)] = Field(
        default=(),
        description="Web pages besides our own that may open the socket, as `https://host:port`, by comma.",
    )
    tls_cert: ExistingFile | None = Field(default=None, description="Certificate chain in PEM; turns TLS on.")
    tls_key: ExistingFile | None = Field(default=None, description="Private key of the certificate in PEM.")

    @validates(mode="after")
    def _check_exposure(self) -> Self:
        if self.token is None and not is_loopback(self.host):
            reason = "other machines can reach this address; set server.token, or listen on 127.0.0.1"
            raise wrong(reason, "server.host")
        if (self.tls_cert is None) is not (self.tls_key is None):
            missing = "server.tls_cert" if self.tls_cert is None else "server.tls_key"
            raise wrong("TLS needs server.tls_cert and server.tls_key, set both", missing)
        return self


class StoreSection(Section):
    """What is kept on disk."""

    data_dir: Directory = Field(
        default_factory=data_directory,
        description="Directory of transcripts and journals.",
        json_schema_extra={"shown": "the user's data directory"},
    )
    record: bool = Field(
        default=False, description="Keep the audio of ended sessions, as one FLAC file per source."
    )
    record_days: float | None = Field(
        default=None, gt=0, description="How long recordings are kept, in days; none: for ever."
    )
    record_mb: int | None = Field(
        default=None,
        gt=0,
        description="Most that all recordings may take, in megabytes, oldest deleted first; none: no bound.",
    )
    fsync: Literal["none", "interval", "always"] = Field(
        default="interval",
        description="When audio is forced to the medium: never, every second, before each acknowledgement.",
    )
    journal_quota_mb: int | None = Field(
        default=None,
        gt=0,
        description="Most that the journals of all sessions may take, in megabytes; none: no bound.",
    )
    resume_window_s: float = Field(
        default=300.0,
        ge=0,
        description="How long a session waits for a client that was disconnected, in seconds.",
    )


class ModelSection(Section):
    """The recogniser."""

    provider: str = Field(
        default="faster-whisper",
        min_length=1,
        description="Recogniser plug-in; auto: what suits this machine.",
    )
    name: str = Field(
        default="tiny.en",
        min_length=1,
        description="Model out of the catalogue, directory or ggml file; auto: what suits this machine.",
    )
    device: str = Field(default="cpu", min_length=1, description="Device that the model runs on.")
    compute_type: str = Field(
        default="int8", min_length=1, description="Number format that the model computes in."
    )
    load: Literal["eager", "lazy", "hybrid"] = Field(
        default="eager",
        description="Load the model before serving, at the first session, or in the background.",
    )
    warmup: int = Field(
        default=2,
        ge=1,
        le=3,
        description="Warm-up: 1 load only, 2 one real inference, 3 every batch and context size.",
    )
    memory_mb: int = Field(
        default=4096, gt=0, description="Memory that loaded models may take, in megabytes."
    )


class EngineSection(Section):
    """How recognition is scheduled and watched."""

    max_inference: int = Field(
        default_factory=available_cores,
        ge=1,
        description="Recogniser calls that run at once.",
        json_schema_extra={"shown": "the number of cores"},
    )
    max_batch: int = Field(default=16, ge=1, description="Chunks that one recogniser call takes at most.")
    partial_interval_s: float = Field(
        default=0.5,
        ge=0.3,
        le=4,
        description="Shortest time between two partials, in seconds; load makes it longer.",
    )
    adaptive: bool = Field(
        default=True,
        description="Load makes partials rarer and finals cheaper; without it text comes late instead.",
    )
    max_utterance_s: float = Field(
        default=20.0,
        ge=2,
        le=28,
        description="Speech without a pause is cut at the quietest point before, in seconds.",
    )
    secondary_source: Source = Field(
        default=Source.SYSTEM, description="Source that waits when both have work."
    )
    queue_mic: int = Field(default=100, ge=1, description="Chunks of `mic` that may wait in a session.")
    queue_system: int = Field(default=50, ge=1, description="Chunks of `system` that may wait in a session.")
    stuck_after_s: float = Field(
        default=3.5,
        gt=0,
        description="A recogniser call is stuck after this many seconds; slow ones are given longer.",
    )
    probe_interval_s: float = Field(
        default=5.0,
        gt=0,
        description="How long the answer of `/health` is reused before it is tried again, in seconds.",
    )


class LimitsSection(Section):
    """What clients may ask for."""

    sessions: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        default="auto",
        description="Sessions at once; auto: the live sources that `echopanel doctor` measured, else 10.",
    )
    sessions_per_client: int = Field(default=10, ge=1, description="Sessions at once from one address.")
    credit_s: float = Field(
        default=60.0,
        ge=1,
        description="Audio that a client may send ahead of recognition, in seconds a source.",
    )
    max_message_bytes: int = Field(default=65_536, ge=4096, description="Largest message, in bytes.")
    max_frame_ms: int = Field(
        default=1000, ge=20, le=2000, description="Longest audio frame, in milliseconds."
    )
    max_frames_per_second: int = Field(
        default=200, ge=10, description="Audio frames a second from one connection."
    )


class LogSection(Section):
    """What the server says about itself."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severity logged."
    )
    format: Literal["auto", "console", "json"] = Field(
        default="auto", description="Log lines for people or machines; auto: people where it is a terminal."
    )


class Settings(Section):
    """All settings."""

    server: ServerSection = Field(default_factory=ServerSection)
    store: StoreSection = Field(default_factory=StoreSection)
    model: ModelSection = Field(default_factory=ModelSection)
    voxtral: VoxtralSection = Field(default_factory=VoxtralSection)
    realtime: RealtimeSection = Field(default_factory=RealtimeSection)
    engine: EngineSection = Field(default_factory=EngineSection)
    ladder: LadderSection = Field(default_factory=LadderSection)
    limits: LimitsSection = Field(default_factory=LimitsSection)
    log: LogSection = Field(default_factory=LogSection)


def options() -> Iterator[tuple[str, FieldInfo]]:
    """All options: dotted name and definition."""
    for section_name, section in Settings.model_fields.items():
        assert isinstance(section.annotation, type)
        assert issubclass(section.annotation, Section)
        for name, field in section.annotation.model_fields.items():
            yield f"{section_name}.{name}", field
