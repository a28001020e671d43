"""Speech to play: recordings with what is said in them and when.

A corpus is a directory with `manifest.jsonl`, one recording a line (`file`, `text`, `kind`, ...), and, where
known, `word_times.jsonl`: `{"file": ..., "words": [[word, end in seconds], ...]}`.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast

from echopanel.audio import SAMPLE_BYTES, float_to_pcm16, to_seconds
from echopanel.client.media import decode
from echopanel.errors import AudioError

MANIFEST = "manifest.jsonl"
WORD_TIMES = "word_times.jsonl"


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A recording: s16le mono 16 kHz, and (word, end in seconds) for every word, or () where unknown."""

    name: str
    kind: str
    text: str
    pcm: bytes
    words: tuple[tuple[str, float], ...] = ()

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(self.pcm) // SAMPLE_BYTES

    @property
    def seconds(self) -> float:
        """Duration."""
        return to_seconds(self.count)


class _Row(TypedDict):
    file: str
    kind: str
    text: str


class _Times(TypedDict):
    file: str
    words: list[tuple[str, float]]


def load_corpus(directory: Path, kinds: Collection[str]) -> tuple[Recording, ...]:
    """All recordings of the kinds asked for, in the manifest's order.

    Raises:
        AudioError: no corpus, nothing of these kinds in it, or a file that cannot be read.
    """
    rows = [cast(_Row, row) for row in _rows(directory / MANIFEST)]
    if not rows:
        raise AudioError(f"{directory} is no corpus: it has no {MANIFEST} with recordings")
    chosen = [row for row in rows if row["kind"] in kinds]
    if not chosen:
        there = ", ".join(sorted({row["kind"] for row in rows}))
        raise AudioError(f"{directory} has nothing of kind {', '.join(sorted(kinds))}; it has {there}")
    timed = [cast(_Times, row) for row in _rows(directory / WORD_TIMES)]
    times = {row["file"]: row["words"] for row in timed}
    return tuple(
        Recording(
            row["file"],
            row["kind"],
            row["text"],
            b"".join(map(float_to_pcm16, decode(directory / row["file"]))),
            tuple((word, float(end)) for word, end in times.get(row["file"], ())),
        )
        for row in chosen
    )


def _rows(path: Path) -> list[object]:
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
