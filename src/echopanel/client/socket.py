"""Opening a WebSocket, and what its failures mean in our words."""

from __future__ import annotations

import os
import ssl
from dataclasses import replace

from websockets.asyncio.client import ClientConnection as Socket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.http11 import Response
from websockets.typing import Subprotocol

from echopanel.client.address import Address
from echopanel.errors import ConfigError, ConnectionLost, EchoPanelError, ProtocolError
from echopanel.wire.client import BOUNDS
from echopanel.wire.closing import code_of_close, code_of_status, to_exception
from echopanel.wire.codec import decode
from echopanel.wire.handshake import SUBPROTOCOL
from echopanel.wire.messages import Error

CLOSE_TIMEOUT_S = 2.0


async def open_socket(address: Address) -> Socket:
    """Open the WebSocket; one attempt.

    Raises:
        ConfigError: there is no such place, or it is not an EchoPanel server.
        ConnectionLost: nobody answers there now.
        ServerError: the server refused.
    """
    headers = {"Authorization": f"Bearer {address.token}"} if address.token is not None else None
    try:
        return await connect(
            address.url,
            ssl=address.ssl,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            additional_headers=headers,
            # PCM does not shrink, and a server on this machine needs no proxy.
            compression=None,
            proxy=None,
            # Timeouts. The protocol has a ping of its own, which tells a stuck server from a dead one.
            open_timeout=address.open_timeout,
            close_timeout=CLOSE_TIMEOUT_S,
            ping_interval=None,
            # Limits
            max_size=BOUNDS.max_message_bytes,
        )
    except InvalidStatus as error:
        raise _refusal(address, error.response) from error
    except ssl.SSLError as error:
        raise ConfigError("url", address.url, f"TLS failed: {error.reason or error}") from error
    except InvalidURI as error:
        raise ConfigError("url", address.url, "not a WebSocket address") from error
    except TimeoutError as error:
        raise ConnectionLost(f"{address.url} does not answer", resumable=False) from error
    except (OSError, InvalidHandshake, EOFError) as error:
        reason = f"cannot reach {address.url}: {_brief(error)}; is the server running?"
        raise ConnectionLost(reason, resumable=False) from error


def meaning_of_close(closed: ConnectionClosed) -> EchoPanelError:
    """Why a connection ended that had not been told so by an `error` message."""
    frame = closed.rcvd
    code = code_of_close(frame.code) if frame else None
    if frame is None or code is None:
        return ConnectionLost("the network connection broke" if frame is None else str(frame), resumable=True)
    return to_exception(Error(code, frame.reason or "the server closed the connection"))


def _refusal(address: Address, response: Response) -> EchoPanelError:
    """What an HTTP answer instead of a WebSocket means."""
    told = _error_in(response.body)
    if told is not None:
        return to_exception(told)
    code, retry_after = code_of_status(response.status_code), _retry_after(response)
    if code is not None:
        reason = f"{address.url} answers HTTP {response.status_code} {response.reason_phrase}"
        return to_exception(Error(code, reason, retry_after=retry_after))
    if response.status_code >= 500:
        return ConnectionLost(f"{address.url} answers HTTP {response.status_code}", resumable=False)
    reason = f"answers HTTP {response.status_code}; is this an EchoPanel server?"
    return ConfigError("url", address.url, reason)


def _error_in(body: bytes | bytearray) -> Error | None:
    """The `error` message in the body of an HTTP answer, if there is one."""
    try:
        message = decode(bytes(body).decode())
    except (ProtocolError, UnicodeDecodeError):
        return None
    return replace(message, fatal=True) if isinstance(message, Error) else None


def _retry_after(response: Response) -> float | None:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else None


def _brief(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
