"""A source's script against what came back."""

from __future__ import annotations

import pytest

from echopanel.bench.reference import spoken_words
from echopanel.bench.score import PlacedWord, SourceScore, counted, place_words, score_source
from echopanel.bench.script import Script
from tests.bench.speech import Screen, recording, script_of

EVERYTHING = (0.0, 1000.0)


def score(screen: Screen, window: tuple[float, float] = EVERYTHING) -> SourceScore:
    """With words split at blanks and no other normalisation."""
    return score_source(screen.record, words_of(screen.record.script), window, str)


def words_of(script: Script) -> list[PlacedWord]:
    """The script's words at their places."""
    return place_words(
        script, {take.recording.name: spoken_words(take.recording, str) for take in script.takes}
    )


def errors(scored: SourceScore) -> dict[str, int]:
    """Errors at each counted word."""
    return {word.word.text: word.errors for word in scored.words}


def test_a_word_is_late_by_the_time_from_its_end_to_its_first_lasting_showing() -> None:
    """Word n ends at second n."""
    screen = Screen(script_of(recording("a", "one two three")))
    screen.partial("m1", 1.3, "", "one")
    screen.partial("m1", 2.4, "one", "too")
    screen.final("m1", 3.5, "one two three", 0.0, 3.0)
    found = score(screen)
    assert [word.shown_after for word in found.words] == pytest.approx([0.3, 1.5, 0.5])
    assert errors(found) == {"one": 0, "two": 0, "three": 0}


def test_words_that_were_not_heard_right_have_no_latency() -> None:
    """They are errors, not fast or slow."""
    screen = Screen(script_of(recording("a", "one two three")))
    screen.final("m1", 3.5, "one tool three", 0.0, 3.0)
    found = score(screen)
    assert [word.shown_after is None for word in found.words] == [False, True, False]
    assert errors(found) == {"one": 0, "two": 1, "three": 0}


def test_only_words_inside_the_window_count() -> None:
    """What is said before, across its edges, or after it helps to align and is not counted."""
    screen = Screen(script_of(recording("a", "one two three four five six")))
    screen.final("m1", 6.2, "wrong two three wrong wrong wrong", 0.0, 6.0)
    assert errors(score(screen, (1.0, 4.0))) == {"two": 0, "three": 0, "four": 1}
    assert errors(score(screen, (1.5, 3.5))) == {"three": 0}


def test_a_word_of_another_time_is_no_match() -> None:
    """A lost stretch does not get its latency from the same words said much later."""
    screen = Screen(script_of(recording("a", "one two three four five six")))
    screen.final("m1", 6.5, "one", 5.0, 6.0)
    assert score(screen).words[0].shown_after is None


def test_a_missing_stretch_without_a_segment_is_lost() -> None:
    """Five words in a row, and nothing there."""
    screen = Screen(script_of(recording("a", "a b c d e f g h i j k l")))
    screen.final("m1", 3.0, "a b", 0.0, 2.0)
    screen.final("m2", 12.0, "k l", 10.0, 12.0)
    found = score(screen)
    assert [word.word.text for word in found.words if word.lost] == list("cdefghi")
    assert [word.word.text for word in found.words if word.skipped] == ["j"]  # ends where a segment begins
    assert sum(word.errors for word in found.words) == 8


def test_a_missing_stretch_inside_a_segment_is_skipped() -> None:
    """The recogniser heard it and wrote nothing."""
    screen = Screen(script_of(recording("a", "a b c d e f g h")))
    screen.final("m1", 9.0, "a h", 0.0, 8.0)
    found = score(screen)
    assert [word.word.text for word in found.words if word.skipped] == list("bcdefg")
    assert not any(word.lost for word in found.words)


def test_a_few_missing_words_are_errors_only() -> None:
    """Four in a row are what recognisers leave out."""
    screen = Screen(script_of(recording("a", "a b c d e f")))
    screen.final("m1", 1.0, "a", 0.0, 1.0)
    screen.final("m2", 6.0, "f", 5.5, 6.0)
    found = score(screen)
    assert sum(word.errors for word in found.words) == 4
    assert not any(word.lost or word.skipped for word in found.words)


def test_finals_are_seen_from_the_end_of_their_last_word() -> None:
    """Where that word was heard right."""
    screen = Screen(script_of(recording("a", "one two three four")))
    screen.final("m1", 2.7, "one two", 0.0, 2.0)
    screen.final("m2", 4.9, "three fore", 2.0, 4.0)
    assert score(screen).final_after == pytest.approx([0.7])


def test_no_text_at_all_is_every_word_wrong() -> None:
    """Nothing heard: all deleted, all lost."""
    screen = Screen(script_of(recording("a", "a b c d e")))
    found = score(screen)
    assert sum(word.errors for word in found.words) == 5
    assert all(word.lost and word.shown_after is None for word in found.words)
    assert found.heard_words == 0


def test_changes_of_the_screen_are_counted_over_all_segments() -> None:
    """Stable text that changed, and words that were taken back."""
    screen = Screen(script_of(recording("a", "one two")))
    screen.partial("m1", 1.0, "won", "to")
    screen.partial("m1", 1.5, "one", "to")
    screen.final("m1", 2.0, "one two", 0.0, 2.0)
    found = score(screen)
    assert found.stable_changes == 1
    assert found.tail_changes == 2
    assert found.intervals == (0.5,)


def test_a_segment_that_a_revision_removed_does_not_count() -> None:
    """The transcript is what holds in the end."""
    screen = Screen(script_of(recording("a", "one two")))
    screen.final("m1", 2.0, "won tool", 0.0, 2.0)
    del screen.record.finals["m1"]
    screen.final("m1r1", 9.0, "one two", 0.0, 2.0)
    found = score(screen)
    assert [word.shown_after for word in found.words] == [8.0, 7.0]


def test_what_was_heard_again_is_as_old_as_its_words() -> None:
    """Words that were there before count from then, those that are new from the revision on."""
    screen = Screen(script_of(recording("a", "one two three four")))
    screen.partial("m1", 1.3, "", "one")
    screen.final("m1", 2.4, "one too", 0.0, 2.0)
    screen.final("m2", 4.6, "three four", 2.0, 4.0)
    screen.revision(("m1", "m2"), "m3", 9.0, "one two three four", 0.0, 4.0)
    found = score(screen)
    assert [word.shown_after for word in found.words] == pytest.approx([0.3, 7.0, 1.6, 0.6])
    assert found.final_after == pytest.approx([0.6])
    assert (found.stable_changes, sum(word.errors for word in found.words)) == (0, 0)


def test_recordings_without_word_times_count_as_a_whole_or_not_at_all() -> None:
    """Nobody knows where the window cuts them."""
    script = script_of(recording("a", "one two", timed=False), recording("b", "three four", timed=False))
    words = words_of(script)
    assert counted(words, (0.0, 4.0)) == {0, 1, 2, 3}
    assert counted(words, (0.5, 4.0)) == {2, 3}
    screen = Screen(script)
    screen.final("m1", 4.1, "one two three four", 0.0, 4.0)
    assert [word.shown_after for word in score(screen).words] == [None] * 4


def test_a_word_that_was_cut_off_at_the_end_may_be_heard() -> None:
    """Its beginning was sent, so its text is no insertion."""
    script = Script(script_of(recording("a", "one two three")).takes, 5 * 8000)
    assert [word.text for word in words_of(script)] == ["one", "two", "three"]
