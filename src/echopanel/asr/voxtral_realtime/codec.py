"""The two dialects of realtime transcription: what is sent, and what the answers mean. No sockets here."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any, Protocol

from echopanel.asr.voxtral_realtime.settings import Dialect, RealtimeSettings
from echopanel.audio import SAMPLE_RATE

# Trying again does not help against these.
SETTLED = frozenset({"model_not_found", "model_not_validated"})


@dataclass(frozen=True, slots=True)
class Created:
    """The server is there."""


@dataclass(frozen=True, slots=True)
class Delta:
    """More text, often none: a sign of life all the same."""

    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """The text of an utterance is complete."""

    text: str


@dataclass(frozen=True, slots=True)
class Language:
    """What the server takes the language to be."""

    code: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Something did not work; the connection stays open."""

    message: str
    code: str = ""

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.code else self.message

    @property
    def settled(self) -> bool:
        """Whether it would be the same the next time."""
        return self.code in SETTLED


Reply = Created | Delta | Done | Language | Refused


class Codec(Protocol):
    """One dialect. Methods give the messages to send, as text."""

    def address(self, url: str) -> str:
        """Where to connect to."""
        ...

    def configure(self) -> list[str]:
        """After the server said that it is there."""
        ...

    def begin(self) -> list[str]:
        """Before the first audio of an utterance."""
        ...

    def audio(self, pcm: bytes) -> list[str]:
        """Some s16le mono 16 kHz."""
        ...

    def end(self) -> list[str]:
        """Behind the last audio of an utterance."""
        ...

    def read(self, text: str) -> Reply | None:
        """What an answer says; None for what does not matter.

        Raises:
            ValueError: it is not an answer of this dialect.
        """
        ...


class Vllm:
    """`/v1/realtime` of vLLM: a commit begins a generation, a final commit ends it."""

    def __init__(self, settings: RealtimeSettings) -> None:
        self._settings = settings

    def address(self, url: str) -> str:
        """As it is."""
        return url

    def configure(self) -> list[str]:
        """Its model has to be named; a success has no answer."""
        return [message("session.update", model=self._settings.model_name)]

    def begin(self) -> list[str]:
        """Begin a generation."""
        return [message("input_audio_buffer.commit")]

    def audio(self, pcm: bytes) -> list[str]:
        """Base64 in JSON."""
        return [message("input_audio_buffer.append", audio=encode(pcm))]

    def end(self) -> list[str]:
        """End the generation; `done` will follow."""
        return [message("input_audio_buffer.commit", final=True)]

    def read(self, text: str) -> Reply | None:
        """Flat messages; errors are a string and a code."""
        fields = decode(text)
        match fields["type"]:
            case "session.created":
                return Created()
            case "transcription.delta":
                return Delta(str(fields.get("delta", "")))
            case "transcription.done":
                return Done(str(fields.get("text", "")))
            case "error":
                return Refused(str(fields.get("error", "")), str(fields.get("code", "")))
        return None


class Mistral:
    """Mistral's own service: a session begins with the connection, a flush ends an utterance."""

    def __init__(self, settings: RealtimeSettings) -> None:
        self._settings = settings

    def address(self, url: str) -> str:
        """The model is part of it."""
        return f"{url}{'&' if '?' in url else '?'}model={self._settings.model_name}"

    def configure(self) -> list[str]:
        """The format of the audio, and how long the model may wait."""
        session: dict[str, Any] = {"audio_format": {"encoding": "pcm_s16le", "sample_rate": SAMPLE_RATE}}
        if self._settings.delay_ms is not None:
            session["target_streaming_delay_ms"] = self._settings.delay_ms
        return [message("session.update", session=session)]

    def begin(self) -> list[str]:
        """It has begun."""
        return []

    def audio(self, pcm: bytes) -> list[str]:
        """Base64 in JSON."""
        return [message("input_audio.append", audio=encode(pcm))]

    def end(self) -> list[str]:
        """Make it give all text; `done` will follow."""
        return [message("input_audio.flush")]

    def read(self, text: str) -> Reply | None:
        """Errors are an object with a message, which may be an object itself."""
        fields = decode(text)
        match fields["type"]:
            case "session.created":
                return Created()
            case "transcription.text.delta":
                return Delta(str(fields.get("text", "")))
            case "transcription.done":
                return Done(str(fields.get("text", "")))
            case "transcription.language":
                return Language(str(fields.get("audio_language") or fields.get("language") or ""))
            case "error":
                error = fields.get("error")
                inner = error if isinstance(error, dict) else {"message": error}
                return Refused(str(inner.get("message", "")), str(inner.get("code", "")))
        return None


def codec_of(settings: RealtimeSettings) -> Codec:
    """That of a dialect."""
    return Vllm(settings) if settings.dialect == Dialect.VLLM else Mistral(settings)


def message(kind: str, **fields: object) -> str:
    """One message as JSON."""
    return json.dumps({"type": kind, **fields})


def encode(pcm: bytes) -> str:
    """Bytes as JSON can hold them."""
    return base64.b64encode(pcm).decode("ascii")


def decode(text: str) -> dict[str, Any]:
    """The fields of a message.

    Raises:
        ValueError: it is not an object with a type.
    """
    fields = json.loads(text)
    if not isinstance(fields, dict) or "type" not in fields:
        raise ValueError(f"not a message: {text[:80]}")
    return fields
