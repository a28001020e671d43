"""What a session asks of the recognition of its sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from echopanel.asr.provider import DecodeOptions


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """What a session asked for. `alone`: no other source is compared with it by the times of words."""

    decode: DecodeOptions
    partials: bool = True
    alone: bool = False

    @classmethod
    def of(cls, language: str | None, prompt: str, hotwords: str, *, partials: bool) -> Self:
        """From what the wire says."""
        return cls(DecodeOptions(language=language, prompt=prompt, hotwords=hotwords), partials)
