"""The HTTP endpoints: health, metrics, models, sessions and transcripts."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from echopanel.engine.engine import Engine
from echopanel.engine.health import HealthStatus
from echopanel.errors import ErrorCode
from echopanel.server.keeper import Keeper
from echopanel.server.problems import problem
from echopanel.server.roster import Roster
from echopanel.server.sessions import Sessions
from echopanel.store.export import Format, export
from echopanel.store.transcripts import SessionRecord

UNHEALTHY = {HealthStatus.STARTING, HealthStatus.DEADLOCKED, HealthStatus.FAILED}


def health_routes(engine: Engine, sessions: Sessions) -> APIRouter:
    """Whether the process answers, whether it takes sessions, and whether it really recognises."""
    router = APIRouter(tags=["health"])

    @router.get("/health/live")
    async def live() -> dict[str, str]:
        """The process answers."""
        return {"status": "alive"}

    @router.get("/health/ready")
    async def ready() -> JSONResponse:
        """200 once sessions can be opened, else 503."""
        body = {"ready": sessions.ready, "state": engine.host.state.value}
        return JSONResponse(body, 200 if sessions.ready else 503)

    @router.get("/health")
    async def health() -> JSONResponse:
        """What a known sound through the real queue showed; 503 when sessions would not work."""
        report = await engine.health()
        return JSONResponse(asdict(report), 503 if report.status in UNHEALTHY else 200)

    return router


def metrics_routes(engine: Engine) -> APIRouter:
    """Prometheus."""
    router = APIRouter(tags=["metrics"])

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """All metrics in the text format that Prometheus scrapes."""
        return Response(engine.metrics.exposition(), media_type=CONTENT_TYPE_LATEST)

    return router


def model_routes(engine: Engine) -> APIRouter:
    """What can be recognised with."""
    router = APIRouter(prefix="/v1/models", tags=["models"])

    @router.get("")
    async def models() -> dict[str, object]:
        """The catalogue, and which model is loaded."""
        loaded = {"provider": engine.host.spec.provider, "model": engine.host.spec.name}
        return {
            "loaded": loaded if engine.host.loaded else None,
            "models": await asyncio.to_thread(engine.catalogue),
        }

    return router


def session_routes(roster: Roster, keeper: Keeper) -> APIRouter:
    """Transcripts, running and kept."""
    router = APIRouter(prefix="/v1/sessions", tags=["sessions"])
    store = keeper.transcripts

    @router.get("")
    async def listing(
        limit: Annotated[int, Query(ge=1, le=1000)] = 100, offset: Annotated[int, Query(ge=0)] = 0
    ) -> dict[str, object]:
        """Sessions, newest first."""
        records = await keeper.store(store.sessions, limit, offset)
        return {"sessions": [summary(record) for record in records]}

    @router.get("/{session_id}")
    async def show(session_id: str) -> dict[str, object]:
        """One session with its ledger."""
        record = await keeper.store(store.session, session_id)
        running = roster.get(session_id)
        ledgers = running.session.coverage() if running else await keeper.store(store.coverage, session_id)
        return summary(record) | {"coverage": {source: asdict(one) for source, one in ledgers.items()}}

    @router.get("/{session_id}/transcript")
    async def transcript(
        session_id: str,
        format: Format = Format.JSON,  # noqa: A002 - the query's name
        bleed: Literal["hide", "show"] = "hide",
    ) -> Response:
        """The text so far; with `bleed=show` also what the microphone only heard out of the loudspeakers."""
        text = export(await keeper.store(store.transcript, session_id), format, show_bleed=bleed == "show")
        return Response(text, media_type=format.media_type)

    @router.delete("/{session_id}", status_code=204)
    async def delete(session_id: str) -> Response:
        """Forget a session for good; one that is running is refused."""
        if session_id in roster:
            return problem(409, ErrorCode.UNEXPECTED_MESSAGE, "the session is running; stop it first")
        await keeper.delete(session_id)
        return Response(status_code=204)

    return router


def summary(record: SessionRecord) -> dict[str, object]:
    """A session as JSON."""
    return asdict(record)
