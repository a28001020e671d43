"""Everything about this machine that decides what it can recognise with."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from echopanel.equipment import Machine
from echopanel.machine.cgroup import ROOT, memory_limit
from echopanel.machine.cuda import cuda_devices
from echopanel.machine.processor import available_cores, instruction_sets, processor_name


def detect() -> Machine:
    """Look at the machine; reads files and loads the CUDA driver, so it is not for an event loop."""
    system, architecture = platform.system(), platform.machine()
    return Machine(
        system=system,
        architecture=architecture,
        processor=processor_name(),
        cores=available_cores(),
        ram_bytes=ram_bytes(),
        instructions=instruction_sets(),
        cuda=cuda_devices(),
        metal=system == "Darwin" and architecture == "arm64",
    )


def ram_bytes(root: Path = ROOT) -> int:
    """Memory that this process may have: what is built in, or the limit of its container."""
    built_in = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = memory_limit(root)
    return built_in if limit is None else min(built_in, limit)
