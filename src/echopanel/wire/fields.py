"""Checked access to the fields of one JSON object; every complaint is a sentence that names the field."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from math import isfinite
from typing import TypeVar

from echopanel.audio import Source
from echopanel.errors import ErrorCode, RemoteProtocolError

MAX_SAMPLE = 2**53  # the largest integer that a double, hence JavaScript, counts to without gaps
MAX_NUMBER = 1e15
MAX_ID = 128
MAX_TEXT = 65_536

Choice = TypeVar("Choice", bound=StrEnum)


class Fields:
    """Reader of a JSON object at `path` ("" for the message itself).

    Every method raises RemoteProtocolError with `code` when the field is missing or is not what it must be;
    a `default` makes a field optional, and null then counts as missing.
    """

    def __init__(self, value: object, path: str = "", code: ErrorCode = ErrorCode.MALFORMED) -> None:
        self._path = path
        self._code = code
        if not isinstance(value, Mapping):
            raise self.error("", "must be an object")
        self._value = value

    def error(self, name: str, complaint: str, code: ErrorCode | None = None) -> RemoteProtocolError:
        """The complaint about a field, as an exception to raise."""
        where = ".".join(part for part in (self._path, name) if part) or "the message"
        return RemoteProtocolError(f"{where} {complaint}", code or self._code)

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._value.get(name) is not None

    def text(self, name: str, limit: int = MAX_TEXT, default: str | None = None) -> str:
        """A string of at most `limit` characters."""
        if default is not None and not self.has(name):
            return default
        return self._text(name, self._get(name), limit)

    def optional_text(self, name: str, limit: int = MAX_TEXT) -> str | None:
        """A string, or None where it is missing."""
        return self.text(name, limit) if self.has(name) else None

    def identifier(self, name: str) -> str:
        """A string of 1 to 128 characters."""
        return self._identifier(name, self._get(name))

    def identifiers(self, name: str) -> tuple[str, ...]:
        """A list of identifiers."""
        return tuple(self._identifier(f"{name}[{i}]", item) for i, item in enumerate(self._list(name)))

    def integer(self, name: str, low: int = 0, default: int | None = None) -> int:
        """A whole number in [low, 2**53]."""
        if default is not None and not self.has(name):
            return default
        value = self._get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.error(name, "must be a whole number")
        if not low <= value <= MAX_SAMPLE:
            raise self.error(name, f"must be from {low} to 2**53")
        return value

    def number(
        self, name: str, low: float = 0.0, high: float = MAX_NUMBER, default: float | None = None
    ) -> float:
        """A finite number in [low, high]."""
        if default is not None and not self.has(name):
            return default
        value = self._get(name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.error(name, "must be a number")
        if isinstance(value, float) and not isfinite(value):
            raise self.error(name, "must be finite")
        if not low <= value <= high:
            raise self.error(name, f"must be from {low:g} to {high:g}")
        return float(value)

    def optional_number(self, name: str, low: float = 0.0) -> float | None:
        """A finite number, or None where it is missing."""
        return self.number(name, low) if self.has(name) else None

    def flag(self, name: str, default: bool | None = None) -> bool:
        """True or false."""
        if default is not None and not self.has(name):
            return default
        value = self._get(name)
        if not isinstance(value, bool):
            raise self.error(name, "must be true or false")
        return value

    def choice(self, name: str, kind: type[Choice]) -> Choice:
        """One of the values of an enum."""
        value = self._get(name)
        if not isinstance(value, str) or value not in list(kind):
            raise self.error(name, f"must be one of: {', '.join(kind)}")
        return kind(value)

    def source(self, name: str) -> Source:
        """The name of an audio source."""
        return self._source(name, self._get(name))

    def sources(self, name: str) -> tuple[Source, ...]:
        """A list of at least one source, none twice."""
        sources = tuple(self._source(f"{name}[{i}]", item) for i, item in enumerate(self._list(name)))
        if not sources:
            raise self.error(name, "must name at least one source")
        if len(set(sources)) < len(sources):
            raise self.error(name, "names a source twice")
        return sources

    def objects(self, name: str) -> list[Fields]:
        """A list of objects; missing counts as empty."""
        items = self._list(name) if self.has(name) else []
        return [Fields(item, self._at(f"{name}[{i}]"), self._code) for i, item in enumerate(items)]

    def by_source(self, name: str) -> dict[Source, Fields]:
        """An object whose keys are sources and whose values are objects."""
        inner = self.child(name)
        return {source: inner.child(source) for source in inner.keys_as_sources()}

    def samples_by_source(self, name: str) -> dict[Source, int]:
        """An object whose keys are sources and whose values are sample indices; missing counts as empty."""
        if not self.has(name):
            return {}
        inner = self.child(name)
        return {source: inner.integer(source) for source in inner.keys_as_sources()}

    def child(self, name: str) -> Fields:
        """The object in a field."""
        return Fields(self._get(name), self._at(name), self._code)

    def keys_as_sources(self) -> list[Source]:
        """All keys of this object, each of which must be the name of a source."""
        return [self._source(str(key), key) for key in self._value]

    def _get(self, name: str) -> object:
        if name not in self._value:
            raise self.error(name, "is missing")
        return self._value[name]

    def _list(self, name: str) -> list[object]:
        value = self._get(name)
        if not isinstance(value, list):
            raise self.error(name, "must be a list")
        return value

    def _text(self, name: str, value: object, limit: int) -> str:
        if not isinstance(value, str):
            raise self.error(name, "must be a string")
        if len(value) > limit:
            raise self.error(name, f"is longer than {limit} characters")
        if not is_unicode(value):
            raise self.error(name, "holds half a surrogate pair")
        return value

    def _identifier(self, name: str, value: object) -> str:
        text = self._text(name, value, MAX_ID)
        if not text:
            raise self.error(name, "must not be empty")
        return text

    def _source(self, name: str, value: object) -> Source:
        if not isinstance(value, str) or value not in list(Source):
            raise self.error(name, f"must be one of: {', '.join(Source)}", ErrorCode.UNKNOWN_SOURCE)
        return Source(value)

    def _at(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name


def is_unicode(text: str) -> bool:
    """Whether UTF-8 can carry `text`; JSON's escapes can spell lone surrogates, which it cannot."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)
