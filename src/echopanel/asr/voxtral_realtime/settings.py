"""What the provider `voxtral-realtime` can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Dialect(StrEnum):
    """The protocol that a server speaks."""

    VLLM = "vllm"
    MISTRAL = "mistral"


USUAL = {
    Dialect.VLLM: "mistralai/Voxtral-Mini-4B-Realtime-2602",
    Dialect.MISTRAL: "voxtral-mini-transcribe-realtime-2602",
}


@dataclass(frozen=True, slots=True)
class RealtimeSettings:
    """Servers that do the same, and how to talk to them; times in seconds.

    `model` is the server's name for it, "" the one that is usual there. `delay_ms`: how long Mistral's model
    waits before it decides on a word. `connect_s`: until a server says that it is there. `watchdog_s`: speech
    and time without any sign of it. `rotate_s`: age at which a connection is replaced.
    """

    urls: tuple[str, ...] = ()
    dialect: Dialect = Dialect.VLLM
    model: str = ""
    token: str = field(default="", repr=False)
    delay_ms: int | None = None
    connect_s: float = 5.0
    watchdog_s: float = 5.0
    rotate_s: float = 300.0

    @property
    def model_name(self) -> str:
        """The model to ask for."""
        return self.model or USUAL[self.dialect]
