"""The HTTP endpoint of the degrade ladder: where it stands, and an operator's hand on it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from echopanel.engine.engine import Engine

Json = dict[str, object]


class Wish(BaseModel):
    """A level to keep; `auto`: let the load decide; `off`: full quality whatever happens."""

    model_config = ConfigDict(extra="forbid")

    level: Annotated[int, Field(strict=True, ge=0, le=4)] | Literal["auto", "off"]


def ladder_routes(engine: Engine) -> APIRouter:
    """Reading and setting the level."""
    router = APIRouter(prefix="/v1/ladder", tags=["ladder"])

    @router.get("")
    async def show() -> Json:
        """The level, its plan, who decides, why, since when, and the load that each level would bring."""
        standing = engine.quality.standing
        return {
            "level": standing.plan.level,
            "mode": standing.mode,
            "reason": standing.reason,
            "since": standing.since.isoformat(),
            "plan": asdict(standing.plan) | {"name": standing.name},
            "loads": [round(load, 3) for load in standing.loads],
        }

    @router.post("")
    async def change(wish: Wish) -> Json:
        """Force a level, give it back to the load, or switch the ladder off; answers like GET."""
        match wish.level:
            case "auto":
                engine.quality.release()
            case "off":
                engine.quality.switch_off()
            case level:
                engine.quality.force(level)
        return await show()

    return router
