"""The seam to whisper.cpp, through pywhispercpp: contexts that recognise one window of audio at a time."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from echopanel.asr.ggml import Header
from echopanel.audio import Samples
from echopanel.errors import ModelUnavailable, TranscriptionFailed

_ERROR = 4  # ggml_log_level
_CENTISECONDS = 100.0
# Room for the attention weights of 24 heads, 30 s and all tokens, several times: too little ends the process.
_ALIGNMENT_BYTES = 512 << 20
# Sizes of OpenAI's models, by the layers of encoder and decoder.
_PRESETS = {
    (4, 4): "TINY",
    (6, 6): "BASE",
    (12, 12): "SMALL",
    (24, 24): "MEDIUM",
    (32, 32): "LARGE",
    (32, 4): "LARGE_V3_TURBO",
}
_MELS_BEFORE_V3 = 80
_NOT_BACKENDS = frozenset({"WHISPER", "CPU"})


@dataclass(frozen=True, slots=True)
class Window:
    """What one call recognises, and how.

    `audio_ctx` is the encoder's context in steps of 20 ms, 0 for all 30 s; `language` None lets the model
    detect it; `budget` is the most tokens of text.
    """

    samples: Samples
    audio_ctx: int
    language: str | None
    prompt: str
    budget: int
    beam_size: int = 1
    temperature: float = 0.0


@dataclass(frozen=True, slots=True)
class Token:
    """A token of text: what it spells, how likely it was, and the second at which attention leaves it."""

    id: int
    spelling: bytes
    probability: float
    end: float


@dataclass(frozen=True, slots=True)
class Heard:
    """The text tokens of a window, the mean log-probability of them and the end token, and the language."""

    tokens: tuple[Token, ...]
    avg_logprob: float
    language: str


class Library:
    """whisper.cpp as it is loaded into this process; its log goes nowhere but into errors."""

    def __init__(self) -> None:
        """Import the binding.

        Raises:
            ImportError: pywhispercpp is not installed.
        """
        import _pywhispercpp

        self.api: Any = _pywhispercpp
        self._lines = threading.local()
        self.api.whisper_log_set(self._note)
        # The binding holds the callback longer than the interpreter lives, which would end in a crash.
        atexit.register(self.api.whisper_log_set, None)

    @contextmanager
    def complaints(self) -> Iterator[list[str]]:
        """Lines of severity `error` that whisper.cpp logs in this thread meanwhile."""
        lines: list[str] = []
        self._lines.now = lines
        try:
            yield lines
        finally:
            del self._lines.now

    def backends(self) -> tuple[str, ...]:
        """Accelerators that this build has, such as `MTL`, `CUDA` or `COREML`, besides the CPU."""
        return backends(self.api.whisper_print_system_info())

    def speaks(self, language: str) -> bool:
        """Whether Whisper knows a language, named by its ISO 639 code."""
        return bool(language) and self.api.whisper_lang_id(language) >= 0

    def _note(self, level: int, text: str) -> None:
        lines = getattr(self._lines, "now", None)
        if level >= _ERROR and lines is not None:
            lines.append(" ".join(text.split()))


@cache
def load_library() -> Library:
    """The library; there is one log callback a process, so there is one of these.

    Raises:
        ImportError: pywhispercpp is not installed.
    """
    return Library()


def backends(system_info: str) -> tuple[str, ...]:
    """Accelerators in what whisper.cpp tells: `WHISPER : COREML = 0 | OPENVINO = 0 | CPU : AVX = 1 | ...`."""
    found, section = [], ""
    for part in system_info.split("|"):
        name, colon, rest = part.rpartition(":")
        if colon:
            section = name.strip()
            if section not in _NOT_BACKENDS:
                found.append(section)
        key, _, value = (rest if colon else part).partition("=")
        if section == "WHISPER" and value.strip() == "1":
            found.append(key.strip())
    return tuple(found)


class Context:
    """A model in memory with the state of one decode: one thread at a time may use it."""

    def __init__(
        self, lib: Library, name: str, path: Path, header: Header, *, gpu: bool, threads: int
    ) -> None:
        """Load a model file that was checked before.

        Raises:
            ModelUnavailable: whisper.cpp does not take it.
        """
        self._lib = lib
        self._threads = threads
        params = lib.api.whisper_context_default_params()
        params.use_gpu = gpu
        # Word times come from the attention weights, which flash attention never writes down.
        params.flash_attn = False
        params.dtw_token_timestamps = True
        params.dtw_aheads_preset = getattr(lib.api, f"WHISPER_AHEADS_{alignment_preset(header)}")
        params.dtw_n_top = max(1, header.text_layers // 2)
        params.dtw_mem_size = _ALIGNMENT_BYTES
        with lib.complaints() as complaints:
            self._context = lib.api.whisper_init_from_file_with_params(str(path), params)
        if complaints:
            # What failed is a null pointer, which only `free` can bear.
            self.free()
            reason = f"cannot load {path}: {complaints[0]}"
            raise ModelUnavailable(name, reason, "convert or download the model again")
        self._end: int = lib.api.whisper_token_eot(self._context)

    def free(self) -> None:
        """Give the memory back."""
        self._lib.api.whisper_free(self._context)

    def hear(self, window: Window) -> Heard:
        """Recognise one window; other Python threads run meanwhile.

        Raises:
            TranscriptionFailed: whisper.cpp gave up.
        """
        if window.language is None:
            self._set_context_size(window)
        self._run(window, self._params(window))
        return self._result()

    def _set_context_size(self, window: Window) -> None:
        """Leave off before the encoder: language detection uses the context size of the call before."""
        params = self._params(window)
        params.language = "en"
        params.set_encoder_begin_callback(lambda _: False)
        self._lib.api.whisper_full(self._context, params, window.samples, len(window.samples))

    def _run(self, window: Window, params: Any) -> None:
        with self._lib.complaints() as complaints:
            code = self._lib.api.whisper_full(self._context, params, window.samples, len(window.samples))
        if code != 0:
            raise TranscriptionFailed(f"whisper.cpp: {complaints[0] if complaints else f'error {code}'}")

    def _params(self, window: Window) -> Any:
        api = self._lib.api
        beams = window.beam_size > 1
        params = api.whisper_full_default_params(
            api.WHISPER_SAMPLING_BEAM_SEARCH if beams else api.WHISPER_SAMPLING_GREEDY
        )
        params.n_threads = self._threads
        params.print_progress = params.print_realtime = params.print_timestamps = False
        params.no_context = params.no_timestamps = params.single_segment = True
        params.audio_ctx = window.audio_ctx
        params.max_tokens = window.budget
        params.language = window.language or "auto"
        params.initial_prompt = window.prompt
        params.temperature = window.temperature
        params.temperature_inc = 0.0  # the guards decide about further tries
        params.greedy = {"best_of": 1}
        if beams:
            params.beam_search = {"beam_size": window.beam_size, "patience": -1.0}
        return params

    def _result(self) -> Heard:
        api, context = self._lib.api, self._context
        found = [
            api.whisper_full_get_token_data(context, segment, index)
            for segment in range(api.whisper_full_n_segments(context))
            for index in range(api.whisper_full_n_tokens(context, segment))
        ]
        tokens = tuple(
            Token(
                one.id,
                api.whisper_token_to_bytes(context, one.id),
                min(1.0, one.p),
                one.t_dtw / _CENTISECONDS,
            )
            for one in found
            if one.id < self._end
        )
        scored = [one.plog for one in found if one.id <= self._end]
        avg_logprob = sum(scored) / len(scored) if scored else 0.0
        return Heard(tokens, avg_logprob, api.whisper_lang_str(api.whisper_full_lang_id(context)))


def alignment_preset(header: Header) -> str:
    """Which attention heads follow the voice: whisper.cpp has tables for OpenAI's models, by size.

    Of other models, distilled ones for instance, it takes the upper half of the layers.
    """
    layers = header.audio_layers, header.text_layers
    if layers not in _PRESETS:
        return "N_TOP_MOST"
    preset = _PRESETS[layers]
    if preset == "LARGE":
        return "LARGE_V2" if header.mels == _MELS_BEFORE_V3 else "LARGE_V3"
    return preset if header.multilingual else f"{preset}_EN"
