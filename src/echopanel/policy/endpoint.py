"""Where utterances begin and end: speech probabilities of 512-sample windows in, endpoints out."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum

from echopanel.audio import to_samples, to_seconds
from echopanel.errors import ConfigError

WINDOW = 512  # samples: the step of Silero VAD at 16 kHz


class Hurry(IntEnum):
    """How short utterances had better be, because text comes rarely while they are open."""

    NONE = 0
    SOME = 1
    MUCH = 2
    GREAT = 3


class EndReason(StrEnum):
    """Why an utterance ended."""

    SILENCE = "silence"
    MAX_LENGTH = "max_length"
    FLUSH = "flush"
    HOLE = "hole"


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """An utterance began at sample `at`, pre-roll included; never before the end of the previous one."""

    at: int


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """The speaker is silent for a moment; if it lasts, the utterance will have ended at sample `at`."""

    at: int


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """The pause was only a pause: speech again from sample `at` on."""

    at: int


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The utterance ended at sample `at`, post-roll included; `at` never passes the newest sample."""

    at: int
    reason: EndReason


EndpointEvent = SpeechStarted | SpeechPaused | SpeechResumed | SpeechEnded


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """Durations in seconds, thresholds as probabilities.

    Speech begins when the probability reaches `threshold_on` and then stays at or above `threshold_off`
    for `min_speech_s`. It pauses after `pause_s` below `threshold_off`, is resumed by `threshold_on`, and
    ends after `min_silence_s`; in utterances longer than `soft_max_s` already after `soft_silence_s`. In a
    hurry `busy_soft_max_s` and `busy_max_s` replace longer bounds. In much of it shorter silences than
    `loaded_silence_s` end nothing before that: what was said is shown at the pause anyway, and two short
    utterances cost more than one and are heard worse. In a great one the `strained_` bounds replace longer
    ones, and `soft_silence_s` falls to nothing until the utterance is as long as it may be.

    Raises:
        ConfigError: values that contradict each other.
    """

    threshold_on: float = 0.5
    threshold_off: float = 0.35
    min_speech_s: float = 0.1
    pause_s: float = 0.2
    min_silence_s: float = 0.5
    pre_roll_s: float = 0.3
    post_roll_s: float = 0.2
    soft_max_s: float = 8.0
    soft_silence_s: float = 0.25
    max_utterance_s: float = 14.0
    busy_soft_max_s: float = 4.0
    busy_max_s: float = 7.0
    loaded_silence_s: float = 0.7
    strained_soft_max_s: float = 3.0
    strained_max_s: float = 5.0

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold_off <= self.threshold_on <= 1.0:
            raise ConfigError("threshold_off", self.threshold_off, "must be above 0 and at most threshold_on")
        if min(self.min_speech_s, self.pause_s, self.pre_roll_s, self.post_roll_s) < 0:
            raise ConfigError("endpoint", self, "durations cannot be negative")
        if not 0 < self.soft_silence_s <= self.min_silence_s:
            raise ConfigError("soft_silence_s", self.soft_silence_s, "must be above 0, at most min_silence_s")
        # What is left of an utterance after a forced cut must be far from the next one.
        least = 3 * (self.pre_roll_s + self.min_speech_s + to_seconds(4 * WINDOW))
        for name in ("max_utterance_s", "busy_max_s", "strained_max_s"):
            if getattr(self, name) < least:
                raise ConfigError(name, getattr(self, name), f"must be at least {least:.2f} s")

    def bounds(self, hurry: Hurry) -> tuple[float, float]:
        """Seconds from which on a short silence ends an utterance, and after which it is cut."""
        soft_s, max_s = self.soft_max_s, self.max_utterance_s
        if hurry >= Hurry.SOME:
            soft_s, max_s = min(soft_s, self.busy_soft_max_s), min(max_s, self.busy_max_s)
        if hurry >= Hurry.GREAT:
            soft_s, max_s = min(soft_s, self.strained_soft_max_s), min(max_s, self.strained_max_s)
        return soft_s, max_s

    def silence(self, spoken_s: float, hurry: Hurry) -> float:
        """Seconds of silence that end an utterance of `spoken_s` seconds."""
        soft_max_s, max_s = self.bounds(hurry)
        if spoken_s < soft_max_s:
            return max(self.min_silence_s, self.loaded_silence_s if hurry >= Hurry.MUCH else 0.0)
        if hurry < Hurry.GREAT:
            return self.soft_silence_s
        # Else it is cut at its maximum, perhaps in a word, and its beginning waits for that.
        return self.soft_silence_s * max(0.0, max_s - spoken_s) / max(max_s - soft_max_s, 1e-9)


class _State(Enum):
    SILENT = "silent"
    SPEAKING = "speaking"
    PAUSED = "paused"


