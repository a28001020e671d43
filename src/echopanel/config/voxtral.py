"""Settings of the two providers that run Voxtral."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from echopanel.config.base import Directory, Section, Token, split, wrong

_SOCKET = re.compile(r"wss?://[^/\s]+(/\S*)?")


def _check_socket(url: str) -> str:
    if not _SOCKET.fullmatch(url):
        raise wrong(f"a server looks like ws://host:port/v1/realtime, and {url!r} does not")
    return url


SocketUrl = Annotated[str, AfterValidator(_check_socket)]


class VoxtralSection(Section):
    """The provider `voxtral`: processes on this machine."""

    bin: str = Field(
        default="voxtral", min_length=1, description="Program of antirez/voxtral.c: a name or a path."
    )
    model: Directory | None = Field(
        default=None, description="Its model directory; a directory in `model.name` comes first."
    )
    interval_s: float = Field(
        default=0.5,
        gt=0,
        le=5,
        description="New audio that it waits for before it works on it, in seconds; 1.0 costs less.",
    )
    max_processes: int | None = Field(
        default=None,
        ge=1,
        description="Processes at once, one a source and one to stand by; none: as many as the memory holds.",
    )
    load_s: float = Field(
        default=120.0, gt=0, description="How long a process may take to load the model, in seconds."
    )


class RealtimeSection(Section):
    """The provider `voxtral-realtime`: servers."""

    urls: Annotated[tuple[SocketUrl, ...], BeforeValidator(split)] = Field(
        default=(),
        description="Servers that have the same model, such as `ws://host:8000/v1/realtime`, by comma.",
    )
    dialect: Literal["vllm", "mistral"] = Field(default="vllm", description="What the servers speak.")
    model: str | None = Field(
        default=None, min_length=1, description="What the servers call the model; none: what is usual there."
    )
    token: Token | None = Field(default=None, description="Secret that the servers want.")
    delay_ms: int | None = Field(
        default=None,
        ge=80,
        le=2400,
        multiple_of=80,
        description="How long the model of `mistral` waits, in milliseconds; none: as the server likes.",
    )
