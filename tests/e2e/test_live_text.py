"""Speech in real time through command line and server: what comes back, how soon, and with which times."""

from __future__ import annotations

import json
from itertools import pairwise
from statistics import median

import pytest

from tests.e2e.conftest import Note
from tests.e2e.programs import Server, Streaming, echopanel, stream
from tests.e2e.timing import deviations
from tests.helpers.speech import Speech, wer

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def streamed(server: Server, two_cities: Speech) -> Streaming:
    """The opening of the book, streamed once in real time."""
    return stream(server, two_cities.path)


def test_what_was_read_becomes_text(streamed: Streaming, two_cities: Speech, note: Note) -> None:
    """At most 4 % of the book's words are wrong."""
    note(f"WER {wer(two_cities.text, streamed.text()):.2%} of {len(two_cities.word_times)} words")
    assert wer(two_cities.text, streamed.text()) <= 0.04


def test_the_first_text_comes_at_once(streamed: Streaming, two_cities: Speech, note: Note) -> None:
    """Within 1.5 s of the end of the first word, as a user of the command line sees it."""
    shown = next(
        at
        for at, event in zip(streamed.times, streamed.events, strict=True)
        if event["type"] in ("partial", "final") and event["text"]
    )
    latency = shown - streamed.began - two_cities.word_times[0][1]
    note(f"first text {latency:.2f} s after the end of the first word")
    assert latency <= 1.5


def test_a_partial_comes_every_second_of_speech(streamed: Streaming, note: Note) -> None:
    """While an utterance is open, its text follows the speech; half the steps are shorter than a second."""
    steps = [
        later - sooner
        for (sooner, before), (later, after) in zip(shown(streamed), shown(streamed)[1:], strict=False)
        if before == after
    ]
    note(f"steps between texts: median {median(steps):.2f} s, longest {max(steps):.2f} s")
    assert median(steps) <= 1.0


def shown(streamed: Streaming) -> list[tuple[float, str]]:
    """When text of which segment came."""
    return [
        (at, event["segment"])
        for at, event in zip(streamed.times, streamed.events, strict=True)
        if event["type"] in ("partial", "final")
    ]


def test_stable_text_stays(streamed: Streaming) -> None:
    """Within a segment each stable text begins with the one before, and the final text with all of them."""
    for final in streamed.of("final"):
        stable = [one["stable"] for one in streamed.of("partial") if one["segment"] == final["segment"]]
        for shorter, longer in pairwise([*stable, final["text"]]):
            assert longer.startswith(shorter)


def test_all_words_are_there_after_stop(server: Server, streamed: Streaming) -> None:
    """The last final has the last word, every sample is text or silence, and the store holds the same."""
    assert streamed.text().rstrip(".").endswith("comparison only")
    ledger = streamed.ledgers["mic"]
    assert ledger["captured"] == ledger["received"] == ledger["transcribed"] + ledger["silence"]
    session = streamed.of("stopped")[0]["session"]
    kept = echopanel("sessions", "export", session, "--format", "json", "--data-dir", server.data_dir)
    segments = json.loads(kept.stdout)["segments"]
    assert [one["text"] for one in segments] == [final["text"] for final in streamed.of("final")]


def test_words_stand_where_they_were_said(streamed: Streaming, two_cities: Speech, note: Note) -> None:
    """Median distance from an independent alignment: at most 0.3 s, for starts and for ends."""
    found = deviations(streamed.words(), two_cities.word_times)
    note(str(found))
    assert len(found.ends) >= 0.9 * len(two_cities.word_times)
    assert found.within(0.3)
