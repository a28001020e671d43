"""Error answers over HTTP: the same code and sentence as the wire's `error`."""

from __future__ import annotations

from starlette.responses import JSONResponse

from echopanel.errors import ErrorCode
from echopanel.server.auth import Denied
from echopanel.wire.closing import CLOSING


def problem(status: int, code: ErrorCode, message: str, retry_after: float | None = None) -> JSONResponse:
    """A JSON answer with `code` and `message`; `retry_after` in seconds also goes into its header."""
    headers = {} if retry_after is None else {"Retry-After": str(max(1, round(retry_after)))}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = {"type": "error", "code": code, "message": message, "fatal": True}
    if retry_after is not None:
        body["retry_after"] = retry_after
    return JSONResponse(body, status, headers)


def denied_response(denied: Denied) -> JSONResponse:
    """The answer to somebody who may not in."""
    return problem(CLOSING[denied.code].http_status or 403, denied.code, denied.message)
