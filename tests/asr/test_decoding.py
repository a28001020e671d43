"""Contexts, batches, prompts and retries, with a scripted Whisper in place of the real one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.asr.decoding import Decoder, Transcript, Tuning, batches
from echopanel.asr.features import MAX_FRAMES, Features
from echopanel.asr.guards import Verdict
from echopanel.asr.provider import DecodeOptions
from echopanel.asr.tokens import Vocabulary
from echopanel.asr.whisper_ct2 import Decode, Encoding, Prompt, Search, WhisperCt2
from echopanel.audio import SAMPLE_RATE, Chunk, Source

SHORT = Tuning(margin=0.5, trailing=4.0, step=1.0, retries=(Search(), Search(temperature=0.4)))
SOUND, SILENCE = 1.0, 0.0
FINAL = DecodeOptions()
PARTIAL = DecodeOptions(final=False)


@dataclass
class Call:
    frames: int
    prompts: list[Prompt]
    budget: int
    search: Search


@dataclass
class Scripted:
    """Says `texts` one call after the other; what it was asked is on record."""

    vocabulary: Vocabulary
    texts: list[str] = field(default_factory=list)
    avg_logprob: float = -0.2
    no_speech_prob: float = 0.1
    multilingual: bool = False
    mels: int = 80
    calls: list[Call] = field(default_factory=list)
    detections: int = 0
    encoded: list[int] = field(default_factory=list)
    heard: list[Encoding] = field(default_factory=list)

    @property
    def silence(self) -> Encoding:
        return np.full((MAX_FRAMES // 2, 4), SILENCE, dtype=np.float32)

    def encode(self, features: Features) -> Encoding:
        self.encoded.append(features.shape[1])
        return np.full((features.shape[1] // 2, 4), SOUND, dtype=np.float32)

    def generate(
        self, encodings: Sequence[Encoding], prompts: Sequence[Prompt], budget: int, search: Search
    ) -> list[Decode]:
        assert len({len(encoding) for encoding in encodings}) == 1
        assert len({(len(prompt.previous), prompt.start) for prompt in prompts}) == 1
        self.calls.append(Call(2 * len(encodings[0]), list(prompts), budget, search))
        self.heard += encodings
        text = self.texts[min(len(self.calls), len(self.texts)) - 1]
        tokens = tuple(self.vocabulary.encode(text))
        return [
            Decode((*prompt.prefix, *tokens)[:budget], self.avg_logprob, self.no_speech_prob)
            for prompt in prompts
        ]

    def detect_language(self, encoding: Encoding) -> tuple[str, float]:
        self.detections += 1
        return "de", 0.9


def sound(seconds: float) -> Chunk:
    """A chunk that is not silent."""
    return Chunk(Source.MIC, 0, np.full(round(seconds * SAMPLE_RATE), 0.1, dtype=np.float32))


def decode(
    whisper: Scripted, options: Sequence[DecodeOptions], seconds: Sequence[float], tuning: Tuning = SHORT
) -> list[Transcript]:
    """Run chunks of so many seconds through the decoder."""
    decoder = Decoder(cast(WhisperCt2, whisper), whisper.vocabulary, tuning)
    passages = [decoder.open(sound(length), wanted) for length, wanted in zip(seconds, options, strict=True)]
    return decoder.decode(passages)


def said(whisper: Scripted, transcript: Transcript) -> str:
    """Text of a transcript."""
    return whisper.vocabulary.decode(transcript.tokens).strip()


@pytest.mark.parametrize(
    ("seconds", "encoded", "frames"),
    [(2.0, 250, 600), (2.1, 260, 700), (25.8, 2630, 3000), (29.0, 2950, 3000), (30.0, 3000, 3000)],
)
def test_the_context_is_the_speech_and_some_silence(
    vocabulary: Vocabulary, seconds: float, encoded: int, frames: int
) -> None:
    """Rounded up to a step, never beyond what Whisper was trained on; of the silence little is encoded."""
    whisper = Scripted(vocabulary, ["Hello there."])
    decode(whisper, [FINAL], [seconds])
    assert ([call.frames for call in whisper.calls], whisper.encoded) == ([frames], [encoded])
    (heard,) = whisper.heard
    assert (heard[: encoded // 2] == SOUND).all()
    assert (heard[encoded // 2 :] == SILENCE).all()


def test_chunks_of_like_context_are_decoded_together(vocabulary: Vocabulary) -> None:
    """What fits goes into one call, results stay in order."""
    whisper = Scripted(vocabulary, ["Hello there."])
    seconds = [2.0, 5.0, 1.9, 4.8] * 2
    transcripts = decode(whisper, [FINAL] * 8, seconds)
    assert sorted((call.frames, len(call.prompts)) for call in whisper.calls) == [(600, 4), (900, 4)]
    assert [one.passage.chunk.seconds for one in transcripts] == seconds


@pytest.mark.parametrize(
    ("seconds", "contexts"),
    [
        ([2.0, 5.0], [(900, 2)]),
        ([2.0, 2.0, 2.0, 2.0, 5.0], [(600, 4), (900, 1)]),
        ([2.0, 5.0, 8.0], [(1200, 3)]),
        ([2.0, 11.0], [(600, 1), (1500, 1)]),
        ([2.0, 9.0, 11.0], [(1300, 2), (1500, 1)]),
    ],
)
def test_a_few_chunks_share_a_longer_context(
    vocabulary: Vocabulary, seconds: list[float], contexts: list[tuple[int, int]]
) -> None:
    """Fewer than four join longer ones, but not much longer ones."""
    whisper = Scripted(vocabulary, ["Hello there."])
    decode(whisper, [FINAL] * len(seconds), seconds)
    assert sorted((call.frames, len(call.prompts)) for call in whisper.calls) == contexts


def test_only_chunks_that_can_be_decoded_together_share_a_context(vocabulary: Vocabulary) -> None:
    """A greedy one gets no longer context for one with beams."""
    whisper = Scripted(vocabulary, ["Hello there."])
    decode(whisper, [FINAL, DecodeOptions(beam_size=5)], [2.0, 5.0])
    assert sorted((call.frames, call.search.beam_size) for call in whisper.calls) == [(600, 1), (900, 5)]


def test_texts_before_of_unlike_length_are_decoded_apart(vocabulary: Vocabulary) -> None:
    """The engine needs the start sequence at one place; prefixes may differ."""
    whisper = Scripted(vocabulary, ["Hello there."])
    options = [DecodeOptions(prompt="one"), DecodeOptions(prompt="two"), DecodeOptions(prefix="a b c"), FINAL]
    decode(whisper, options, [2.0] * 4)
    assert sorted(len(call.prompts) for call in whisper.calls) == [2, 2]


def test_prompt_and_hotwords_come_before_the_prefix_behind_the_start(vocabulary: Vocabulary) -> None:
    """The order is that of openai/whisper."""
    whisper = Scripted(vocabulary, ["is far away."])
    options = DecodeOptions(prompt="We spoke of", hotwords="Kubernetes", prefix="The cluster")
    (transcript,) = decode(whisper, [options], [2.0])
    (prompt,) = whisper.calls[0].prompts
    assert vocabulary.decode(prompt.previous[1:]) == " Kubernetes We spoke of"
    assert prompt.previous[0] == vocabulary.previous
    assert prompt.start == (vocabulary.start, vocabulary.no_timestamps)
    assert vocabulary.decode(prompt.prefix) == " The cluster"
    assert said(whisper, transcript) == "The cluster is far away."


def test_endless_texts_around_leave_room_for_new_text(vocabulary: Vocabulary) -> None:
    """Prompt and prefix are cut so that all fits Whisper's 448 positions."""
    whisper = Scripted(vocabulary, ["end."])
    long = "word " * 500
    decode(whisper, [DecodeOptions(prompt=long, prefix=long)], [29.0])
    (prompt,) = whisper.calls[0].prompts
    assert len(prompt.previous) <= 224
    assert whisper.calls[0].budget - len(prompt.prefix) >= 40


