"""Symbols and lines are told apart, wherever a read ends."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from echopanel.asr.voxtral.monitor import CACHE_FULL, EOS, FULL_RESET, Monitor

SAID = "Loading weights...\nModel loaded.\n▶·▪▸↺✂▶⟳♻ready\nEncoder: 12 mel\n".encode()


@given(st.lists(st.integers(0, len(SAID)), max_size=12))
def test_pieces_say_what_the_whole_says(cuts: list[int]) -> None:
    """Also when a read ends inside a symbol."""
    monitor = Monitor()
    edges = [0, *sorted(cuts), len(SAID)]
    for first, last in itertools.pairwise(edges):
        monitor.push(SAID[first:last])
    assert monitor.loaded
    assert [monitor.counts[one] for one in (EOS, CACHE_FULL, FULL_RESET, "▶")] == [1, 1, 1, 2]
    assert monitor.losses == 2
    assert monitor.last_words == "Model loaded.; ready; Encoder: 12 mel"


@given(st.binary(max_size=300))
def test_garbage_does_no_harm(noise: bytes) -> None:
    """What is not text counts as nothing, and what follows on a line of its own is understood."""
    monitor = Monitor()
    monitor.push(noise)
    monitor.push(b"\nModel loaded.\n")
    assert monitor.loaded
    assert monitor.last_words.isprintable()


def test_an_endless_line_is_not_kept() -> None:
    """Memory stays bounded."""
    monitor = Monitor()
    monitor.push(b"x" * 100_000)
    assert len(monitor.last_words) < 1000
