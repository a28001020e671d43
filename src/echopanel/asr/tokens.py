"""Whisper's vocabulary: text to tokens and back, special tokens, and which tokens make a word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import category

import tokenizers

# Written without spaces: there a word is any run of tokens that decodes to whole characters.
_UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue", "km", "bo"})


@dataclass(frozen=True, slots=True)
class TokenGroup:
    """Tokens [first, last) of a sequence and what they spell; from `spoken` on they are mere punctuation."""

    text: str
    first: int
    spoken: int
    last: int


class Vocabulary:
    """The tokenizer of one model; safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        """Read `tokenizer.json`.

        Raises:
            ValueError: the file is not a Whisper tokenizer.
        """
        self._tokenizer = _read(folder / "tokenizer.json")
        self.start = self._special("<|startoftranscript|>")
        self.previous = self._special("<|startofprev|>")
        self.end = self._special("<|endoftext|>")
        self.no_timestamps = self._special("<|notimestamps|>")
        self._transcribe = self._special("<|transcribe|>")
        self._byte_of = _byte_alphabet()

    def _special(self, name: str) -> int:
        token = self._tokenizer.token_to_id(name)
        if token is None:
            raise ValueError(f"tokenizer.json has no {name}")
        return token

    def speaks(self, language: str) -> bool:
        """Whether there is a token for the language, named by its ISO 639 code."""
        return bool(language) and self._tokenizer.token_to_id(f"<|{language}|>") is not None

    def task(self, language: str | None) -> tuple[int, ...]:
        """The start sequence; `language` None for an English-only model.

        Raises:
            ValueError: a language this vocabulary does not have.
        """
        if language is None:
            return (self.start,)
        return (self.start, self._special(f"<|{language}|>"), self._transcribe)

    def encode(self, text: str) -> list[int]:
        """Tokens of `text` as it would stand inside a transcript, i.e. with a space before it."""
        words = " ".join(text.split())
        return self._tokenizer.encode(" " + words, add_special_tokens=False).ids if words else []

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of `tokens`; special tokens say nothing, broken characters are replaced."""
        return b"".join(self.spell(token) for token in tokens).decode("utf-8", errors="replace")

    def words(self, tokens: Sequence[int], language: str | None) -> list[TokenGroup]:
        """Group text tokens into words, as `group_words` does."""
        return group_words([self.spell(token) for token in tokens], language)

    def spell(self, token: int) -> bytes:
        """The bytes that one token stands for; none if it is special."""
        stand_ins = self._tokenizer.id_to_token(token) if token < self.end else None
        return bytes(self._byte_of[char] for char in stand_ins or "")


def group_words(pieces: Sequence[bytes], language: str | None) -> list[TokenGroup]:
    """Group tokens, given by what they spell, into words: at spaces, or by character where none are written.

    Punctuation belongs to the word before it.
    """
    unspaced = language in _UNSPACED
    words: list[TokenGroup] = []
    for part in _characters(pieces):
        silent = _is_punctuation(part.text)
        if not words or part.text.startswith(" ") or (unspaced and not silent):
            words.append(part)
            continue
        word = words[-1]
        spoken = word.spoken if silent else part.last
        words[-1] = TokenGroup(word.text + part.text, word.first, spoken, part.last)
    return words


def _characters(pieces: Sequence[bytes]) -> list[TokenGroup]:
    """The shortest groups of tokens that decode to whole characters."""
    groups: list[TokenGroup] = []
    first, spelled = 0, b""
    for position, piece in enumerate(pieces, start=1):
        spelled += piece
        try:
            text = spelled.decode("utf-8")
        except UnicodeDecodeError as exc:
            # Cut short is not broken: the rest may come with the next token.
            if exc.reason == "unexpected end of data" and position < len(pieces):
                continue
            text = spelled.decode("utf-8", errors="replace")
        groups.append(TokenGroup(text, first, position, position))
        first, spelled = position, b""
    return groups


def _is_punctuation(text: str) -> bool:
    return all(category(char).startswith("P") for char in text.strip())


def _read(path: Path) -> tokenizers.Tokenizer:
    try:
        return tokenizers.Tokenizer.from_file(str(path))
    except Exception as exc:  # the Rust binding has no narrower class
        raise ValueError(f"{path.name} cannot be read: {exc}") from exc


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-in for each byte: visible Latin-1 stands for itself, others from U+0100 on."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in visible]
    stand_ins = {chr(byte): byte for byte in visible}
    stand_ins.update({chr(0x100 + place): byte for place, byte in enumerate(hidden)})
    return stand_ins