class Endpointer:
    """Cuts one source's timeline into disjoint, ordered utterances, none longer than `max_utterance_s`.

    `hurry` may be changed at any time.
    """

    def __init__(self, settings: EndpointSettings | None = None, start: int = 0) -> None:
        self._settings = settings or EndpointSettings()
        self.hurry = Hurry.NONE
        self._position = start  # sample behind the newest window
        self._floor = start  # no utterance may begin before
        self._state = _State.SILENT
        self._candidate: int | None = None  # first sample of speech too short to count yet
        self._start = start  # of the open utterance
        self._voice_end = start  # sample behind the newest window with speech
        third = to_samples(self._settings.max_utterance_s / 3)
        self._loudness: deque[float] = deque(maxlen=third // WINDOW)

    def __repr__(self) -> str:
        since = f" since {self._start}" if self.open else ""
        return f"<Endpointer at {self._position} [{self._state.value}{since}]>"

    @property
    def open(self) -> bool:
        """Whether an utterance has started and not ended."""
        return self._state is not _State.SILENT

    @property
    def open_s(self) -> float:
        """Seconds since the open utterance began, 0 if none is open."""
        return to_seconds(self._position - self._start) if self.open else 0.0

    @property
    def silent_until(self) -> int:
        """Sample before which everything outside utterances is known to be silence; only ever grows."""
        if self.open:
            return self._start
        pre_roll = to_samples(self._settings.pre_roll_s)
        if self._candidate is not None:
            return max(self._floor, self._candidate - pre_roll)
        # The newest window may turn out to be padding, so it is not known to be anything yet.
        return max(self._floor, self._position - max(pre_roll, WINDOW))

    def push(self, probability: float, energy: float = 1.0) -> list[EndpointEvent]:
        """Take the next window: its speech probability, and its mean square if a forced cut shall mind it."""
        self._position += WINDOW
        self._loudness.append(probability * energy)
        return self._follow(probability) if self.open else self._listen(probability)

    def flush(self, end: int | None = None) -> list[EndpointEvent]:
        """End an open utterance at the newest sample; nothing later will reach back before it.

        Args:
            end: where the audio really ends, if not with a window: up to a window behind the last one pushed
                (too little to be scored; it belongs to an open utterance), or before its end (it was padded).

        Raises:
            ValueError: `end` is further away than that.
        """
        return self._break(self._position if end is None else end, EndReason.FLUSH)

    def skip_to(self, sample: int, floor: int = 0) -> list[EndpointEvent]:
        """Go on behind a hole, at `sample`; an open utterance ends where the hole begins.

        No utterance will begin before `floor`, if that lies behind `sample`.

        Raises:
            ValueError: `sample` lies further back than a padded last window explains.
        """
        events = self._break(min(self._position, sample), EndReason.HOLE)
        self._position = sample
        self._floor = max(self._floor, sample, floor)
        return events

    def _listen(self, probability: float) -> list[EndpointEvent]:
        settings = self._settings
        needed = settings.threshold_on if self._candidate is None else settings.threshold_off
        if probability < needed:
            self._candidate = None
            return []
        if self._candidate is None:
            self._candidate = self._position - WINDOW
        if self._position - self._candidate < to_samples(settings.min_speech_s):
            return []
        self._start = max(self._floor, self._candidate - to_samples(settings.pre_roll_s))
        self._voice_end = self._position
        self._candidate = None
        self._state = _State.SPEAKING
        return [SpeechStarted(self._start)]

    def _follow(self, probability: float) -> list[EndpointEvent]:
        settings = self._settings
        paused = self._state is _State.PAUSED
        events: list[EndpointEvent] = []
        if probability >= (settings.threshold_on if paused else settings.threshold_off):
            self._voice_end = self._position
            if paused:
                self._state = _State.SPEAKING
                events.append(SpeechResumed(self._position - WINDOW))
        elif self._position - self._voice_end >= self._enough():
            return [self._end(self._voice_stop(), EndReason.SILENCE)]
        elif not paused and self._position - self._voice_end >= to_samples(settings.pause_s):
            self._state = _State.PAUSED
            events.append(SpeechPaused(self._voice_stop()))
        if self._position + WINDOW - self._start > to_samples(settings.bounds(self.hurry)[1]):
            events += self._cut()
        return events

    def _enough(self) -> int:
        """Samples of silence that end the open utterance."""
        spoken_s = to_seconds(self._position - self._start)
        return to_samples(self._settings.silence(spoken_s, self.hurry))

    def _voice_stop(self) -> int:
        return min(self._voice_end + to_samples(self._settings.post_roll_s), self._position)

    def _cut(self) -> list[EndpointEvent]:
        """End an utterance that became too long; go on with a new one if somebody speaks behind the cut."""
        at = self._voice_stop() if self._state is _State.PAUSED else self._quietest()
        events: list[EndpointEvent] = [self._end(at, EndReason.MAX_LENGTH)]
        if at < self._voice_end:
            self._start = at
            self._state = _State.SPEAKING
            events.append(SpeechStarted(at))
        return events

    def _quietest(self) -> int:
        """Middle of the window in the last third with the least speech energy, smoothed over three."""
        _, max_s = self._settings.bounds(self.hurry)
        loud = list(self._loudness)[-(to_samples(max_s / 3) // WINDOW) :]
        # The newest window has no right neighbour, and may be padding.
        inner = range(1, len(loud) - 1)
        best = min(inner, key=lambda i: (loud[i - 1] + 2 * loud[i] + loud[i + 1], -i))
        return self._position - (len(loud) - best) * WINDOW + WINDOW // 2

    def _break(self, newest: int, reason: EndReason) -> list[EndpointEvent]:
        if abs(newest - self._position) >= WINDOW:
            raise ValueError(f"{newest} is not within a window of {self._position}")
        if self._voice_end == self._position:
            self._voice_end = newest
        self._position = newest
        events: list[EndpointEvent] = [self._end(self._voice_stop(), reason)] if self.open else []
        self._candidate = None
        self._floor = max(self._floor, newest)
        return events

    def _end(self, at: int, reason: EndReason) -> SpeechEnded:
        self._state = _State.SILENT
        self._floor = at
        return SpeechEnded(at, reason)
