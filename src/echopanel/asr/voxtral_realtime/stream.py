"""One source on a realtime server: a generation an utterance, one at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from echopanel.asr.increments import Heard
from echopanel.asr.provider import DecodeOptions, Hypothesis, Increment
from echopanel.asr.voxtral_realtime.codec import Delta, Done, Language, Refused, Reply
from echopanel.asr.voxtral_realtime.connection import Connection
from echopanel.asr.voxtral_realtime.settings import RealtimeSettings
from echopanel.audio import SAMPLE_BYTES, Samples, float_to_pcm16, to_samples, to_seconds
from echopanel.errors import ModelUnavailable, TranscriptionFailed

PIECE = to_samples(0.1) * SAMPLE_BYTES
DELAY_S = 0.48
# How long the text may take behind the end of an utterance: so long, and so much of its length.
DONE_S = 5.0
DONE_SHARE = 0.5
POLL_S = 0.1


@dataclass(slots=True)
class _Generation:
    """An utterance on its way: what was sent, what came, and the latest sign of life."""

    heard: Heard = field(default_factory=Heard)
    sent: int = 0  # samples
    sign_at: float = field(default_factory=time.monotonic)
    sign_sent: int = 0
    refused: Refused | None = None
    whole: str | None = None  # the text that came with `done`
    over: threading.Event = field(default_factory=threading.Event)

    def sign(self) -> None:
        """The server works on it."""
        self.sign_at, self.sign_sent = time.monotonic(), self.sent

    def silent(self, limit_s: float) -> bool:
        """Whether there has been no sign for so long, and for so much audio."""
        unsigned = to_seconds(self.sent - self.sign_sent)
        return unsigned > limit_s and time.monotonic() - self.sign_at > limit_s


class RealtimeStream:
    """A connection, replaced from time to time between utterances."""

    def __init__(
        self,
        connection: Connection,
        settings: RealtimeSettings,
        options: DecodeOptions,
        on_text: Callable[[Increment], None],
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._options = options
        self._on_text = on_text
        self._language = options.language
        self._generation: _Generation | None = None
        self._rest = b""
        self._closed = False

    def __repr__(self) -> str:
        return f"<RealtimeStream {self._connection!r} [{'speech' if self._generation else 'silence'}]>"

    def feed(self, samples: Samples) -> None:
        """Send it in pieces."""
        generation = self._generation or self._begin()
        data = self._rest + float_to_pcm16(samples)
        whole = len(data) - len(data) % PIECE
        self._rest = data[whole:]
        for at in range(0, whole, PIECE):
            self._send(generation, data[at : at + PIECE])
        self._check(generation)

    def finish(self) -> Hypothesis:
        """Say that it is over, and wait for the rest of the text.

        The server forgets audio that comes before it is done, so nothing may be fed meanwhile.
        """
        generation = self._generation
        if generation is None:
            return Hypothesis("", language=self._language, no_speech_prob=1.0)
        if self._rest:
            self._send(generation, self._rest)
            self._rest = b""
        self._connection.send(self._connection.codec.end())
        seconds = to_seconds(generation.sent)
        deadline = time.monotonic() + DONE_S + DONE_SHARE * seconds
        while not generation.over.wait(POLL_S):
            self._check(generation)
            if time.monotonic() > deadline:
                raise TranscriptionFailed(f"{self._connection.url}: the text does not come to an end")
        self._check(generation)
        self._generation = None
        return self._hypothesis(generation, seconds)

    def rest(self) -> None:
        """A server keeps memory for a connection as long as it lives: take a new one now and then."""
        if time.monotonic() - self._connection.opened_at > self._settings.rotate_s:
            self._reconnect()

    def close(self) -> None:
        """Close the connection."""
        self._closed = True
        self._connection.close()

    def _begin(self) -> _Generation:
        if time.monotonic() - self._connection.opened_at > 2 * self._settings.rotate_s:
            self._reconnect()  # there was never time for it
        self._generation = generation = _Generation()
        self._connection.on_reply = lambda reply: self._take(generation, reply)
        generation.refused = self._connection.refused
        if self._connection.ended:
            raise TranscriptionFailed(f"{self._connection.url}: {self._connection.ended}")
        self._check(generation)
        self._connection.send(self._connection.codec.begin())
        return generation

    def _reconnect(self) -> None:
        self._connection.close()
        self._connection = Connection(self._connection.url, self._settings)
        if self._closed:
            self._connection.close()

    def _send(self, generation: _Generation, pcm: bytes) -> None:
        generation.sent += len(pcm) // SAMPLE_BYTES
        self._connection.send(self._connection.codec.audio(pcm))

    def _take(self, generation: _Generation, reply: Reply) -> None:
        """In the connection's thread."""
        if generation.over.is_set():
            return
        generation.sign()
        match reply:
            case Delta(text):
                until = max(0.0, to_seconds(generation.sent) - DELAY_S)
                increment = Increment(text, until)
                generation.heard.add(increment)
                if text:
                    self._on_text(increment)
            case Language(code):
                self._language = code or self._language
            case Done(text):
                generation.whole = text
                generation.over.set()
            case Refused():
                generation.refused = generation.refused or reply
                generation.over.set()

    def _check(self, generation: _Generation) -> None:
        """Say what is wrong.

        Raises:
            ModelUnavailable: with the settings.
            TranscriptionFailed: with the connection or the server.
        """
        url = self._connection.url
        if self._closed:
            raise TranscriptionFailed("the stream was closed")
        if (refused := generation.refused) is not None:
            if refused.settled:
                raise ModelUnavailable(
                    self._settings.model_name, f"{url}: {refused.message}", "check realtime.model"
                )
            raise TranscriptionFailed(f"{url}: {refused}")
        if generation.silent(self._settings.watchdog_s):
            raise TranscriptionFailed(f"{url}: no sign of life for {self._settings.watchdog_s:g} s of speech")

    def _hypothesis(self, generation: _Generation, seconds: float) -> Hypothesis:
        text = generation.heard.text or " ".join((generation.whole or "").split())
        return Hypothesis(
            text=text,
            words=generation.heard.words(seconds) if self._options.word_timestamps else (),
            language=self._language,
            no_speech_prob=0.0 if text else 1.0,
        )
