"""One source of a session."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from echopanel.engine.engine import SourcePipeline
from echopanel.wire.timeline import Timeline


@dataclass(slots=True, eq=False)
class Track:
    """One source of a session: what was accepted, what is on disk, and its recognition.

    `came_at` is when audio came last, on the monotonic clock. `refused` is why the disk does not take it just
    now; "" while it does.
    """

    pipeline: SourcePipeline
    timeline: Timeline = field(default_factory=Timeline)
    kept: int = 0
    came_at: float = -math.inf
    refused: str = ""