def test_the_budget_grows_with_the_audio_and_the_prefix(vocabulary: Vocabulary) -> None:
    """Eight tokens a second and ten, what is known already not counted."""
    whisper = Scripted(vocabulary, ["Hello."])
    decode(whisper, [FINAL], [2.0])
    decode(whisper, [DecodeOptions(prefix="one two three")], [2.0])
    assert [call.budget for call in whisper.calls] == [26, 29]


def test_beams_are_for_finals(vocabulary: Vocabulary) -> None:
    """A partial is always greedy; different searches are different calls."""
    whisper = Scripted(vocabulary, ["Hello."])
    wide = DecodeOptions(beam_size=5)
    decode(whisper, [wide, FINAL, DecodeOptions(beam_size=5, final=False)], [2.0] * 3)
    beams = {(call.frames, call.search.beam_size) for call in whisper.calls}
    assert beams == {(600, 5), (600, 1)}
    assert len(whisper.calls) == 2


def test_a_language_is_detected_only_when_nobody_knows_it(vocabulary: Vocabulary) -> None:
    """A given language is taken; an English model has none."""
    whisper = Scripted(vocabulary, ["Hello."], multilingual=True)
    transcripts = decode(whisper, [FINAL, DecodeOptions(language="fr")], [2.0, 2.0])
    assert [one.passage.language for one in transcripts] == ["de", "fr"]
    assert whisper.detections == 1
    assert decode(Scripted(vocabulary, ["Hello."]), [FINAL], [2.0])[0].passage.language is None


def test_a_loop_is_tried_again_on_the_full_window(vocabulary: Vocabulary) -> None:
    """The retry's text is taken when it is beyond doubt, and only the doubtful chunk is tried again."""
    whisper = Scripted(vocabulary, ["so so so so so so", "So it goes."])
    (transcript,) = decode(whisper, [FINAL], [2.0])
    assert [call.frames for call in whisper.calls] == [600, MAX_FRAMES]
    assert (said(whisper, transcript), transcript.attempts) == ("So it goes.", 2)
    assert (transcript.passage.frames, whisper.encoded) == (MAX_FRAMES, [250])


