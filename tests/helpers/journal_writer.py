"""A process that appends until it is killed: `python -m tests.helpers.journal_writer ROOT SEED`.

After each batch it writes one line: where mic and system end now, that is, what a server would acknowledge.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

from echopanel.audio import Source
from echopanel.store.fsync import FsyncPolicy
from echopanel.store.journal import Journal
from tests.helpers.journals import SESSION, frame

LONGEST = 40_000  # samples: long writes, so that the kill can hit one in the middle


def main(root: Path, seed: int) -> None:
    """Append batches of frames of random lengths for ever."""
    chance = random.Random(seed)
    journal = Journal(root, FsyncPolicy.NONE)
    session = journal.session(SESSION)
    ends = {source: session.end(source) for source in Source}
    while True:
        batch = []
        for source in chance.choices(list(Source), k=chance.randint(1, 4)):
            start = ends[source] + chance.choice([0, 0, 0, 160])
            count = chance.choice([1, 320, 1_600, LONGEST])
            batch.append((SESSION, frame(start, count, source)))
            ends[source] = start + count
        journal.append(batch)
        os.write(sys.stdout.fileno(), " ".join(str(ends[source]) for source in Source).encode() + b"\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
