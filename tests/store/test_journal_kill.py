"""What was acknowledged is there after `kill -9`, under the weakest policy too."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from echopanel.audio import Source
from echopanel.store.fsync import FsyncPolicy
from echopanel.store.journal import Journal
from tests.helpers.journals import SESSION, is_tone

REPOSITORY = Path(__file__).parents[2]
RUNS = 20


def acknowledged_until_killed(root: Path, seed: int) -> list[int]:
    """Run the writer, kill it after some lines, return the last whole one."""
    command = [sys.executable, "-m", "tests.helpers.journal_writer", str(root), str(seed)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(random.Random(seed).randint(1, 12))]
        writer.kill()
        lines += writer.stdout.readlines()
    whole = [line for line in lines if line.endswith(b"\n")]
    return [int(end) for end in whole[-1].split()]


def test_killed_writer_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """A writer is killed and started again on its own journal: no acknowledged sample ever misses."""
    before = [0, 0]
    for seed in range(RUNS):
        acknowledged = acknowledged_until_killed(tmp_path, seed)
        journal = Journal(tmp_path, FsyncPolicy.NONE)
        session = journal.session(SESSION)
        ends = [session.end(source) for source in Source]
        assert all(end >= promised for end, promised in zip(ends, acknowledged, strict=True))
        assert sum(acknowledged) > sum(before)
        assert all(is_tone(source) for source in session.sources.values())
        assert all(source.recovery.damaged_bytes == 0 for source in session.sources.values())
        journal.close()
        before = ends