def test_a_loop_that_stays_is_cut(vocabulary: Vocabulary) -> None:
    """After all retries one copy of the loop remains; none of them encodes anything again."""
    whisper = Scripted(vocabulary, ["Well so so so so so so"])
    (transcript,) = decode(whisper, [FINAL], [2.0])
    assert [call.search.temperature for call in whisper.calls] == [0.0, 0.0, 0.4]
    assert whisper.encoded == [250]
    assert said(whisper, transcript) == "Well so"


def test_what_is_thorough_has_the_full_window_and_no_chance(vocabulary: Vocabulary) -> None:
    """So it is encoded once, and tried again without a temperature only."""
    whisper = Scripted(vocabulary, ["Well so so so so so so"])
    (transcript,) = decode(whisper, [DecodeOptions(thorough=True, beam_size=5)], [2.0])
    assert whisper.encoded == [MAX_FRAMES]
    assert [(call.search.beam_size, call.search.temperature) for call in whisper.calls] == [
        (5, 0.0),
        (1, 0.0),
    ]
    assert said(whisper, transcript) == "Well so"


def test_a_partial_is_cut_and_never_tried_again(vocabulary: Vocabulary) -> None:
    """Speed counts: the next partial comes soon."""
    whisper = Scripted(vocabulary, ["Well so so so so so so"])
    (transcript,) = decode(whisper, [PARTIAL], [2.0])
    assert (said(whisper, transcript), len(whisper.calls)) == ("Well so", 1)


def test_known_text_is_not_cut_even_if_it_repeats_itself(vocabulary: Vocabulary) -> None:
    """Who says yes four times is taken at their word once that is known."""
    whisper = Scripted(vocabulary, [""])
    (transcript,) = decode(whisper, [DecodeOptions(prefix="yes yes yes yes", final=False)], [2.0])
    assert said(whisper, transcript) == "yes yes yes yes"


def test_what_is_neither_likely_text_nor_speech_is_dropped(vocabulary: Vocabulary) -> None:
    """The decode of a noise is not tried again."""
    whisper = Scripted(vocabulary, ["Thank you."], avg_logprob=-1.5, no_speech_prob=0.9)
    (transcript,) = decode(whisper, [FINAL], [2.0])
    assert (transcript.tokens, transcript.verdict, len(whisper.calls)) == ((), Verdict.DROP, 1)


def test_the_likelier_of_two_doubtful_decodes_is_kept(vocabulary: Vocabulary) -> None:
    """Of texts that are all too long for their audio; an unsure retry does not replace a surer first try."""

    class Fading(Scripted):
        def generate(
            self, encodings: Sequence[Encoding], prompts: Sequence[Prompt], budget: int, search: Search
        ) -> list[Decode]:
            self.avg_logprob -= 0.5
            return super().generate(encodings, prompts, budget, search)

    texts = [f"Extraordinarily uncomfortable circumstances{end}" for end in ".!?"]
    whisper = Fading(vocabulary, texts, avg_logprob=-0.7)
    (transcript,) = decode(whisper, [FINAL], [0.5])
    assert (said(whisper, transcript), transcript.attempts) == (texts[0], 3)


@given(keys=st.lists(st.integers(0, 3), max_size=30), most=st.integers(1, 5))
def test_batches_hold_everything_once_and_only_equals(keys: list[int], most: int) -> None:
    """Each index is in one batch, with its own key, and no batch is too large."""
    made = list(batches(keys, lambda key: most + key))
    assert sorted(index for _, members in made for index in members) == list(range(len(keys)))
    assert all(keys[index] == key for key, members in made for index in members)
    assert all(1 <= len(members) <= most + key for key, members in made)


def test_long_contexts_make_small_batches(vocabulary: Vocabulary) -> None:
    """So that a call never takes more memory than eight short chunks do."""
    whisper = Scripted(vocabulary, ["Yes."])
    decode(whisper, [FINAL] * 8, [8.0] * 8)
    decode(whisper, [FINAL] * 8, [20.0] * 8)
    assert [(call.frames, len(call.prompts)) for call in whisper.calls] == [(1200, 8), (2400, 4), (2400, 4)]


def test_partials_in_a_hurry_see_less_silence(vocabulary: Vocabulary) -> None:
    """Those without word times, on which nothing is built."""
    whisper = Scripted(vocabulary, ["Yes."])
    timed, preview = replace(PARTIAL, word_timestamps=True), replace(PARTIAL, preview=True)
    for options in (replace(PARTIAL, word_timestamps=False), timed, preview, FINAL):
        decode(whisper, [options], [2.0])
    assert [call.frames for call in whisper.calls] == [400, 600, 600, 600]
