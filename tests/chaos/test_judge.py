"""The judge of the fault injection sees what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chaos.judge import Heard, Verdict, judge

SAID = {"mic": "red green blue black"}
SENT = {"mic": 64_000}


def final(number: int, text: str, start_s: float, end_s: float) -> dict[str, Any]:
    """A final whose words are evenly spread."""
    words = text.split()
    step = (end_s - start_s) / len(words)
    return {
        "type": "final",
        "source": "mic",
        "segment": f"mic-{number}",
        "text": text,
        "start_sample": round(start_s * 16_000),
        "end_sample": round(end_s * 16_000),
        "words": [
            {"text": word, "start": start_s + at * step, "end": start_s + (at + 1) * step}
            for at, word in enumerate(words)
        ],
    }


def heard(*finals: dict[str, Any], lost: int = 0, captured: int = 64_000) -> Heard:
    """A meeting that ended well."""
    ledger = {"captured": captured, "transcribed": captured - lost, "silence": 0, "pending": 0, "lost": lost}
    link = {"type": "link", "state": "live", "session": "s1"}
    return Heard((link, *finals, {"type": "stopped", "coverage": {"mic": ledger}}))


CALM = heard(final(1, "red green", 0, 2), final(2, "blue black", 2, 4))


def test_the_same_is_the_same() -> None:
    """Also when the segments are others."""
    assert judge(SAID, SENT, CALM, CALM) == Verdict(schedules=1, words=4)
    assert judge(SAID, SENT, CALM, heard(final(1, "red green blue black", 0, 4))).differences == 0


def test_words_without_a_segment_are_lost() -> None:
    """A word that was heard otherwise is a difference, but not lost, nor is one that nobody said."""
    gone = judge(SAID, SENT, CALM, heard(final(1, "red green", 0, 2)))
    assert (gone.lost, gone.differences, gone.errors, gone.calm_errors) == (2, 2, 2, 0)
    made_up = heard(final(1, "red green", 0, 2), final(2, "blue black", 2, 4), final(3, "thanks", 5, 6))
    assert judge(SAID, SENT, made_up, CALM).lost == 0, "nobody said it"
    other = judge(SAID, SENT, CALM, heard(final(1, "red green", 0, 2), final(2, "blue back", 2, 4)))
    assert (other.lost, other.doubled, other.differences) == (0, 0, 1)


def test_samples_in_two_segments_are_doubled() -> None:
    """The words of the later one."""
    twice = heard(final(1, "red green", 0, 2), final(2, "green", 1, 2), final(3, "blue black", 2, 4))
    assert (judge(SAID, SENT, CALM, twice).doubled, judge(SAID, SENT, CALM, twice).repeated) == (1, 1)


@pytest.mark.parametrize(
    "finals",
    [
        (final(1, "red green", 0, 2), final(2, "green blue black", 2, 4)),
        (final(1, "red green red green", 0, 2), final(2, "blue black", 2, 4)),
    ],
)
def test_words_beside_themselves_are_repeated(finals: tuple[dict[str, Any], ...]) -> None:
    """The recogniser heard them twice in samples that it got once."""
    verdict = judge(SAID, SENT, CALM, heard(*finals))
    assert (verdict.doubled, verdict.repeated) == (0, verdict.differences)


def test_what_must_never_be_is_said() -> None:
    """No end, two sessions, a final twice, a wrong account, samples that nobody knows of."""
    first = final(1, "red green blue black", 0, 4)
    two = {"type": "link", "state": "live", "session": "s2"}
    flow = {"type": "flow", "sources": {"mic": {"coverage": {**CALM.coverage["mic"], "silence": 1}}}}
    for events, words in (
        ((first,), "did not end"),
        ((*CALM.events, two), "2 sessions"),
        ((*heard(first).events, first), "came twice"),
        ((*CALM.events, flow), "does not sum up"),
        (heard(first, captured=100).events, "64000 samples sent"),
    ):
        (broken,) = judge(SAID, SENT, CALM, Heard(events)).broken
        assert words in broken
    assert judge(SAID, SENT, CALM, heard(first, lost=5)).ledger_lost == 5
