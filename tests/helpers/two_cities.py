"""The opening of A Tale of Two Cities as it is read in `two_cities.wav` of the moonshine-voice wheel."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

TEXT = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of "
    "foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season of Light, "
    "it was the season of Darkness, it was the spring of hope, it was the winter of despair, we had "
    "everything before us, we had nothing before us, we were all going direct to Heaven, we were all going "
    "direct the other way; in short, the period was so far like the present period, that some of its "
    "noisiest authorities insisted on its being received, for good or for evil, in the superlative degree "
    "of comparison only."
)

# End of each word in seconds, from Whisper base's attention aligned with TEXT in three pieces.
WORD_ENDS = tuple(
    float(end)
    for end in """
    1.30 1.48 1.70 1.88 2.12 2.66 3.04 3.20 3.38 3.64 3.86 4.48 5.08 5.22 5.38 5.54 5.72 6.04 6.74 6.84
    7.02 7.20 7.40 8.02 8.88 9.00 9.18 9.62 9.72 10.04 10.82 10.96 11.14 11.66 11.80 12.72 13.56 13.70
    13.84 14.08 14.28 14.52 15.22 15.34 15.48 15.74 15.96 16.32 17.64 17.76 17.94 18.18 18.38 18.58
    19.06 19.20 19.36 19.62 19.86 20.24 21.34 21.46 21.84 22.18 22.54 22.82 22.92 23.22 23.56 23.94
    24.74 24.82 24.92 25.16 25.38 25.64 25.84 26.66 26.80 26.94 27.18 27.44 27.72 27.92 28.16 29.20
    29.54 30.00 30.32 30.52 30.74 31.06 31.28 31.44 31.72 32.22 32.84 33.04 33.16 33.32 33.92 34.46
    35.04 35.40 35.68 35.94 36.50 37.06 37.34 37.72 37.90 38.22 38.76 38.92 39.72 40.08 40.30 40.86
    41.46
    """.split()
)


def path() -> Path:
    """Where the installed wheel keeps the recording; the package itself is not imported."""
    spec = find_spec("moonshine_voice")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("moonshine-voice is not installed; run: make dev")
    return Path(spec.origin).parent / "assets" / "two_cities.wav"
