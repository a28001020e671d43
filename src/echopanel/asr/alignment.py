"""Word times by the model's own cross-attention: tokens are aligned, then grouped into words."""

from __future__ import annotations

from collections.abc import Sequence

from echopanel.asr.decoding import Transcript
from echopanel.asr.provider import HypothesisWord
from echopanel.asr.tokens import TokenGroup, Vocabulary
from echopanel.asr.whisper_ct2 import Alignment, WhisperCt2

# Attention comes this much after the voice: median over 1,439 words of read and spontaneous speech, tiny.en.
ATTENTION_LAG_S = 0.1
SHORTEST_WORD_S = 0.08
_LONGEST_FIRST_S, _PER_CHARACTER_S = 0.15, 0.08  # nobody speaks more slowly than that


class Aligner:
    """Finds when the words of transcripts were said."""

    def __init__(self, whisper: WhisperCt2, vocabulary: Vocabulary) -> None:
        self._whisper = whisper
        self._vocabulary = vocabulary

    def words(self, transcript: Transcript) -> tuple[HypothesisWord, ...]:
        """Timed words of a transcript, if it asked for them; else none."""
        passage = transcript.passage
        if not transcript.tokens or not passage.options.word_timestamps:
            return ()
        start = self._vocabulary.task(passage.language)
        alignment = self._whisper.align(passage.encoding, start, transcript.tokens, passage.content_frames)
        return self._timed(transcript, alignment)

    def _timed(self, transcript: Transcript, alignment: Alignment) -> tuple[HypothesisWord, ...]:
        passage = transcript.passage
        groups = self._vocabulary.words(transcript.tokens, passage.language)
        edges = [edge - ATTENTION_LAG_S for edge in alignment.edges]
        return timed_words(groups, edges, alignment.probabilities, passage.chunk.seconds)


def timed_words(
    groups: Sequence[TokenGroup], edges: Sequence[float], probabilities: Sequence[float], seconds: float
) -> tuple[HypothesisWord, ...]:
    """Words in order, inside [0, seconds]; punctuation takes no time.

    Args:
        groups: tokens of each word.
        edges: start of each token in seconds, and the end of the last.
        probabilities: of each token.
        seconds: duration of the chunk.
    """
    words: list[HypothesisWord] = []
    earliest = 0.0
    for group in groups:
        text = group.text.strip()
        if not text or group.spoken >= len(edges):
            continue
        end = min(max(edges[group.spoken], earliest), seconds)
        start = min(max(edges[group.first], earliest), max(end - SHORTEST_WORD_S, earliest))
        if not words:
            # The alignment begins with the chunk, whatever silence comes before the first word.
            start = max(start, end - _LONGEST_FIRST_S - _PER_CHARACTER_S * len(text))
        scores = probabilities[group.first : group.spoken]
        words.append(HypothesisWord(start, end, text, sum(scores) / len(scores)))
        earliest = end
    return tuple(words)
