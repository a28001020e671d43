"""What each error code means for a connection, in one table, and which errors are worth another try."""

from __future__ import annotations

from dataclasses import dataclass

from echopanel.errors import ConnectionLost, ErrorCode, Overloaded, ServerError
from echopanel.wire.messages import Error

NORMAL_CLOSE = 1000


@dataclass(frozen=True, slots=True)
class Closing:
    """How an error ends a connection.

    `close_code` is the WebSocket's, unique per error; `http_status` answers the handshake where the error is
    known so early; `retryable` says whether the same client may succeed later; `remedy` is what to do.
    """

    close_code: int
    http_status: int | None
    retryable: bool
    remedy: str


CLOSING: dict[ErrorCode, Closing] = {
    ErrorCode.MALFORMED: Closing(4400, None, False, "Correct the message that the error names."),
    ErrorCode.UNSUPPORTED_VERSION: Closing(4426, None, False, "Update the older of client and server."),
    ErrorCode.UNEXPECTED_MESSAGE: Closing(
        4409, None, False, "Send messages in the order of the state diagram."
    ),
    ErrorCode.INVALID_START: Closing(4422, None, False, "Correct the field of `start` that the error names."),
    ErrorCode.UNKNOWN_SOURCE: Closing(
        4423, None, False, "Name the source in `start`; there are `mic` and `system`."
    ),
    ErrorCode.MESSAGE_TOO_LARGE: Closing(
        1009, None, False, "Send shorter frames; `ready.limits` has the limits."
    ),
    ErrorCode.RATE_EXCEEDED: Closing(
        4429, None, True, "Send no more than `credit` and `ready.limits` allow."
    ),
    ErrorCode.UNAUTHORIZED: Closing(4401, 401, False, "Give the server's token."),
    ErrorCode.FORBIDDEN_ORIGIN: Closing(
        1008, 403, False, "Open the page from the server, or list its origin there."
    ),
    ErrorCode.UNKNOWN_SESSION: Closing(
        4404, None, False, "Start a new session; `continues` can name the old one."
    ),
    ErrorCode.SESSION_TAKEN_OVER: Closing(
        4410, None, False, "Nothing: another connection goes on with the session."
    ),
    ErrorCode.SESSION_LIMIT: Closing(4503, 503, True, "Come back after `retry_after`, or end a session."),
    ErrorCode.CLIENT_LIMIT: Closing(
        4430, 429, True, "Come back after `retry_after`, or end one of your sessions."
    ),
    ErrorCode.OVERLOADED: Closing(1013, 503, True, "Come back after `retry_after`."),
    ErrorCode.NOT_READY: Closing(4425, 503, True, "Come back after `retry_after`: the model is loading."),
    ErrorCode.GOING_AWAY: Closing(1012, 503, True, "Reconnect and resume: the server restarts."),
    ErrorCode.IDLE_TIMEOUT: Closing(
        4408, None, True, "Send `start` soon, then audio or `ping`; reconnect and resume."
    ),
    ErrorCode.SLOW_CLIENT: Closing(4413, None, True, "Read faster; reconnect and resume."),
    ErrorCode.RECOGNISER_FAILED: Closing(
        4500, None, True, "Reconnect and resume; the server's log has the cause."
    ),
    ErrorCode.STORAGE_FAILED: Closing(
        4507, None, True, "Free disk space on the server, then reconnect and resume."
    ),
    ErrorCode.INTERNAL: Closing(1011, None, True, "Reconnect and resume; the server's log has the cause."),
}

_BY_CLOSE_CODE = {closing.close_code: code for code, closing in CLOSING.items()}
_BY_HTTP_STATUS = {
    401: ErrorCode.UNAUTHORIZED,
    403: ErrorCode.FORBIDDEN_ORIGIN,
    429: ErrorCode.CLIENT_LIMIT,
    503: ErrorCode.OVERLOADED,
}
_COME_BACK_LATER = {
    ErrorCode.SESSION_LIMIT,
    ErrorCode.CLIENT_LIMIT,
    ErrorCode.OVERLOADED,
    ErrorCode.NOT_READY,
}


def code_of_close(close_code: int) -> ErrorCode | None:
    """The error that a close code stands for, if it is one of ours."""
    return _BY_CLOSE_CODE.get(close_code)


def code_of_status(status: int) -> ErrorCode | None:
    """The error that an HTTP answer to the handshake stands for; its body, an `error` message, says more."""
    return _BY_HTTP_STATUS.get(status)


def to_exception(error: Error) -> ServerError:
    """The exception that an `error` message is to a client's caller."""
    kind = Overloaded if error.code in _COME_BACK_LATER else ServerError
    return kind(error.code, error.message, error.retry_after)


def is_retryable(exc: BaseException) -> bool:
    """Whether connecting again may help; everything else is final."""
    if isinstance(exc, ServerError):
        return CLOSING[exc.code].retryable
    return isinstance(exc, ConnectionLost)
