"""What `echopanel doctor` looks at besides speed: everything that a server needs to start and to work."""

from __future__ import annotations

import http.client
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from echopanel.errors import ConfigError, ModelUnavailable

if TYPE_CHECKING:
    from echopanel.config import Settings
    from echopanel.engine.advisor import Survey

GIGABYTE = 1_000_000_000
# A session of two sources journals 230 MB an hour; below this a long meeting may not find room.
FEW_BYTES = GIGABYTE
ANSWER_WITHIN_S = 2.0
# What browsers, phones and meeting programs record in.
CODECS = ("pcm_s16le", "flac", "mp3", "aac", "opus", "vorbis")


class Verdict(StrEnum):
    """How a check ended; only `failed` keeps a server from working as it is set."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, what was found, and what to do about it."""

    name: str
    verdict: Verdict
    text: str


def checks(settings: Settings, found: Survey) -> Iterator[Check]:
    """All checks, the quick ones first."""
    yield data_directory(settings)
    yield address(settings)
    yield exposure(settings)
    yield from providers(settings, found)
    yield from models(settings, found)
    yield audio_files()
    yield voice_activity()


def data_directory(settings: Settings) -> Check:
    """Can it be written, and is there room?"""
    folder = settings.store.data_dir
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(b"x")
        free = shutil.disk_usage(existing).free
    except OSError as error:
        reason = f"{existing}: {error.strerror or error}; make it writable or choose another with --data-dir"
        return Check("data directory", Verdict.FAILED, reason)
    verdict = Verdict.OK if free >= FEW_BYTES else Verdict.WARNING
    advice = "" if verdict is Verdict.OK else "; an hour of a meeting takes 0.23 GB, so free some space"
    return Check("data directory", verdict, f"{folder}: writable, {free / GIGABYTE:.1f} GB free{advice}")


def address(settings: Settings) -> Check:
    """Can a server listen where it is told to, or does one of ours do so already?"""
    from echopanel.server.main import listen

    host, port = settings.server.host, settings.server.port
    try:
        listen(host, port).close()
    except ConfigError as error:
        if _ours(host, port, tls=settings.server.tls_cert is not None):
            return Check("address", Verdict.OK, f"{host}:{port}: an EchoPanel server answers there")
        return Check("address", Verdict.FAILED, f"{host}:{port}: {error.reason}")
    return Check("address", Verdict.OK, f"{host}:{port} is free")


def _ours(host: str, port: int, *, tls: bool) -> bool:
    kind = http.client.HTTPSConnection if tls else http.client.HTTPConnection
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    connection = kind(shown, port, timeout=ANSWER_WITHIN_S)
    try:
        connection.request("GET", "/health/live")
        return b"alive" in connection.getresponse().read(100)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def exposure(settings: Settings) -> Check:
    """Will browsers on other machines be able to use the panel's microphone?"""
    from echopanel.config import is_loopback

    server = settings.server
    if is_loopback(server.host):
        return Check("reach", Verdict.OK, "this machine only")
    if server.tls_cert is not None:
        return Check("reach", Verdict.OK, "other machines, with a token, over TLS")
    reason = (
        "other machines, with a token, without TLS: browsers there give no microphone, and speech travels"
    )
    return Check("reach", Verdict.WARNING, f"{reason} readable; set server.tls_cert and server.tls_key")


def providers(settings: Settings, found: Survey) -> Iterator[Check]:
    """Can each recogniser be imported? Only the one that is configured has to."""
    wanted = settings.model.provider
    names = [one.name for one in found.providers]
    for one in found.providers:
        if not one.unavailable:
            yield Check(f"provider {one.name}", Verdict.OK, f"{one.package} {one.version}")
        else:
            verdict = Verdict.FAILED if one.name == wanted else Verdict.WARNING
            yield Check(f"provider {one.name}", verdict, one.unavailable)
    if wanted not in ("auto", *names):
        reason = f"is set as model.provider and not installed; there are {', '.join(names)}"
        yield Check(f"provider {wanted}", Verdict.FAILED, reason)


def models(settings: Settings, found: Survey) -> Iterator[Check]:
    """Are the files of the catalogue's models what they should be, and is the configured one there?"""
    from echopanel.asr.catalog import Catalog

    catalog = Catalog()
    here = [one.name for one in catalog.listings() if one.folder]
    for name in here:
        try:
            sizes = [file.size for file in catalog.verify(name)]
            text = f"{len(sizes)} files, {sum(sizes) / 1e6:.0f} MB, as they should be"
            yield Check(f"model {name}", Verdict.OK, text)
        except ModelUnavailable as error:
            yield Check(f"model {name}", Verdict.FAILED, f"{error.reason}; {error.remedy}")
    wanted = next((one for one in found.offers if one.model == settings.model.name), None)
    if wanted is not None and not wanted.installed:
        text = f"is set as model.name and not here; `{wanted.get}` gets it"
        yield Check(f"model {wanted.model}", Verdict.WARNING, text)


def audio_files() -> Check:
    """Can recordings be read? PyAV brings FFmpeg along."""
    try:
        import av
    except ImportError as error:
        return Check("audio files", Verdict.FAILED, f"PyAV cannot be imported: {error}; install av again")
    missing = [name for name in CODECS if name not in av.codecs_available]
    if missing:
        return Check("audio files", Verdict.WARNING, f"this FFmpeg cannot read {', '.join(missing)}")
    return Check("audio files", Verdict.OK, f"PyAV {av.__version__} reads {', '.join(CODECS)}")


def voice_activity() -> Check:
    """Does voice activity detection load and answer?"""
    from echopanel.asr.vad import SileroVad
    from echopanel.engine.sounds import known_sound

    try:
        scored = len(SileroVad().stream().push(known_sound(1.0)))
    except (ModelUnavailable, ImportError) as error:
        return Check("voice activity", Verdict.FAILED, str(error))
    return Check("voice activity", Verdict.OK, f"Silero scored {scored} windows")
