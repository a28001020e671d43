"""Provider `voxtral`: antirez/voxtral.c, a resident process for each stream. See `docs/voxtral.md`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from echopanel.asr.provider import Capabilities, Model, ModelSpec
from echopanel.asr.voxtral.model import MAX_SECONDS, VoxtralModel
from echopanel.asr.voxtral.pool import Pool
from echopanel.asr.voxtral.settings import VoxtralSettings, processes_that_fit
from echopanel.asr.voxtral.starting import WEIGHTS, check_files, start_process


class Voxtral:
    """Runs the user's own build of the program."""

    @property
    def capabilities(self) -> Capabilities:
        """Streams."""
        return Capabilities(
            max_batch=1,
            max_chunk_seconds=MAX_SECONDS,
            devices=("cpu",),
            streaming=True,
        )

    def size(self, spec: ModelSpec) -> int:
        """Nothing in this process: the weights are in the page cache, once for all processes.

        Raises:
            ModelUnavailable: the program or its model is not there.
        """
        check_files(settings_of(spec))
        return 0

    def load(self, spec: ModelSpec) -> Model:
        """Start a first process, which then stands by.

        Raises:
            ModelUnavailable: it does not work, with its last words.
        """
        settings = settings_of(spec)
        _, folder = check_files(settings)
        fitting = processes_that_fit((folder / WEIGHTS).stat().st_size, settings.ram_bytes)
        pool = Pool(partial(start_process, settings, spec.threads), settings.max_processes or fitting)
        pool.prepare()
        return VoxtralModel(pool, settings.interval_s)


def settings_of(spec: ModelSpec) -> VoxtralSettings:
    """What a spec says about this provider; a directory that it names is the model's."""
    settings = spec.options if isinstance(spec.options, VoxtralSettings) else VoxtralSettings()
    return settings if spec.path is None else replace(settings, model=spec.path)
