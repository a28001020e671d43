"""What a pipeline says of its source."""

from __future__ import annotations

from dataclasses import dataclass

from echopanel.audio import Source
from echopanel.transcript import Final, Gap, Partial, Revision

NO_SPEECH = "no_speech"  # why a range that was put off has no text after all
HEARD_AGAIN = "heard_again"  # why text of a smaller model or a fallback is replaced


@dataclass(frozen=True, slots=True)
class Trouble:
    """The recogniser failed; the client is told. `given_up`: not only once, so the range is put off."""

    source: Source
    message: str
    given_up: bool


Event = Partial | Final | Revision | Gap | Trouble
