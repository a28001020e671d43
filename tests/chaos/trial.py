"""One schedule on one pair of recordings, from the first word to the verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.chaos.judge import Heard, Verdict, judge
from tests.chaos.material import Material
from tests.chaos.rig import Outcome, ServerProcess, rigged
from tests.chaos.schedule import Kind, Schedule

UNDISTURBED = Schedule(Kind.NOTHING, 0, ())


async def undisturbed(server: ServerProcess, material: Material, directory: Path, speed: float) -> Heard:
    """What the client hears when nothing goes wrong."""
    async with rigged(server, directory, material.files, speed, 0) as rig:
        outcome = await rig.run(UNDISTURBED)
    assert outcome.amiss == ()
    return outcome.heard


async def disturbed(
    schedule: Schedule, server: ServerProcess, material: Material, calm: Heard, directory: Path, speed: float
) -> tuple[Verdict, Outcome]:
    """Run a schedule and judge it; everything that is amiss is in `broken`."""
    async with rigged(server, directory, material.files, speed, schedule.seed) as rig:
        outcome = await rig.run(schedule)
    verdict = judge(material.said, material.sent, calm, outcome.heard)
    changed = tuple(_changed(outcome.heard, earlier) for earlier in outcome.earlier)
    broken = verdict.broken + outcome.amiss + tuple(filter(None, changed))
    return replace(verdict, broken=broken), outcome


def _changed(last: Heard, earlier: Heard) -> str:
    """What a killed client was told as final must be what the next one is told."""
    then = [one for one in earlier.events if one["type"] == "final"]
    now = {one["segment"]: one for one in last.events if one["type"] == "final"}
    changed = [one["segment"] for one in then if now.get(one["segment"]) != one]
    return f"finals that changed: {', '.join(changed)}" if changed else ""
