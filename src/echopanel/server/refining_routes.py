"""The endpoint by which clients ask for a second pass."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from echopanel.errors import ConfigError, ErrorCode, ModelUnavailable, Overloaded
from echopanel.server.problems import problem
from echopanel.server.refining import Refinery

MAX_NAME = 200


class Request(BaseModel):
    """With which model to recognise a recorded session once more; a provider if not that of live audio."""

    model: str = Field(max_length=MAX_NAME)
    provider: str | None = Field(default=None, max_length=MAX_NAME)


def refining_routes(refinery: Refinery) -> APIRouter:
    """Asking for a second pass; the endpoint of the session tells how it goes."""
    router = APIRouter(prefix="/v1/sessions", tags=["sessions"])

    @router.post("/{session_id}/refine", status_code=202)
    async def refine(session_id: str, wish: Request) -> Response:
        """Recognise a recorded session once more, with a bigger model."""
        try:
            begun = await refinery.begin(session_id, wish.model, wish.provider)
        except (ModelUnavailable, ConfigError) as error:
            return problem(422, ErrorCode.MALFORMED, str(error))
        except Overloaded as error:
            return problem(503, error.code, error.message, error.retry_after)
        return JSONResponse({"refined": asdict(begun)}, 202)

    return router
