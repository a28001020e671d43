"""How WebSockets begin and end: who is let in, and the last words."""

from __future__ import annotations

import asyncio
import contextlib

from fastapi import WebSocket, WebSocketDisconnect

from echopanel.errors import ErrorCode
from echopanel.server.auth import Guard
from echopanel.server.problems import denied_response
from echopanel.wire.closing import CLOSING, NORMAL_CLOSE
from echopanel.wire.codec import encode
from echopanel.wire.handshake import SUBPROTOCOL
from echopanel.wire.messages import Error

CLOSE_TIMEOUT_S = 2.0


async def let_in(websocket: WebSocket, guard: Guard) -> bool:
    """Accept the socket of somebody who may in; say why not to anybody else."""
    asked = websocket.scope.get("subprotocols", [])
    denied = (
        guard.check_host(websocket.headers)
        or guard.check_origin(websocket.headers)
        or guard.check_token(websocket.headers, asked)
    )
    subprotocol = SUBPROTOCOL if SUBPROTOCOL in asked else None
    if denied is None:
        await websocket.accept(subprotocol)
    elif denied.code is ErrorCode.UNAUTHORIZED and subprotocol:
        # A browser's page cannot read the answer to a refused handshake: tell it on the open socket.
        await websocket.accept(subprotocol)
        await close(websocket, Error(denied.code, denied.message))
    else:
        await websocket.send_denial_response(denied_response(denied))
    return denied is None


async def close(websocket: WebSocket, last_words: Error | None) -> None:
    """Say why, if there is a reason, and close with the code that belongs to it."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            if last_words is None:
                await websocket.close(NORMAL_CLOSE)
                return
            await websocket.send_text(str(encode(last_words)))
            await websocket.close(CLOSING[last_words.code].close_code, last_words.code)
