"""The test suite's own tools."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.speech import SAMPLE_RATE, Speech, wer, word_errors

CONFTEST = Path(__file__).with_name("conftest.py")
SKIPPING = """
import pytest

def test_skipped():
    pytest.skip("no reason")

@pytest.mark.xfail(strict=True)
def test_expected():
    assert False
"""


@pytest.mark.parametrize(("forbidden", "outcome"), [("1", {"failed": 1}), ("0", {"skipped": 1})])
def test_a_skip_fails_where_skips_are_forbidden(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, forbidden: str, outcome: dict[str, int]
) -> None:
    """ECHOPANEL_NO_SKIPS=1 turns a skip into a failure and leaves an expected failure alone."""
    monkeypatch.setenv("ECHOPANEL_NO_SKIPS", forbidden)
    monkeypatch.setenv("PYTHONPATH", str(CONFTEST.parents[1]))
    pytester.makeconftest(CONFTEST.read_text(encoding="utf-8"))
    pytester.makepyfile(SKIPPING)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(**outcome, xfailed=1)


def test_a_module_that_skips_itself_fails_too(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing optional package cannot take a whole module out of the build."""
    monkeypatch.setenv("ECHOPANEL_NO_SKIPS", "1")
    monkeypatch.setenv("PYTHONPATH", str(CONFTEST.parents[1]))
    pytester.makeconftest(CONFTEST.read_text(encoding="utf-8"))
    pytester.makepyfile("import pytest\npytest.importorskip('no_such_package')")
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(errors=1)


def test_recordings_load_as_mono_speech_at_16_khz(two_cities: Speech) -> None:
    """The recording has the length and the loudness of speech, and its last word ends before it does."""
    samples = two_cities.load()
    seconds = len(samples) / SAMPLE_RATE
    assert samples.ndim == 1
    assert 40 < seconds < 50
    assert 0.01 < float((samples**2).mean()) ** 0.5 < 0.3
    assert 40 < two_cities.word_times[-1][1] < seconds


def test_every_recording_is_there(corpus: list[Speech]) -> None:
    """Each entry of the corpus names a file, and speech has a text."""
    assert corpus
    assert [speech.name for speech in corpus if not speech.path.is_file()] == []
    assert [s.name for s in corpus if bool(s.text) != (s.kind in {"read", "spontaneous"})] == []


def test_word_errors_count_words_as_listeners_do() -> None:
    """Case, punctuation and number spelling are no errors; a changed, missing or added word is one."""
    assert wer("It's twenty-one degrees, Mr. Smith!", "it is 21 degrees mister smith") == 0.0
    assert word_errors("the best of times", "the worst of times indeed") == (2, 4)
    assert word_errors("the best of times", "") == (4, 4)
    assert word_errors("", "thank you") == (2, 0)
