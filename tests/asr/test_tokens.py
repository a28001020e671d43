"""Text to tokens and back, and which tokens make a word."""

from __future__ import annotations

from pathlib import Path

import pytest
from faster_whisper.tokenizer import Tokenizer
from hypothesis import given
from hypothesis import strategies as st

from echopanel.asr.catalog import Catalog
from echopanel.asr.tokens import Vocabulary
from tests.helpers.two_cities import TEXT


@pytest.fixture(scope="module")
def multilingual(catalog: Catalog) -> Vocabulary:
    """The vocabulary of Whisper base."""
    return Vocabulary(catalog.resolve("base"))


@given(text=st.text(max_size=60))
def test_text_survives_encoding(vocabulary: Vocabulary, text: str) -> None:
    """Any text comes back, its spaces made single ones."""
    words = " ".join(text.split())
    assert vocabulary.decode(vocabulary.encode(text)).strip() == words.strip()


def test_special_tokens_spell_nothing(vocabulary: Vocabulary) -> None:
    """What is no text leaves no trace in the text."""
    tokens = [vocabulary.start, *vocabulary.encode("Hello"), vocabulary.end]
    assert vocabulary.decode(tokens) == " Hello"


@pytest.mark.parametrize(
    "text", [TEXT, "Well-known: (yes) 50% of $3.50, isn't it? - No…", "naïve café 東京 👍🏽"]
)
def test_words_are_what_spaces_separate(vocabulary: Vocabulary, text: str) -> None:
    """Words joined by spaces are the text, and their tokens are all tokens, each once."""
    tokens = vocabulary.encode(text)
    words = vocabulary.words(tokens, "en")
    assert [word.text.strip() for word in words] == text.split()
    assert [word.first for word in words] == [0, *(word.last for word in words[:-1])]
    assert words[-1].last == len(tokens)


def test_punctuation_takes_no_part_in_the_spoken_tokens(vocabulary: Vocabulary) -> None:
    """The end of a word is where its last letter ends, not its comma."""
    tokens = vocabulary.encode("Times, worst")
    first, second = vocabulary.words(tokens, "en")
    assert (first.text, vocabulary.decode(tokens[first.first : first.spoken])) == (" Times,", " Times")
    assert second.spoken == second.last == len(tokens)


def test_languages_without_spaces_are_split_by_character(multilingual: Vocabulary) -> None:
    """Each group is whole characters, also where one needs several tokens; punctuation is attached."""
    text = "今天天气很好。我们走吧。"
    tokens = multilingual.encode(text)
    groups = multilingual.words(tokens, "zh")
    assert "".join(group.text for group in groups).strip() == text
    assert "�" not in "".join(group.text for group in groups)
    assert len(groups) >= 5
    assert groups[-1].text.endswith("。")


def test_a_broken_character_does_not_swallow_what_follows(vocabulary: Vocabulary) -> None:
    """Bytes that are no UTF-8 become replacement characters."""
    half = vocabulary.encode("東")[:-1]
    tokens = [*half, *vocabulary.encode("fine")]
    assert vocabulary.words(tokens, "en")[-1].text.endswith("fine")
    assert "�" in vocabulary.decode(tokens)


@pytest.mark.parametrize("language", ["en", "de", "zh", "yue"])
def test_start_sequences_equal_the_reference(multilingual: Vocabulary, language: str) -> None:
    """Language and task tokens are those of faster-whisper."""
    if language == "yue":  # came with large-v3
        with pytest.raises(ValueError, match="yue"):
            multilingual.task(language)
        return
    reference = Tokenizer(multilingual._tokenizer, multilingual=True, task="transcribe", language=language)
    assert list(multilingual.task(language)) == reference.sot_sequence
    assert multilingual.no_timestamps == reference.no_timestamps
    assert multilingual.previous == reference.sot_prev


def test_an_english_model_has_a_bare_start(vocabulary: Vocabulary) -> None:
    """There is neither language nor task to name."""
    assert vocabulary.task(None) == (vocabulary.start,)


@pytest.mark.parametrize("content", ["", "{", '{"version": "1.0"}'])
def test_a_broken_tokenizer_is_a_value_error(tmp_path: Path, content: str) -> None:
    """Whatever is wrong with the file, the caller gets one kind of error that names it."""
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ValueError, match=r"tokenizer\.json"):
        Vocabulary(tmp_path)


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    """It must know Whisper's special tokens."""
    import tokenizers

    tokenizers.Tokenizer(tokenizers.models.BPE()).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ValueError, match="startoftranscript"):
        Vocabulary(tmp_path)
