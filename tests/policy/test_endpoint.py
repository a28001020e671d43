"""Endpointing: utterances are disjoint, ordered and bounded, and no sustained speech is left out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.audio import to_samples, to_seconds
from echopanel.errors import ConfigError
from echopanel.policy.endpoint import (
    WINDOW,
    Endpointer,
    EndpointEvent,
    EndpointSettings,
    EndReason,
    Hurry,
    SpeechEnded,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)

SPEECH, SILENCE = 0.9, 0.05
SHORT = EndpointSettings(soft_max_s=2.0, max_utterance_s=3.0)


def windows(seconds: float) -> int:
    """Whole windows in `seconds`."""
    return to_samples(seconds) // WINDOW


def feed(endpointer: Endpointer, probability: float, count: int) -> list[EndpointEvent]:
    """Push `count` windows of one probability."""
    return [event for _ in range(count) for event in endpointer.push(probability)]


@dataclass(frozen=True)
class Hole:
    samples: int


@dataclass(frozen=True)
class Flush:
    rest: int  # samples behind the last window, or less than none: it was padded


@dataclass(frozen=True)
class Hurried:
    hurry: Hurry


# Runs of windows of like probability make longer utterances than windows drawn one by one.
runs = st.tuples(st.sampled_from([0.0, 0.2, 0.4, 0.6, 1.0]), st.integers(1, 60))
steps = st.lists(
    runs
    | st.builds(Hole, st.integers(0, 50_000))
    | st.builds(Flush, st.integers(1 - WINDOW, WINDOW - 1))
    | st.builds(Hurried, st.sampled_from(Hurry)),
    max_size=25,
)
some_settings = st.builds(
    EndpointSettings,
    min_speech_s=st.sampled_from([0.0, 0.1, 0.25]),
    pause_s=st.sampled_from([0.0, 0.2, 0.6]),
    pre_roll_s=st.sampled_from([0.0, 0.3]),
    post_roll_s=st.sampled_from([0.0, 0.2, 0.5]),
    soft_max_s=st.sampled_from([1.0, 8.0]),
    max_utterance_s=st.sampled_from([2.5, 4.0]),
    busy_max_s=st.sampled_from([2.1, 3.0, 9.0]),
    strained_max_s=st.sampled_from([2.1, 3.0, 9.0]),
)


Step = tuple[float, int] | Hole | Flush | Hurried
Script = list[Step]


class Run:
    """A script run to its end, with what must hold at every step checked at every step."""

    def __init__(self, settings: EndpointSettings, script: Script) -> None:
        self.events: list[EndpointEvent] = []
        self.speech: list[tuple[int, int]] = []  # sustained for min_speech_s without a break in the audio
        self.holes: list[tuple[int, int]] = []
        self.end = 0
        self._settings = settings
        self._endpointer = Endpointer(settings)
        self._loud_from: int | None = None
        self._known_silence = 0
        self._paddable = False
        for step in [*script, Flush(0)]:
            self._step(step)
        self.utterances = pair(self.events)

    def _step(self, step: Step) -> None:
        match step:
            case Hole(samples):
                self._hole(samples)
            case Flush(rest):
                self._flush(rest)
            case Hurried(hurry):
                self._endpointer.hurry = hurry
            case (probability, count):
                for _ in range(count):
                    self._push(probability)

    def _hole(self, samples: int) -> None:
        self._quiet()
        before = self.end
        self.end += samples
        if samples:
            self.holes.append((before, self.end))
        events = self._endpointer.skip_to(self.end)
        assert all(event.at <= before for event in events)
        self._settle(events)
        self._paddable = False

    def _flush(self, rest: int) -> None:
        if self._paddable:
            self.end += min(0, rest)
        self._quiet()
        self.end += max(0, rest)
        self._settle(self._endpointer.flush(self.end))
        assert not self._endpointer.open
        self._paddable = False

    def _push(self, probability: float) -> None:
        if probability < self._settings.threshold_on:
            self._quiet()
        elif self._loud_from is None:
            self._loud_from = self.end
        self.end += WINDOW
        self._settle(self._endpointer.push(probability))
        self._paddable = True

    def _quiet(self) -> None:
        least = max(WINDOW, to_samples(self._settings.min_speech_s))
        if self._loud_from is not None and self.end - self._loud_from >= least:
            self.speech.append((self._loud_from, self.end))
        self._loud_from = None

    def _settle(self, events: list[EndpointEvent]) -> None:
        for event in events:
            assert not isinstance(event, SpeechStarted) or event.at >= self._known_silence
            assert 0 <= event.at <= self.end
        self.events += events
        assert self._endpointer.silent_until >= self._known_silence
        self._known_silence = self._endpointer.silent_until
        assert f" at {self.end} " in repr(self._endpointer)


def pair(events: list[EndpointEvent]) -> list[tuple[int, int]]:
    """Utterances as (start, end); fails unless starts and ends alternate and pauses lie between them."""
    found: list[tuple[int, int]] = []
    start: int | None = None
    paused = False
    for event in events:
        match event:
            case SpeechStarted(at):
                assert start is None
                start, paused = at, False
            case SpeechPaused():
                assert start is not None
                assert not paused
                paused = True
            case SpeechResumed():
                assert start is not None
                assert paused
                paused = False
            case SpeechEnded(at):
                assert start is not None
                found.append((start, at))
                start = None
    assert start is None
    return found


@given(some_settings, steps)
def test_utterances_are_disjoint_ordered_and_bounded(settings: EndpointSettings, script: Script) -> None:
    """Each utterance has a length, at most the maximum, begins behind the one before and holds no hole."""
    run = Run(settings, script)
    behind = 0
    for start, end in run.utterances:
        assert behind <= start < end <= run.end
        assert end - start <= to_samples(settings.max_utterance_s)
        assert not any(start < hole_end and hole_start < end for hole_start, hole_end in run.holes)
        behind = end


@given(some_settings, steps)
def test_sustained_speech_is_always_inside_some_utterance(settings: EndpointSettings, script: Script) -> None:
    """Every sample of speech that lasted long enough is covered, however often utterances are cut."""
    run = Run(settings, script)
    for start, end in run.speech:
        covered = start
        for utterance_start, utterance_end in run.utterances:
            if utterance_start <= covered < utterance_end:
                covered = utterance_end
        assert covered >= end, (start, end, run.utterances)


@given(some_settings, st.lists(runs, max_size=20))
def test_a_pause_tells_where_silence_would_end_the_utterance(
    settings: EndpointSettings, script: list[tuple[float, int]]
) -> None:
    """An utterance that ends in the silence it paused in ends where the pause said, if the roll fits."""
    events = Run(settings, [*script]).events
    for pause, end in pairwise(events):
        if isinstance(pause, SpeechPaused) and isinstance(end, SpeechEnded):
            assert end.at >= pause.at
            if settings.post_roll_s <= settings.pause_s:
                assert end.at == pause.at


def test_a_sentence_gets_pre_roll_and_post_roll() -> None:
    """Start and end lie pre-roll before and post-roll behind the speech; the pause comes first."""
    endpointer = Endpointer()
    events = feed(endpointer, SILENCE, 30) + feed(endpointer, SPEECH, 50) + feed(endpointer, SILENCE, 30)
    spoken_until = 80 * WINDOW
    end = spoken_until + to_samples(0.2)
    assert events == [
        SpeechStarted(30 * WINDOW - to_samples(0.3)),
        SpeechPaused(end),
        SpeechEnded(end, EndReason.SILENCE),
    ]


def test_it_is_known_how_long_an_utterance_has_been_open() -> None:
    """From its pre-roll on; nothing is open in silence."""
    endpointer = Endpointer()
    assert endpointer.open_s == 0.0
    for _ in range(50):
        endpointer.push(1.0)
    assert endpointer.open_s == 50 * WINDOW / 16_000
    endpointer.flush()
    assert endpointer.open_s == 0.0


def test_a_click_is_no_speech() -> None:
    """Speech shorter than `min_speech_s` starts nothing, and its audio is let go as silence."""
    endpointer = Endpointer()
    assert feed(endpointer, SILENCE, 30) + feed(endpointer, SPEECH, 3) == []
    assert endpointer.silent_until == 30 * WINDOW - to_samples(0.3)
    assert feed(endpointer, SILENCE, 20) == []
    assert endpointer.silent_until == 53 * WINDOW - to_samples(0.3)


def test_a_click_before_a_flush_is_dropped() -> None:
    """A flush does not make speech of what was too short to be speech."""
    endpointer = Endpointer()
    feed(endpointer, SPEECH, 2)
    assert endpointer.flush() == []
    assert feed(endpointer, SPEECH, 3) == []


def test_speech_goes_on_at_a_lower_probability_than_it_begins_with() -> None:
    """Between the thresholds nothing begins, but what has begun goes on."""
    endpointer = Endpointer()
    assert feed(endpointer, 0.4, 100) == []
    assert feed(endpointer, SPEECH, 1) + feed(endpointer, 0.4, 100) != []
    assert endpointer.open


def test_only_clear_speech_ends_a_pause() -> None:
    """In a pause a probability between the thresholds is still silence; one above the upper resumes."""
    endpointer = Endpointer()
    feed(endpointer, SPEECH, 20)
    assert [type(event) for event in feed(endpointer, SILENCE, 7)] == [SpeechPaused]
    assert feed(endpointer, 0.4, 5) == []
    assert endpointer.push(SPEECH) == [SpeechResumed(32 * WINDOW)]
    assert [type(event) for event in feed(endpointer, SILENCE, 7)] == [SpeechPaused]


def test_a_long_utterance_ends_at_a_shorter_silence() -> None:
    """Beyond `soft_max_s` a breath is enough to end it."""
    short, long = Endpointer(), Endpointer()
    feed(short, SPEECH, windows(4))
    feed(long, SPEECH, windows(9))
    assert [type(event) for event in feed(short, SILENCE, 8)] == [SpeechPaused]
    assert [type(event) for event in feed(long, SILENCE, 8)] == [SpeechPaused, SpeechEnded]


def test_endless_speech_is_cut_at_the_quietest_window() -> None:
    """The forced cut takes the dip in the last third, and the next utterance begins at the same sample."""
    endpointer = Endpointer(settings=SHORT)
    dip = windows(2.5)
    events = feed(endpointer, SPEECH, dip) + feed(endpointer, 0.6, 1) + feed(endpointer, SPEECH, 40)
    at = dip * WINDOW + WINDOW // 2
    assert events == [SpeechStarted(0), SpeechEnded(at, EndReason.MAX_LENGTH), SpeechStarted(at)]


def test_in_a_hurry_utterances_are_short() -> None:
    """A breath ends one sooner, and one that is too long already is cut near its end."""
    endpointer = Endpointer()
    feed(endpointer, SPEECH, windows(5))
    endpointer.hurry = Hurry.SOME
    assert [type(event) for event in feed(endpointer, SILENCE, 8)] == [SpeechPaused, SpeechEnded]
    endpointer.hurry = Hurry.NONE
    first, *_ = feed(endpointer, SPEECH, windows(13))
    endpointer.hurry = Hurry.SOME
    ended, started = feed(endpointer, SPEECH, 1)
    assert (type(ended), type(started)) == (SpeechEnded, SpeechStarted)
    assert 10.0 <= to_seconds(ended.at - first.at) <= 13.1


def test_in_a_great_hurry_they_are_shorter_still() -> None:
    """What less of it lets go on ends at a breath, or is cut, in a great one."""
    lengths: dict[Hurry, tuple[bool, float]] = {}
    for hurry in Hurry:
        breathing, talking = Endpointer(), Endpointer()
        breathing.hurry = talking.hurry = hurry
        feed(breathing, SPEECH, windows(3.5))
        breath = [type(event) for event in feed(breathing, SILENCE, 8)]
        cut = next(event.at for event in feed(talking, SPEECH, windows(20)) if isinstance(event, SpeechEnded))
        lengths[hurry] = SpeechEnded in breath, round(to_seconds(cut))
    assert lengths == {
        Hurry.NONE: (False, 14),
        Hurry.SOME: (False, 7),
        Hurry.MUCH: (False, 7),
        Hurry.GREAT: (True, 5),
    }


@pytest.mark.parametrize(("spoken_s", "ended"), [(1.0, False), (4.2, True)])
def test_in_much_of_a_hurry_what_is_near_stays_together(spoken_s: float, ended: bool) -> None:
    """A silence that ends an utterance elsewhere does not end a short one."""
    unhurried, hurried = Endpointer(), Endpointer()
    hurried.hurry = Hurry.MUCH
    silence = windows(0.6)
    for endpointer, ends in ((unhurried, True), (hurried, ended)):
        feed(endpointer, SPEECH, windows(spoken_s))
        assert any(isinstance(event, SpeechEnded) for event in feed(endpointer, SILENCE, silence)) == ends
    if not ended:
        assert [type(event) for event in feed(hurried, SPEECH, 4)] == [SpeechResumed]


def test_in_a_great_hurry_an_ever_shorter_silence_ends_it() -> None:
    """Shortly before it would be cut, between two words is enough, where else a breath is needed."""
    needed: dict[float, int] = {}
    for spoken_s in (2.0, 3.2, 4.0, 4.8):
        endpointer = Endpointer()
        endpointer.hurry = Hurry.GREAT
        feed(endpointer, SPEECH, windows(spoken_s))
        needed[spoken_s] = 0
        while endpointer.open:
            feed(endpointer, SILENCE, 1)
            needed[spoken_s] += 1
    assert needed == {2.0: 22, 3.2: 7, 4.0: 4, 4.8: 1}


@given(st.sampled_from(Hurry), st.floats(0.0, 20.0), st.floats(0.0, 20.0))
def test_the_longer_an_utterance_the_less_silence_ends_it(hurry: Hurry, one_s: float, other_s: float) -> None:
    """And the more hurry the less, but for short ones in much of it, which stay together."""
    settings = EndpointSettings()
    shorter_s, longer_s = sorted((one_s, other_s))
    assert 0.0 <= settings.silence(longer_s, hurry) <= settings.silence(shorter_s, hurry)
    assert settings.silence(one_s, Hurry.SOME) <= settings.silence(one_s, Hurry.NONE)
    assert settings.silence(one_s, Hurry.GREAT) <= settings.silence(one_s, Hurry.MUCH)
    assert settings.silence(one_s, hurry) <= max(settings.min_silence_s, settings.loaded_silence_s)


def test_energy_decides_where_the_probability_does_not() -> None:
    """Where the detector is equally sure everywhere, the cut is where the least energy is."""
    endpointer = Endpointer(settings=SHORT)
    quiet = windows(2.2)
    events = [
        event for i in range(windows(3)) for event in endpointer.push(SPEECH, 0.001 if i == quiet else 0.1)
    ]
    assert events[1:] == [
        SpeechEnded(quiet * WINDOW + WINDOW // 2, EndReason.MAX_LENGTH),
        SpeechStarted(quiet * WINDOW + WINDOW // 2),
    ]


def test_a_forced_cut_in_a_pause_starts_nothing() -> None:
    """When the maximum is reached in a pause, the utterance ends as it would have by silence."""
    endpointer = Endpointer(EndpointSettings(soft_max_s=3.0, max_utterance_s=3.0))
    speech = windows(2.75)
    events = feed(endpointer, SPEECH, speech) + feed(endpointer, SILENCE, 8)
    end = speech * WINDOW + to_samples(0.2)
    assert events == [SpeechStarted(0), SpeechPaused(end), SpeechEnded(end, EndReason.MAX_LENGTH)]
    assert not endpointer.open


def test_a_forced_cut_behind_the_last_word_starts_nothing() -> None:
    """When the quietest window lies behind the last speech, there is nothing to go on with."""
    endpointer = Endpointer(settings=SHORT)
    events = feed(endpointer, SPEECH, windows(3) - 5) + feed(endpointer, SILENCE, 5)
    assert [type(event) for event in events] == [SpeechStarted, SpeechEnded]
    assert not endpointer.open


def test_a_hole_ends_an_utterance() -> None:
    """Speech before a hole ends there, and pre-roll never reaches into the hole."""
    endpointer = Endpointer()
    feed(endpointer, SPEECH, 10)
    assert endpointer.skip_to(100_000) == [SpeechEnded(10 * WINDOW, EndReason.HOLE)]
    assert endpointer.silent_until == 100_000
    assert feed(endpointer, SPEECH, 4) == [SpeechStarted(100_000)]


def test_a_padded_last_window_does_not_count() -> None:
    """`flush` and `skip_to` take back what was padding, and nothing more."""
    endpointer = Endpointer()
    feed(endpointer, SPEECH, 10)
    assert endpointer.flush(10 * WINDOW - 100) == [SpeechEnded(10 * WINDOW - 100, EndReason.FLUSH)]
    feed(endpointer, SPEECH, 10)
    assert endpointer.skip_to(20 * WINDOW - 200) == [SpeechEnded(20 * WINDOW - 200, EndReason.HOLE)]
    with pytest.raises(ValueError, match="not within a window"):
        endpointer.skip_to(10 * WINDOW)


def test_samples_too_few_for_a_window_belong_to_the_open_utterance() -> None:
    """What was not scored yet when the audio ended is not lost, but it cannot be much."""
    endpointer = Endpointer()
    feed(endpointer, SPEECH, 10)
    with pytest.raises(ValueError, match="not within a window"):
        endpointer.flush(11 * WINDOW)
    assert endpointer.flush(10 * WINDOW + 100) == [SpeechEnded(10 * WINDOW + 100, EndReason.FLUSH)]
    assert endpointer.silent_until == 10 * WINDOW + 100


def test_a_flush_in_a_pause_ends_where_the_pause_said() -> None:
    """So that a decode begun at the pause serves as the final one."""
    endpointer = Endpointer()
    feed(endpointer, SPEECH, 20)
    (pause,) = feed(endpointer, SILENCE, 10)
    assert endpointer.flush() == [SpeechEnded(pause.at, EndReason.FLUSH)]


def test_a_source_may_begin_later() -> None:
    """`start` is the first sample there is; pre-roll does not reach before it."""
    assert feed(Endpointer(start=777), SPEECH, 4) == [SpeechStarted(777)]


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("threshold_off", {"threshold_off": 0.6}),
        ("threshold_off", {"threshold_off": 0.0}),
        ("endpoint", {"pre_roll_s": -0.1}),
        ("soft_silence_s", {"soft_silence_s": 0.6}),
        ("max_utterance_s", {"max_utterance_s": 1.0}),
        ("busy_max_s", {"busy_max_s": 1.0}),
        ("strained_max_s", {"strained_max_s": 1.0}),
    ],
)
def test_settings_that_contradict_each_other_are_refused(key: str, values: dict[str, float]) -> None:
    """The error names the setting to change."""
    with pytest.raises(ConfigError) as caught:
        EndpointSettings(**values)
    assert caught.value.key == key


def test_going_on_in_the_middle_begins_nothing_before_the_floor() -> None:
    """What an earlier process made final is not heard again."""
    endpointer = Endpointer()
    assert endpointer.skip_to(1_000, floor=1_300) == []
    assert endpointer.silent_until == 1_300
    assert feed(endpointer, SPEECH, 4) == [SpeechStarted(1_300)]
