"""`make chaos`: break meetings in many ways and print what became of them.

    python -m tests.chaos --seeds 0-49 --kinds network_cut,suspend --results build/chaos.jsonl

Results go to a file, one line a schedule; what is there already is not run again, so a long run can be done
in parts. `--within` ends a part early.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.chaos.judge import Heard, Verdict, changes
from tests.chaos.material import Material, pairs
from tests.chaos.rig import ServerProcess, serving
from tests.chaos.schedule import Kind, make_schedule
from tests.chaos.table import table
from tests.chaos.trial import disturbed, undisturbed

Done = dict[tuple[Kind, int], Verdict]


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="make chaos", description="Break meetings; see docs/resilience.md.")
    parser.add_argument("--seeds", default="0-49", help="first and last seed (%(default)s)")
    parser.add_argument(
        "--kinds", default="", help="some of: " + ",".join(kind.name.lower() for kind in Kind)
    )
    parser.add_argument("--speed", type=float, default=6.0, help="times as fast as real time (%(default)s)")
    parser.add_argument("--jobs", type=int, default=3, help="meetings at once (%(default)s)")
    parser.add_argument("--within", type=float, default=1e9, help="begin none after so many seconds")
    parser.add_argument("--results", type=Path, default=Path("build/chaos.jsonl"), help="(%(default)s)")
    parser.add_argument("--keep", type=Path, help="directory for logs and data instead of a temporary one")
    return parser.parse_args()


def wanted(asked: argparse.Namespace) -> Iterator[tuple[Kind, int]]:
    """The schedules, all kinds in turn."""
    first, _, last = asked.seeds.partition("-")
    kinds = [Kind[name.upper()] for name in asked.kinds.split(",") if name] or list(Kind)
    for seed in range(int(first), int(last or first) + 1):
        for kind in kinds:
            yield kind, seed


def load(results: Path) -> Done:
    """The verdicts of earlier parts."""
    if not results.is_file():
        return {}
    rows = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    return {
        (Kind[row["kind"]], row["seed"]): Verdict(
            **row["verdict"] | {"broken": tuple(row["verdict"]["broken"])}
        )
        for row in rows
    }


def save(results: Path, kind: Kind, seed: int, verdict: Verdict) -> None:
    """Add a verdict."""
    results.parent.mkdir(parents=True, exist_ok=True)
    row = {"kind": kind.name, "seed": seed, "verdict": dataclasses.asdict(verdict)}
    with results.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


@dataclasses.dataclass(frozen=True, slots=True)
class Bench:
    """What all schedules share: recordings, how they come out undisturbed, where files go, and the pace."""

    materials: list[Material]
    calm: list[Heard]
    directory: Path
    speed: float

    async def run(self, server: ServerProcess, kind: Kind, seed: int) -> Verdict:
        """One schedule; says in a line how it went."""
        pair = seed % len(self.materials)
        material, calm = self.materials[pair], self.calm[pair]
        schedule = make_schedule(kind, seed, material.seconds)
        place = self.directory / f"{kind.name.lower()} {seed}"
        began = time.monotonic()
        notes: list[str] = []
        try:
            verdict, outcome = await disturbed(schedule, server, material, calm, place, self.speed)
            notes += changes(calm, outcome.heard, material.files)
            events = "".join(f"{json.dumps(event)}\n" for event in outcome.heard.events)
            (place / "events.jsonl").write_text(events, encoding="utf-8")
        except TimeoutError:
            verdict = Verdict(schedules=1, broken=("it did not end in time",))
        took = time.monotonic() - began
        told = (f"{kind.name.lower()} {seed}: {took:.1f} s", *notes, *verdict.broken)
        sys.stdout.write("; ".join(told) + "\n")
        sys.stdout.flush()
        return verdict


async def set_up(asked: argparse.Namespace, directory: Path) -> Bench:
    """The recordings, and the undisturbed runs."""
    materials = pairs(directory / "speech")
    async with serving(directory / "calm data") as server:
        calm = [
            await undisturbed(server, one, directory / f"calm {n}", asked.speed)
            for n, one in enumerate(materials)
        ]
    return Bench(materials, calm, directory, asked.speed)


async def run(asked: argparse.Namespace, directory: Path) -> Done:
    """Run what is wanted and not done, some meetings at a time, each of them on a server of its own."""
    done = load(asked.results)
    todo = [one for one in wanted(asked) if one not in done]
    if not todo:
        return done
    until = time.monotonic() + asked.within
    bench = await set_up(asked, directory)
    queue = iter(todo)

    async def work(number: int) -> None:
        async with serving(directory / f"data {number}") as server:
            for kind, seed in queue:
                if time.monotonic() > until:
                    return
                done[kind, seed] = await bench.run(server, kind, seed)
                save(asked.results, kind, seed, done[kind, seed])

    async with asyncio.TaskGroup() as group:
        for number in range(asked.jobs):
            group.create_task(work(number))
    return done


def main() -> int:
    """Run, print the table, and fail if anything was lost, doubled or broken."""
    asked = arguments()
    with tempfile.TemporaryDirectory() as temporary:
        done = asyncio.run(run(asked, asked.keep or Path(temporary)))
    sys.stdout.write("\n" + table(done))
    total = sum(done.values(), Verdict())
    return int(bool(total.lost or total.doubled or total.ledger_lost or total.broken))


if __name__ == "__main__":
    sys.exit(main())
