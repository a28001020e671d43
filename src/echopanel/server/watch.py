"""The socket `/v1/sessions/{id}/events`: a session as it goes on, for those who only read along."""

from __future__ import annotations

import asyncio

from fastapi import WebSocket, WebSocketDisconnect

from echopanel.errors import ErrorCode, StoreError, UnknownSession
from echopanel.server.auth import Guard
from echopanel.server.broadcast import missed_by
from echopanel.server.door import close, let_in
from echopanel.server.keeper import Keeper
from echopanel.server.outbox import Outbox
from echopanel.server.session import LiveSession
from echopanel.server.sessions import Sessions
from echopanel.wire.codec import encode
from echopanel.wire.messages import Error, Stopped

WATCH_PATH = "/v1/sessions/{session_id}/events"
BOUND = 2000
RETRY_S = 5.0


async def serve_watcher(
    websocket: WebSocket, session_id: str, after: int, guard: Guard, sessions: Sessions, keeper: Keeper
) -> None:
    """Let somebody in and tell what happens in a session behind event `after`, until it or they end."""
    if not await let_in(websocket, guard):
        return
    last_words: Error | None
    outbox = Outbox(BOUND)
    entry = sessions.roster.get(session_id)
    session = None if entry is None else entry.session
    try:
        refused = refusal(sessions, session)
        if refused is None:
            await prepare(session, session_id, after, outbox, sessions, keeper)
        last_words = refused or await tell(websocket, outbox)
    except UnknownSession as error:
        last_words = Error(ErrorCode.UNKNOWN_SESSION, str(error))
    except StoreError as error:
        last_words = Error(ErrorCode.STORAGE_FAILED, str(error))
    finally:
        if session is not None:
            session.audience.remove(outbox)
    await close(websocket, last_words)


def refusal(sessions: Sessions, session: LiveSession | None) -> Error | None:
    """Why nobody can watch just now, if so."""
    if not sessions.ready:  # a session that is about to be taken up again would look like one that has ended
        return Error(ErrorCode.NOT_READY, "the server is starting or stopping", retry_after=RETRY_S)
    if session is not None and session.audience.full:
        return Error(ErrorCode.OVERLOADED, "as many as may are watching this session", retry_after=RETRY_S)
    return None


async def prepare(
    session: LiveSession | None,
    session_id: str,
    after: int,
    outbox: Outbox,
    sessions: Sessions,
    keeper: Keeper,
) -> None:
    """Fill `outbox` with what was missed; it goes on being filled while the session runs."""
    if session is not None:
        await session.watch(outbox, after)
    else:
        outbox.preload(await missed_by(keeper, session_id, after))
    if session_id not in sessions.roster:  # it has ended, perhaps while we came in
        outbox.preload([Stopped(session_id, await keeper.store(keeper.transcripts.coverage, session_id))])


async def tell(websocket: WebSocket, outbox: Outbox) -> Error | None:
    """Send what comes until the end of the session or the connection; returns the last words, if any."""
    tasks = [
        asyncio.create_task(send(websocket, outbox)),
        asyncio.create_task(until_gone(websocket)),
        asyncio.create_task(until_full(outbox)),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def send(websocket: WebSocket, outbox: Outbox) -> Error | None:
    """Send messages; returns the error that was to end the connection, None behind `stopped`."""
    while True:
        message = await outbox.get()
        if isinstance(message, Error) and message.fatal:
            return message
        try:
            await websocket.send_text(str(encode(message)))
        except (WebSocketDisconnect, RuntimeError):  # Starlette's words for "the peer is gone"
            return None
        if isinstance(message, Stopped):
            return None


async def until_gone(websocket: WebSocket) -> None:
    """Read on, so that the end of the connection is seen; spectators have nothing to say."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


async def until_full(outbox: Outbox) -> Error:
    """Wait until somebody has stopped reading."""
    await outbox.overflowed.wait()
    return Error(ErrorCode.SLOW_CLIENT, "too many unread messages; connect again with `after`")
