"""One WebSocket to a realtime server, with a thread that takes what comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress

from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from echopanel.asr.voxtral_realtime.codec import Codec, Created, Refused, Reply, codec_of
from echopanel.asr.voxtral_realtime.settings import RealtimeSettings
from echopanel.errors import ModelUnavailable, TranscriptionFailed

CLOSE_S = 1.0
UNWANTED = {401, 403, 404}  # HTTP statuses that will be the same next time


class Connection:
    """An open, configured connection. `on_reply` is told of answers, in the connection's own thread."""

    def __init__(self, url: str, settings: RealtimeSettings) -> None:
        """Connect, and wait until the server says that it is there.

        Raises:
            ModelUnavailable: it does not want us, whenever we come.
            TranscriptionFailed: it cannot be reached now.
        """
        self.url = url
        self.codec: Codec = codec_of(settings)
        self.opened_at = time.monotonic()
        self.on_reply: Callable[[Reply], None] | None = None
        self.ended = ""  # why nothing comes any more
        self.refused: Refused | None = None  # what was said against our settings
        self._closing = ExitStack()
        self._socket = open_socket(self.codec.address(url), settings, self._closing)
        self._created = threading.Event()
        self._reader = threading.Thread(target=self._read, name="voxtral-realtime", daemon=True)
        self._reader.start()
        if not self._created.wait(settings.connect_s) or self.ended:
            reason = self.ended or "it does not begin a session"
            self.close()
            raise TranscriptionFailed(f"{url}: {reason}")
        self.send(self.codec.configure())

    def __repr__(self) -> str:
        return f"<Connection {self.url} [{self.ended or 'open'}]>"

    def send(self, messages: Iterable[str]) -> None:
        """Send messages.

        Raises:
            TranscriptionFailed: the connection is lost.
        """
        try:
            for text in messages:
                self._socket.send(text)
        except (OSError, WebSocketException) as error:
            raise TranscriptionFailed(f"{self.url}: {self.ended or error}") from error

    def close(self) -> None:
        """Close it; from any thread."""
        with suppress(OSError, WebSocketException):
            self._closing.close()

    def _read(self) -> None:
        try:
            for text in self._socket:
                self._take(self.codec.read(text if isinstance(text, str) else text.decode()))
        except (OSError, WebSocketException, ValueError) as error:
            self._end(f"connection lost: {error}")
        else:
            self._end("connection closed by the server")

    def _take(self, reply: Reply | None) -> None:
        if isinstance(reply, Created):
            self._created.set()
        elif reply is not None and self.on_reply is not None:
            self.on_reply(reply)
        elif isinstance(reply, Refused):
            self.refused = reply

    def _end(self, reason: str) -> None:
        self.ended = reason
        self._created.set()
        if self.on_reply is not None:
            self.on_reply(Refused(reason))


def open_socket(address: str, settings: RealtimeSettings, closing: ExitStack) -> ClientConnection:
    """Connect; `closing` closes it.

    Raises:
        ModelUnavailable: the server does not want us, whenever we come.
        TranscriptionFailed: it cannot be reached now.
    """
    headers = {"Authorization": f"Bearer {settings.token}"} if settings.token else None
    try:
        return closing.enter_context(
            connect(
                address, additional_headers=headers, open_timeout=settings.connect_s, close_timeout=CLOSE_S
            )
        )
    except InvalidStatus as error:
        status = error.response.status_code
        if status in UNWANTED:
            remedy = "check realtime.urls, realtime.dialect and realtime.token"
            raise ModelUnavailable(settings.model_name, f"{address} answers {status}", remedy) from error
        raise TranscriptionFailed(f"{address} answers {status}") from error
    except (OSError, WebSocketException) as error:
        raise TranscriptionFailed(f"{address} cannot be reached: {error}") from error
