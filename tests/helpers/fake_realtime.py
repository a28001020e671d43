"""A FAKE of the realtime servers of vLLM and Mistral, with the traps of the genuine ones.

It proves how connections are handled, not what Voxtral hears: its text is computed from the samples, like
that of the fake `voxtral`. What is kept of the genuine servers: audio that comes between the end of an
utterance and `done` is dropped; a second commit is ignored; errors leave the socket open; a model must be
named first.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from echopanel.asr.provider import Model, ModelSpec, Provider
from echopanel.asr.voxtral_realtime import VoxtralRealtime
from echopanel.asr.voxtral_realtime.settings import RealtimeSettings
from tests.helpers.fake_voxtral import BYTES, DELAY, RATE, TOKEN, Ear

MODEL = "mistralai/Voxtral-Mini-4B-Realtime-2602"
PATH = "/v1/realtime"


@dataclass
class Faults:
    """What goes wrong, at which second of an utterance's audio; each happens `times` times."""

    drop_s: float = float("inf")
    hang_s: float = float("inf")
    error_s: float = float("inf")
    times: int = 1
    done_after_s: float = 0.0  # how long `done` takes
    status: int = 0  # refuse the handshake
    mute: bool = False  # never say that a session has begun

    def due(self, at_s: float, heard: int) -> bool:
        """Whether it goes wrong now."""
        if heard < at_s * RATE or self.times <= 0:
            return False
        self.times -= 1
        return True


@dataclass
class FakeServer:
    """A server that runs, and what happened to it."""

    mistral: bool = False
    token: str = ""
    faults: Faults = field(default_factory=Faults)
    url: str = ""
    connections: int = 0
    open: int = 0
    generations: int = 0
    ignored_commits: int = 0
    dropped_samples: int = 0  # that came when they would be forgotten
    configured: list[dict[str, Any]] = field(default_factory=list)

    def handle(self, socket: ServerConnection) -> None:
        """One connection."""
        self.connections += 1
        self.open += 1
        try:
            if self.faults.mute:
                list(socket)
                return
            Peer(self, socket).run()
        except ConnectionClosed:
            pass
        finally:
            self.open -= 1


class Peer:
    """The server's end of a connection."""

    def __init__(self, server: FakeServer, socket: ServerConnection) -> None:
        self._server = server
        self._socket = socket
        self._model = ""
        self._running = False
        self._ending = False
        self._hung = False
        self._lock = threading.Lock()
        self._restart()

    def _restart(self) -> None:
        self._audio = bytearray()
        self._late = 0  # bytes of it that came too late
        self._heard = 0
        self._ear = Ear()
        self._words: deque[str] = deque()
        self._text = ""

    def run(self) -> None:
        """Answer messages until the other side has had enough."""
        self._say({"type": "session.created", "id": "sess-1", "created": 1})
        for text in self._socket:
            try:
                fields = json.loads(text)
            except ValueError:
                self._error("not JSON", "invalid_json")
                continue
            with self._lock:
                self._take(fields)

    def _take(self, fields: dict[str, Any]) -> None:
        kind = fields.get("type")
        if kind == "session.update":
            self._server.configured.append(fields)
            self._configure(fields)
        elif kind in {"input_audio_buffer.append", "input_audio.append"}:
            self._append(base64.b64decode(fields["audio"]))
        elif kind == "input_audio_buffer.commit":
            self._end() if fields.get("final") else self._begin()
        elif kind == "input_audio.flush":
            self._end()
        else:
            self._error(f"unknown event {kind}", "unknown_event")

    def _configure(self, fields: dict[str, Any]) -> None:
        if self._server.mistral:
            self._model = MODEL
            self._running = True
            self._say({"type": "session.updated"})
        elif fields.get("model") == MODEL:
            self._model = MODEL
        else:
            self._error(f"The model `{fields.get('model')}` does not exist.", "model_not_found")

    def _begin(self) -> None:
        if not self._model:
            self._error("the model was not validated", "model_not_validated")
        elif self._running:
            self._server.ignored_commits += 1
        else:
            self._running = True
            self._server.generations += 1
            self._work()

    def _append(self, pcm: bytes) -> None:
        if not pcm:
            self._error("empty audio", "invalid_audio")
            return
        self._audio += pcm
        if self._ending:
            self._server.dropped_samples += len(pcm) // BYTES
            self._late += len(pcm)
        elif self._running:
            self._work()

    def _work(self) -> None:
        """A delta a position, empty where there is no word."""
        step = TOKEN * BYTES
        faults = self._server.faults
        while not self._hung and len(self._audio) >= (1 + DELAY) * step:
            pcm = bytes(self._audio[:step])
            del self._audio[:step]
            self._heard += TOKEN
            if faults.due(faults.drop_s, self._heard):
                self._socket.close(1011)
                raise ConnectionClosed(None, None)
            if faults.due(faults.hang_s, self._heard):
                self._hung = True
                return
            if faults.due(faults.error_s, self._heard):
                self._error("engine failure", "processing_error")
                self._hung = True
                return
            self._words += self._ear.push(pcm)
            self._delta()

    def _delta(self) -> None:
        text = f" {self._words.popleft()}" if self._words else ""
        self._text += text
        name, key = (
            ("transcription.text.delta", "text") if self._server.mistral else ("transcription.delta", "delta")
        )
        self._say({"type": name, key: text})

    def _end(self) -> None:
        if not self._running or self._hung:
            return
        self._ending = True
        if self._server.faults.done_after_s:
            threading.Thread(target=self._done_later, daemon=True).start()
        else:
            self._done()

    def _done_later(self) -> None:
        time.sleep(self._server.faults.done_after_s)
        with self._lock:
            self._done()

    def _done(self) -> None:
        self._words += self._ear.push(bytes(self._audio[: len(self._audio) - self._late]))
        self._words += self._ear.push(bytes(2 * RATE))
        while self._words:
            self._delta()
        self._say({"type": "transcription.done", "text": self._text.strip(), "usage": {}})
        self._ending = False
        self._running = self._server.mistral
        self._restart()

    def _error(self, text: str, code: str) -> None:
        if self._server.mistral:
            self._say({"type": "error", "error": {"message": text, "code": code}})
        else:
            self._say({"type": "error", "error": text, "code": code})

    def _say(self, fields: dict[str, Any]) -> None:
        self._socket.send(json.dumps(fields))


@contextmanager
def fake_server(server: FakeServer | None = None) -> Iterator[FakeServer]:
    """A server on a free port of this machine."""
    fake = server or FakeServer()

    def admit(socket: ServerConnection, request: Any) -> Any:
        if fake.faults.status:
            return socket.respond(fake.faults.status, "no\n")
        if fake.token and request.headers.get("Authorization") != f"Bearer {fake.token}":
            return socket.respond(401, "no\n")
        return None

    with serve(fake.handle, "127.0.0.1", 0, process_request=admit) as listening:
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        fake.url = f"ws://127.0.0.1:{port_of(listening)}{PATH}"
        yield fake
    thread.join()


class ServedVoxtral(VoxtralRealtime):
    """The provider, at a fake server whatever it is asked for."""

    def __init__(self, url: str) -> None:
        self._url = url

    def load(self, spec: ModelSpec) -> Model:
        return super().load(replace(spec, options=RealtimeSettings((self._url,))))


@contextmanager
def served_by_server() -> Iterator[Provider]:
    """The provider `voxtral-realtime` at a fake server of its own."""
    with fake_server() as server:
        yield ServedVoxtral(server.url)


def port_of(server: Server) -> int:
    """Where it listens."""
    port: int = server.socket.getsockname()[1]
    return port
