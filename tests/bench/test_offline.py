"""The offline reference."""

from __future__ import annotations

from echopanel.bench.offline import offline_errors
from echopanel.bench.reference import spoken_words
from tests.bench.speech import recording


def test_errors_are_booked_at_each_word() -> None:
    """So they can be summed over exactly the words that a live run was scored on."""
    one, two = recording("a", "it was the best"), recording("b", "of times")
    heard = {"a": "it is the the best", "b": "of times"}
    words = {made.name: spoken_words(made, str) for made in (one, two)}
    found = offline_errors([one, two], words, str, lambda made: heard[made.name])
    assert {name: sum(errors) for name, errors in found.items()} == {"a": 2, "b": 0}
    assert len(found["a"]) == 4
