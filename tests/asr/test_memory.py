"""What a recogniser keeps of the audio it has heard: nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# Chunks of a hundred different lengths; prints by how many MiB what is allocated has grown since the first.
LENGTHS = """
import ctypes
from echopanel.config.libraries import tune_libraries

tune_libraries()
import numpy as np
from echopanel.asr.provider import ModelSpec
from echopanel.asr.registry import get_provider

FIELDS = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"

class Allocated(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in FIELDS.split()]

mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = Allocated
whisper = get_provider("faster-whisper").load(ModelSpec("faster-whisper", "tiny.en", threads=1))._whisper
whisper.encode(np.zeros((80, 400), np.float32))
before = mallinfo().uordblks
for frames in range(100, 300, 2):
    whisper.encode(np.zeros((80, frames), np.float32))
print((mallinfo().uordblks - before) >> 20)
"""


def has_mallinfo2() -> bool:
    """Whether the C library is a glibc that counts beyond 2 GB."""
    known = "CS_GNU_LIBC_VERSION" in os.confstr_names
    version = (os.confstr("CS_GNU_LIBC_VERSION") or "") if known else ""
    return sys.platform.startswith("linux") and version >= "glibc 2.33"


@pytest.mark.skipif(not has_mallinfo2(), reason="only glibc 2.33 and later tells what is allocated")
def test_lengths_of_audio_leave_nothing_behind() -> None:
    """oneDNN would keep a compiled convolution for each: 34 MB here."""
    done = subprocess.run([sys.executable, "-c", LENGTHS], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 10
