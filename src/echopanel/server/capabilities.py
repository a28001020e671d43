"""The HTTP endpoint that says what this machine can do; it looks, and never measures."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from fastapi import APIRouter

from echopanel.engine.advisor import Survey, survey
from echopanel.engine.engine import Engine


def capability_routes(engine: Engine) -> APIRouter:
    """What there is to recognise with, and what `echopanel doctor` measured."""
    router = APIRouter(tags=["models"])

    @router.get("/v1/capabilities")
    async def capabilities() -> dict[str, object]:
        """Machine, providers, models, earlier measurements, recommendation and the session limit."""
        found = await asyncio.to_thread(survey)
        return describe(found) | {"session_limit": engine.settings.admission.limit}

    return router


def describe(found: Survey) -> dict[str, object]:
    """A survey as JSON."""
    return {
        "machine": asdict(found.machine),
        "providers": [asdict(one) for one in found.providers],
        "models": [asdict(one) | {"installed": one.installed} for one in found.offers],
        "measured": [
            {
                "provider": one.model.provider,
                "model": one.model.name,
                "device": one.model.device,
                "compute_type": one.model.compute_type,
                "workers": one.model.threads,
                "speech": one.speech,
                "rtf": one.rtf,
                "sources": one.sources,
                "memory_bytes": one.memory_bytes,
                "load_s": one.load_s,
                "undisturbed": one.undisturbed,
                "problem": one.problem,
            }
            for one in found.calibrations
        ],
        "advice": asdict(found.advice),
    }
