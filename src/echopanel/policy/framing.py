"""How much audio a client sends at once: what the server looks at rarely need not come in crumbs."""

from __future__ import annotations

LEAST_S = 0.02
MOST_S = 0.4
# Below this interval between decodes every millisecond is waited for.
EAGER_BELOW_S = 1.0


def least_s(chunk_interval_s: float) -> float:
    """Seconds of audio that are worth a frame, when the server decodes an utterance at such intervals."""
    return min(MOST_S, chunk_interval_s / 10) if chunk_interval_s >= EAGER_BELOW_S else LEAST_S
