"""The texts that there may be of one session, and which of them is meant."""

from __future__ import annotations

from enum import StrEnum

from echopanel.policy.merging import merge
from echopanel.transcript import Refined, Transcript

NOT_REFINED = "there was no second pass over this session; `echopanel sessions refine` makes one"


class Edition(StrEnum):
    """Refined with the live text in its holes, or one of them alone."""

    MERGED = "merged"
    LIVE = "live"
    REFINED = "refined"


def edition_of(live: Transcript, refined: Refined | None, edition: Edition) -> Transcript | None:
    """The text that is meant; None when that is the refined one and there was no second pass."""
    if edition is Edition.LIVE or (refined is None and edition is Edition.MERGED):
        return live
    return None if refined is None else merge(live, refined, kept=edition is Edition.MERGED)
