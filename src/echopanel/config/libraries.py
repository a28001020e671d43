"""Telling the libraries that recognise what they would not do by themselves."""

from __future__ import annotations

import os
from collections.abc import Collection, MutableMapping

from threadpoolctl import threadpool_limits

from echopanel.machine.processor import instruction_sets

# The widest vectors that CTranslate2 uses. Processors that lack VNNI lower their clock for AVX512.
ISA, WIDE, NEEDED = "CT2_FORCE_CPU_ISA", "AVX512", {"AVX512", "VNNI"}
# MKL keeps what it has worked in, for each thread: 30 to 60 MB. Fetching it again takes no time that shows.
FORGET = "MKL_DISABLE_FAST_MM"
# oneDNN keeps a compiled convolution for each length of audio, up to 1024 of them: 0.4 MB each, and hardly
# two utterances are equally long. Compiling takes no time that shows.
PRIMITIVES = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"


def tune_libraries(
    environ: MutableMapping[str, str] | None = None, have: Collection[str] | None = None
) -> None:
    """Ask CTranslate2 for wide vectors where they pay, MKL and oneDNN to keep nothing: docs/benchmarks.md.

    Must come before the first model is loaded. And numpy gets one thread a product: a second would fight with
    the recogniser's.

    Args:
        environ: where they look; None takes the process's own. What stands there already holds.
        have: instruction sets; None takes those of this machine.
    """
    threadpool_limits(1, user_api="blas")
    environ = os.environ if environ is None else environ
    environ.setdefault(FORGET, "1")
    environ.setdefault(PRIMITIVES, "0")
    if NEEDED.issubset(instruction_sets() if have is None else have):
        environ.setdefault(ISA, WIDE)
