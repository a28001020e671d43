"""What errors mean for a connection."""

from __future__ import annotations

import pytest

from echopanel.errors import (
    AudioError,
    ConfigError,
    ConnectionLost,
    ErrorCode,
    LocalProtocolError,
    Overloaded,
    RemoteProtocolError,
    ServerError,
)
from echopanel.wire.closing import (
    CLOSING,
    code_of_close,
    code_of_status,
    is_retryable,
    to_exception,
)
from echopanel.wire.messages import Error

STANDARD = {1008, 1009, 1011, 1012, 1013}


@pytest.mark.parametrize("code", ErrorCode)
def test_every_error_has_a_close_code_of_its_own(code: ErrorCode) -> None:
    """Who sees only the close code knows the error."""
    close_code = CLOSING[code].close_code
    assert close_code in STANDARD or 4000 <= close_code <= 4999
    assert code_of_close(close_code) is code


@pytest.mark.parametrize("code", [code for code, closing in CLOSING.items() if closing.http_status])
def test_an_http_refusal_is_retryable_or_not_like_its_error(code: ErrorCode) -> None:
    """Who sees only the HTTP status reacts as to the error itself."""
    status = CLOSING[code].http_status
    assert status is not None
    guess = code_of_status(status)
    assert guess is not None
    assert CLOSING[guess].retryable is CLOSING[code].retryable


def test_unknown_codes_stand_for_nothing() -> None:
    """Proxies answer what they like."""
    assert code_of_close(1006) is None
    assert code_of_status(502) is None


@pytest.mark.parametrize(
    ("exc", "again"),
    [
        (ConnectionLost("reset", resumable=True), True),
        (ConnectionLost("refused", resumable=False), True),
        (Overloaded(ErrorCode.SESSION_LIMIT, "full", 5.0), True),
        (ServerError(ErrorCode.GOING_AWAY, "restart"), True),
        (ServerError(ErrorCode.UNAUTHORIZED, "no"), False),
        (ServerError(ErrorCode.UNSUPPORTED_VERSION, "no"), False),
        (ServerError(ErrorCode.SESSION_TAKEN_OVER, "no"), False),
        (RemoteProtocolError("nonsense"), False),
        (LocalProtocolError("nonsense"), False),
        (ConfigError("url", "x", "no"), False),
        (AudioError("no"), False),
        (KeyError("x"), False),
    ],
)
def test_retryable_and_final_errors_are_told_apart(exc: Exception, again: bool) -> None:
    """Only what may go away by itself is tried again."""
    assert is_retryable(exc) is again


def test_errors_become_exceptions() -> None:
    """The class says whether to come back, the attributes carry the rest."""
    overloaded = to_exception(Error(ErrorCode.NOT_READY, "loading", retry_after=2.0))
    assert isinstance(overloaded, Overloaded)
    assert overloaded.retry_after == 2.0
    assert type(to_exception(Error(ErrorCode.INTERNAL, "oops"))) is ServerError
