"""What was really said, as normalised words with the times at which they were said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

from echopanel.bench.align import blocks
from echopanel.bench.corpus import Recording
from echopanel.errors import EchoPanelError

Normalise = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A normalised word, in seconds since its recording began; `timed`: the times are known."""

    text: str
    start: float
    end: float
    timed: bool = True


@cache
def whisper_normaliser() -> Normalise:
    """Whisper's English text normaliser: case, punctuation, contractions, numbers, spelling.

    Raises:
        EchoPanelError: the package that has it is not installed.
    """
    try:
        from whisper_normalizer.english import EnglishTextNormalizer
    except ImportError as error:
        raise EchoPanelError("bench needs more packages: pip install 'echopanel[bench]'") from error
    normaliser = EnglishTextNormalizer()
    return lambda text: str(normaliser(text))


def spoken_words(recording: Recording, normalise: Normalise) -> tuple[SpokenWord, ...]:
    """The normalised words of a recording with their times.

    A normalised word made of several spoken ones ("42") ends where the last of them ends. Where no times are
    known, words are spread evenly over the recording.
    """
    texts = normalise(recording.text).split()
    if not recording.words:
        return _spread(texts, recording.seconds)
    parts = [(part, end) for word, end in recording.words for part in normalise(word).split()]
    ends = _carry([part for part, _ in parts], [end for _, end in parts], texts)
    starts = (0.0, *ends)
    return tuple(
        SpokenWord(text, min(start, end), end) for text, start, end in zip(texts, starts, ends, strict=False)
    )


def _carry(words: Sequence[str], ends: Sequence[float], texts: Sequence[str]) -> list[float]:
    """Ends of `words`, carried over to `texts`, which are nearly the same words."""
    carried: list[float] = []
    for source, target in blocks(words, texts):
        known = ends[source.start : source.stop] or ends[max(source.start - 1, 0) : source.start] or (0.0,)
        carried += [known[-(-place * len(known) // len(target)) - 1] for place in range(1, len(target) + 1)]
    return list(accumulate(carried, max))


def _spread(texts: Sequence[str], seconds: float) -> tuple[SpokenWord, ...]:
    step = seconds / max(len(texts), 1)
    return tuple(SpokenWord(text, i * step, (i + 1) * step, timed=False) for i, text in enumerate(texts))
