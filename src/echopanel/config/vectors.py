"""Telling CTranslate2 to use the widest vectors that the processor has; it does not by itself."""

from __future__ import annotations

import os
from collections.abc import Collection, MutableMapping

from echopanel.machine.processor import instruction_sets

VARIABLE = "CT2_FORCE_CPU_ISA"
# Processors that have only the first are slower with it: they lower their clock.
NEEDED = {"AVX512", "VNNI"}


def prefer_wide_vectors(
    environ: MutableMapping[str, str] | None = None, have: Collection[str] | None = None
) -> None:
    """Ask for AVX512 where it is worth it; must come before the first model is loaded.

    Encoding takes a fifth less time, the rest as much as before: docs/benchmarks.md.

    Args:
        environ: where CTranslate2 looks; None takes the process's own. What stands there already holds.
        have: instruction sets; None takes those of this machine.
    """
    if NEEDED.issubset(instruction_sets() if have is None else have):
        (os.environ if environ is None else environ).setdefault(VARIABLE, "AVX512")
