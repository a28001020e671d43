"""The exception tree.

EchoPanelError
├── ProtocolError                the wire contract was broken
│   ├── LocalProtocolError         by this side: a bug in the calling code
│   └── RemoteProtocolError        by the other side; carries the wire error code to answer with
├── ServerError                  the server answered with an `error` message
│   └── Overloaded                 ... and said when to come back
├── ConnectionLost               the socket ended without `stopped`; `resumable`: does the session live on?
├── ProviderError                the recogniser
│   ├── ModelUnavailable           cannot be found, verified or loaded
│   ├── TranscriptionFailed        one call failed; the audio is still there
│   └── Busy                       it carries no more streams just now
├── StoreError                   the data directory cannot be read or written
│   ├── UnknownSession             no session has this id
│   ├── SessionRunning             it can be done only to a session that is complete
│   └── NoRecording                the audio of a session was not kept
├── AudioError                   a file or a buffer that is not audio we can read
├── DeviceError                  a sound device that is not there, or cannot be recorded
└── ConfigError                  a setting that cannot work, with what to do instead

Attributes are data; `__str__` makes the sentence. Ours, theirs and *try later* are different classes.
"""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    """Codes of the wire message `error`. `docs/protocol.md` has the table with close codes and what to do."""

    MALFORMED = "malformed"
    UNSUPPORTED_VERSION = "unsupported_version"
    UNEXPECTED_MESSAGE = "unexpected_message"
    INVALID_START = "invalid_start"
    UNKNOWN_SOURCE = "unknown_source"
    MESSAGE_TOO_LARGE = "message_too_large"
    RATE_EXCEEDED = "rate_exceeded"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN_ORIGIN = "forbidden_origin"
    UNKNOWN_SESSION = "unknown_session"
    SESSION_TAKEN_OVER = "session_taken_over"
    SESSION_LIMIT = "session_limit"
    CLIENT_LIMIT = "client_limit"
    OVERLOADED = "overloaded"
    NOT_READY = "not_ready"
    GOING_AWAY = "going_away"
    IDLE_TIMEOUT = "idle_timeout"
    SLOW_CLIENT = "slow_client"
    RECOGNISER_FAILED = "recogniser_failed"
    STORAGE_FAILED = "storage_failed"
    INTERNAL = "internal"


class EchoPanelError(Exception):
    """Base of everything this package raises on purpose."""


class ProtocolError(EchoPanelError):
    """The wire contract was broken."""

    def __init__(self, message: str, code: ErrorCode = ErrorCode.MALFORMED) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class LocalProtocolError(ProtocolError):
    """This side tried to send something that the connection's state does not allow."""


class RemoteProtocolError(ProtocolError):
    """The other side sent something that the contract does not allow."""


class ServerError(EchoPanelError):
    """The server refused or ended the session and said why."""

    def __init__(self, code: ErrorCode, message: str, retry_after: float | None = None) -> None:
        super().__init__(code, message, retry_after)
        self.code = code
        self.message = message
        self.retry_after = retry_after

    def __str__(self) -> str:
        later = "" if self.retry_after is None else f" (try again in {self.retry_after:.0f} s)"
        return f"{self.code}: {self.message}{later}"


class Overloaded(ServerError):
    """No room now; `retry_after` seconds later there may be."""


class ConnectionLost(EchoPanelError):
    """The connection ended before the server said `stopped`."""

    def __init__(self, reason: str, *, resumable: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.resumable = resumable

    def __str__(self) -> str:
        return f"connection lost: {self.reason}"


class ProviderError(EchoPanelError):
    """Something in the recogniser."""


class ModelUnavailable(ProviderError):
    """A model that cannot be found, verified or loaded; `remedy` says what to do about it."""

    def __init__(self, model: str, reason: str, remedy: str = "") -> None:
        super().__init__(model, reason, remedy)
        self.model = model
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        return f"model {self.model!r}: {self.reason}" + (f"; {self.remedy}" if self.remedy else "")


class TranscriptionFailed(ProviderError):
    """One recogniser call failed."""


class Busy(ProviderError):
    """A streaming recogniser carries no more streams just now; that is no failure."""


class StoreError(EchoPanelError):
    """The data directory cannot be used."""


class UnknownSession(StoreError):
    """No session has this id."""

    def __init__(self, session: str) -> None:
        super().__init__(session)
        self.session = session

    def __str__(self) -> str:
        return f"there is no session {self.session!r}"


class SessionRunning(StoreError):
    """The session still runs, or is being completed."""

    def __init__(self, session: str, remedy: str) -> None:
        super().__init__(session, remedy)
        self.session = session
        self.remedy = remedy

    def __str__(self) -> str:
        return f"session {self.session} is not complete; {self.remedy}"


class NoRecording(StoreError):
    """The audio of a session was not kept."""

    def __init__(self, session: str) -> None:
        super().__init__(session)
        self.session = session

    def __str__(self) -> str:
        return f"session {self.session} has no recording; sessions are recorded by a server with `--record`"


class AudioError(EchoPanelError):
    """Audio that cannot be read."""


class DeviceError(EchoPanelError):
    """A sound device that cannot be used."""


class ConfigError(EchoPanelError):
    """A setting that cannot work."""

    def __init__(self, key: str, value: object, reason: str) -> None:
        super().__init__(key, value, reason)
        self.key = key
        self.value = value
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.key}={self.value}: {self.reason}"
