"""The HTTP endpoints about the server itself: health, metrics, models."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from echopanel.engine.engine import Engine
from echopanel.engine.health import HealthReport, HealthStatus
from echopanel.server.sessions import Sessions
from echopanel.server.storage import Storage

UNHEALTHY = {HealthStatus.STARTING, HealthStatus.DEADLOCKED, HealthStatus.FAILED}


def health_routes(engine: Engine, sessions: Sessions, storage: Storage) -> APIRouter:
    """Whether the process answers, whether it takes sessions, and whether it really recognises and keeps."""
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
        """What a known sound through the real queue and the disk showed; 503 when nothing is recognised."""
        report = judge_storage(await engine.health(), await storage.trouble())
        return JSONResponse(asdict(report), 503 if report.status in UNHEALTHY else 200)

    return router


def judge_storage(report: HealthReport, trouble: str) -> HealthReport:
    """The report with what the disk says, unless something worse is the matter."""
    if not trouble or report.status in UNHEALTHY:
        return report
    reasons = filter(None, (f"the disk does not take audio: {trouble}", report.reason))
    return replace(report, status=HealthStatus.DEGRADED, reason="; ".join(reasons))


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
