"""What whisper.cpp tells of itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from echopanel.asr.ggml import Header
from echopanel.asr.whisper_library import Context, alignment_preset, backends, load_library
from echopanel.errors import ModelUnavailable

TINY_EN = Header(51_864, 1500, 384, 6, 4, 448, 384, 6, 4, 80)


@pytest.mark.parametrize(
    ("info", "names"),
    [
        ("WHISPER : COREML = 0 | OPENVINO = 0 | CPU : SSE3 = 1 | AVX = 1 | ", ()),
        ("WHISPER : COREML = 0 | OPENVINO = 0 | MTL : EMBED_LIBRARY = 1 | CPU : NEON = 1 | ", ("MTL",)),
        ("WHISPER : COREML = 1 | OPENVINO = 0 | MTL : EMBED_LIBRARY = 1 | CPU : ", ("COREML", "MTL")),
        ("WHISPER : COREML = 0 | OPENVINO = 0 | CUDA : ARCHS = 750,860 | CPU : AVX = 1 | ", ("CUDA",)),
    ],
)
def test_accelerators_are_read_out_of_the_system_information(info: str, names: tuple[str, ...]) -> None:
    """Sections of the text are backends; CoreML and OpenVINO are switches of whisper.cpp itself."""
    assert backends(info) == names


@pytest.mark.parametrize(
    ("header", "preset"),
    [
        (TINY_EN, "TINY_EN"),
        (Header(51_865, 1500, 512, 8, 6, 448, 512, 8, 6, 80), "BASE"),
        (Header(51_865, 1500, 1280, 20, 32, 448, 1280, 20, 32, 80), "LARGE_V2"),
        (Header(51_866, 1500, 1280, 20, 32, 448, 1280, 20, 32, 128), "LARGE_V3"),
        (Header(51_866, 1500, 1280, 20, 32, 448, 1280, 20, 4, 128), "LARGE_V3_TURBO"),
        (Header(51_866, 1500, 1280, 20, 32, 448, 1280, 20, 2, 128), "N_TOP_MOST"),
        (Header(51_864, 1500, 768, 12, 12, 448, 768, 12, 4, 80), "N_TOP_MOST"),
    ],
)
def test_alignment_heads_go_by_size(header: Header, preset: str) -> None:
    """Each of OpenAI's sizes has a table, which the library knows by that name; distilled ones have none."""
    assert alignment_preset(header) == preset
    assert hasattr(load_library().api, f"WHISPER_AHEADS_{preset}")


def test_a_file_that_is_refused_says_why(tmp_path: Path) -> None:
    """The reason is whisper.cpp's own."""
    path = tmp_path / "model.bin"
    path.write_bytes(b"nothing of the kind" * 10)
    with pytest.raises(ModelUnavailable, match=r"cannot load .*model\.bin: whisper_model_load: .*bad magic"):
        Context(load_library(), "own", path, TINY_EN, gpu=False, threads=1)


def test_languages_go_by_code() -> None:
    """What is not a language of Whisper's is none."""
    speaks = load_library().speaks
    assert speaks("de")
    assert not speaks("tlh")
    assert not speaks("")


def test_a_process_ends_quietly_with_a_model_loaded(tmp_path: Path) -> None:
    """Nothing of the library's log reaches stdout or stderr, and the exit is clean."""
    code = (
        "import sys, numpy\n"
        "from pathlib import Path\n"
        "from echopanel.asr.catalog import Catalog\n"
        "from echopanel.asr.ggml_files import GgmlFiles\n"
        "from echopanel.asr.provider import DecodeOptions, ModelSpec\n"
        "from echopanel.asr.whisper_cpp import WhisperCpp\n"
        "from echopanel.audio import Chunk, Source\n"
        "provider = WhisperCpp(GgmlFiles(Catalog(Path(sys.argv[1]))))\n"
        "model = provider.load(ModelSpec('whisper-cpp', 'tiny.en', threads=1))\n"
        "noise = numpy.random.default_rng(0).standard_normal(8000).astype('float32')\n"
        "model.transcribe([Chunk(Source.MIC, 0, noise)], [DecodeOptions(final=False)])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
