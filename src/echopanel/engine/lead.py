"""Left context: an utterance is decoded together with the speech before it, whose words are known.

Whisper was trained on 30 s of speech at a time and hears a short utterance alone badly; `docs/benchmarks.md`
has what the lead is worth. Its words are given as a prefix. CTranslate2 forces a prefix token by token, which
costs as much as generating it, so the lead is for finals while there is time and for partials while there is
much, and a whole decode is not given the words of the utterance itself that are stable already: `Agreement`
puts them in front.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from echopanel.asr.provider import Hypothesis, HypothesisWord
from echopanel.audio import to_samples
from echopanel.policy.agreement import normalise
from echopanel.transcript import Segment

LEAD_S = 4.0
# Up to this length an utterance gets all the left context there may be, a longer one so much less: what was
# said in it is context enough.
SHORT_S = 3.0
# Speech further away than this is about something else.
MAX_GAP_S = 3.0
# So many words said twice in a row may be the model that read its lead again. Fewer people do say twice.
MIN_ECHO = 3
# Further retries draw lots.
SURE_RETRIES = 1


@dataclass(frozen=True, slots=True)
class Lead:
    """Known speech before an utterance: it begins at sample `start`, at the start of its first word."""

    start: int
    words: tuple[str, ...]


class RecentWords:
    """The last final words of a source, by sample."""

    def __init__(self) -> None:
        self._words: deque[tuple[int, int, str]] = deque()

    def note(self, start: int, words: Iterable[HypothesisWord], *, vague: bool = False) -> None:
        """Remember the words of a final whose times count from sample `start`; `vague`: they are guessed.

        Audio cannot be cut where a word is only guessed to begin: then all begin where the final does.
        """
        for word in words:
            first = start if vague else start + to_samples(word.start)
            self._words.append((first, start + to_samples(word.end), word.text))
        while self._words and self._words[0][0] < self._words[-1][1] - to_samples(2 * LEAD_S):
            self._words.popleft()

    def echoed(self, texts: Sequence[str]) -> bool:
        """Whether these begin with the newest words over again."""
        known = [normalise(text) for _, _, text in self._words]
        said = [normalise(text) for text in texts]
        most = min(len(known), len(said))
        return any(known[-count:] == said[:count] for count in range(MIN_ECHO, most + 1))

    def before(self, start: int, oldest: int, most_s: float = LEAD_S) -> Lead | None:
        """The lead of an utterance from `start` on: at most `most_s` long, in audio held from `oldest` on."""
        first = max(oldest, start - to_samples(most_s))
        near = [word for word in self._words if first <= word[0] and word[1] <= start]
        near.sort(key=lambda word: word[0])
        if not near or start - near[-1][1] > to_samples(MAX_GAP_S):
            return None
        return Lead(near[0][0], tuple(text for _, _, text in near))


class LeftContext:
    """The final words of a source: those of live speech, and those of what was put off and heard later."""

    def __init__(self) -> None:
        self._live = RecentWords()
        self._late = RecentWords()

    def restore(self, segment: Segment, start: float) -> None:
        """Remember a final of an earlier process, whose first sample is at `start` on the session clock."""
        self._live.note(
            segment.start_sample,
            (HypothesisWord(word.start - start, word.end - start, word.text) for word in segment.words),
        )

    def note(
        self, start: int, words: Iterable[HypothesisWord], *, deferred: bool, vague: bool = False
    ) -> None:
        """Remember the words of a final whose times count from sample `start`; `vague`: they are guessed."""
        (self._late if deferred else self._live).note(start, words, vague=vague)

    def misled(self, hypothesis: Hypothesis, *, led: bool, deferred: bool) -> bool:
        """Whether left context may be to blame: for words said over again, a chance find, for nothing.

        Behind a list of cards the model heard nothing of the next sentence, which it hears well alone.
        A first retry is as sure as the decode before it; behind a lead the next one, which draws lots, has
        carried on with anything: "original one. You know, you can't say it." for a mere "uh".
        """
        doubtful = not hypothesis.text or hypothesis.retried > SURE_RETRIES
        return led and (doubtful or self.echoed(hypothesis, deferred=deferred))

    def echoed(self, hypothesis: Hypothesis, *, deferred: bool) -> bool:
        """Whether it begins with the newest words over again."""
        recent = self._late if deferred else self._live
        return recent.echoed(hypothesis.text.split())

    def before(self, start: int, oldest: int, most_s: float, *, deferred: bool) -> Lead | None:
        """See `RecentWords.before`. What comes before something put off was put off too, or never was."""
        late = self._late.before(start, oldest, most_s) if deferred else None
        return late or self._live.before(start, oldest, most_s)


def needed(seconds: float, most_s: float, short_s: float = SHORT_S) -> float:
    """Seconds of left context for an utterance of so many seconds: all there may be up to `short_s`."""
    return min(most_s, max(0.0, most_s + short_s - seconds))
