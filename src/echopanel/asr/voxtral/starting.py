"""From a command to a process that hears: loaded, primed, and settled."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from echopanel.asr.voxtral.process import BLOCK, FIRST_BLOCK, POLL_S, VoxtralProcess
from echopanel.asr.voxtral.settings import VoxtralSettings
from echopanel.errors import ModelUnavailable, TranscriptionFailed

NAME = "voxtral"
WEIGHTS = "consolidated.safetensors"
VOCABULARY = "tekken.json"
# 0.64 s: the least that makes the program run its model once, so that its weights are in memory.
PRIMING = bytes(FIRST_BLOCK + 2 * BLOCK)


def check_files(settings: VoxtralSettings) -> tuple[str, Path]:
    """The program and the model directory.

    Raises:
        ModelUnavailable: one of them is not there, with what to do.
    """
    program = shutil.which(settings.bin)
    if program is None:
        raise ModelUnavailable(
            NAME, f"there is no program {settings.bin!r}", "build antirez/voxtral.c and set voxtral.bin"
        )
    if settings.model is None:
        raise ModelUnavailable(NAME, "no model directory is named", "set voxtral.model")
    for name in (WEIGHTS, VOCABULARY):
        if not (settings.model / name).is_file():
            reason = f"{settings.model} has no {name}"
            raise ModelUnavailable(NAME, reason, "name the directory of Voxtral-Mini-4B-Realtime-2602")
    return program, settings.model


def command(settings: VoxtralSettings, threads: int) -> list[str]:
    """How the program is run.

    Raises:
        ModelUnavailable: it, or its model, is not there.
    """
    program, model = check_files(settings)
    arguments = ["-d", str(model), "--stdin", "-I", f"{settings.interval_s:g}", "--monitor"]
    # The program's own threads are those of OpenBLAS, which listens to its environment only.
    return ["/usr/bin/env", f"OPENBLAS_NUM_THREADS={threads}", program, *arguments]


def start_process(settings: VoxtralSettings, threads: int) -> VoxtralProcess:
    """Start a process and wait until it hears.

    Raises:
        ModelUnavailable: it does not, with its last words.
    """
    try:
        process = VoxtralProcess(command(settings, threads), settings.load_s)
    except OSError as error:
        raise ModelUnavailable(
            NAME, f"cannot start {settings.bin}: {error.strerror}", "check voxtral.bin"
        ) from error
    try:
        wait_until_loaded(process, settings.load_s)
        process.write(PRIMING)
        process.settle()
    except TranscriptionFailed as error:
        process.close(0.0)
        raise ModelUnavailable(NAME, f"it does not start: {error}", "try the program by hand") from error
    process.progress.hang_s = max(settings.hang_s, 5 * settings.interval_s)
    return process


def wait_until_loaded(process: VoxtralProcess, patience_s: float) -> None:
    """Wait for the line that says so; priming has to wait too, or a hung start would look like a slow one.

    Raises:
        TranscriptionFailed: it ended, or did not say so in time.
    """
    deadline = time.monotonic() + patience_s
    while not process.monitor.loaded:
        process.check()
        if time.monotonic() > deadline:
            raise TranscriptionFailed(f"its weights were not loaded within {patience_s:g} s")
        time.sleep(POLL_S)
