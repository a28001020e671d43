"""What a pipeline says of its source."""

from __future__ import annotations

from dataclasses import dataclass

from echopanel.audio import Source
from echopanel.transcript import Final, Gap, Partial

NO_SPEECH = "no_speech"  # why a range that was put off has no text after all


@dataclass(frozen=True, slots=True)
class Trouble:
    """The recogniser failed; the client is told. `given_up`: not only once, so the range is put off."""

    source: Source
    message: str
    given_up: bool


Event = Partial | Final | Gap | Trouble
