"""Settings of the degrade ladder: how recognition gets worse under overload."""

from __future__ import annotations

from typing import Self

from pydantic import Field
from pydantic import model_validator as validates

from echopanel.config.base import Section, wrong

AUTO = "auto"
NONE = "none"


class LadderSection(Section):
    """When recognition gets worse step by step, and which models stand ready for that."""

    enabled: bool = Field(
        default=True,
        description="Get worse under overload; let the fallback stand in for a broken model.",
    )
    smaller_model: str = Field(
        default=AUTO,
        min_length=1,
        description="Model of the same provider for level 2; auto: the next smaller one that is installed.",
    )
    fallback: str = Field(
        default=AUTO,
        min_length=1,
        description="Model that stands in for a broken one, as `PROVIDER:MODEL`; auto: the smaller model.",
    )
    level_1_above: float = Field(
        default=0.8, gt=0, description="Load above which text comes less often than every 4 s."
    )
    level_2_above: float = Field(default=1.0, gt=0, description="Load above which the smaller model is used.")
    level_3_above: float = Field(
        default=1.2, gt=0, description="Load above which the secondary source is recognised later."
    )
    back_below: float = Field(
        default=0.7, gt=0, description="A level is left when the one before would bring a load below this."
    )
    sustain_s: float = Field(default=10.0, gt=0, description="How long a load must be too high, in seconds.")
    recover_s: float = Field(default=30.0, gt=0, description="How long it must be low enough, in seconds.")
    dwell_s: float = Field(default=10.0, ge=0, description="How long a level is kept at least, in seconds.")

    @validates(mode="after")
    def _check_order(self) -> Self:
        if not self.back_below < self.level_1_above:
            raise wrong("must be below ladder.level_1_above", "ladder.back_below")
        if self.level_2_above < self.level_1_above:
            raise wrong("must not be below ladder.level_1_above", "ladder.level_2_above")
        if self.level_3_above < self.level_2_above:
            raise wrong("must not be below ladder.level_2_above", "ladder.level_3_above")
        if self.fallback not in (AUTO, NONE) and not all(self.fallback.partition(":")[::2]):
            raise wrong("write it as PROVIDER:MODEL, such as whisper-cpp:tiny.en", "ladder.fallback")
        return self
