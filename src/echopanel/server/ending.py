"""The end of a session: everything kept, everything final, everything written, the audio deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import structlog

from echopanel.audio import Source
from echopanel.errors import ErrorCode, StoreError, UnknownSession
from echopanel.server.keeper import Keeper
from echopanel.server.session import LiveSession
from echopanel.store.transcripts import SessionState
from echopanel.wire.messages import Error

log = structlog.get_logger(__name__)

RETRY_STORE_S = 1.0


async def put_aside(session: LiveSession, keeper: Keeper, captured: Mapping[Source, int]) -> None:
    """Close a session, and return when nothing that it took can be lost any more, whatever is pending.

    While the disk refuses, its client is told, and it is tried again.
    """
    session.close(captured)
    told = False
    while (refused := await _note(session, keeper, captured)) is not None:
        if not told:
            _tell(session, refused)
        told = True
        await asyncio.sleep(RETRY_STORE_S)


async def _note(session: LiveSession, keeper: Keeper, captured: Mapping[Source, int]) -> StoreError | None:
    """Have all audio in the journal, and a note that the rest is to be done; or what the disk said."""
    try:
        if not await keeper.write():
            return StoreError("the journal does not take the session's audio yet")
        await session.put_aside(captured)
    except UnknownSession:  # somebody deleted it meanwhile
        return None
    except StoreError as error:
        return error
    return None


async def wind_up(
    session: LiveSession, keeper: Keeper, captured: Mapping[Source, int], state: SessionState
) -> None:
    """End a session as `state`. While the disk refuses, its client is told, and it is tried again."""
    await session.finish(captured)
    told = False
    while (refused := await _write(session, keeper, state)) is not None:
        if not told:
            _tell(session, refused)
        told = True
        await asyncio.sleep(RETRY_STORE_S)
    await keeper.write()
    try:
        await keeper.retire(session.id)
    except StoreError as error:  # the text is safe; the audio is retired at the next start
        _tell(session, error)


async def _write(session: LiveSession, keeper: Keeper, state: SessionState) -> StoreError | None:
    """Write the ledgers and the end; what the disk said, if it said no."""
    store = keeper.transcripts
    try:
        await keeper.store(store.save_coverage, session.id, session.coverage())
        await keeper.store(store.end_session, session.id, datetime.now(UTC), state)
    except UnknownSession:  # somebody deleted it meanwhile
        return None
    except StoreError as error:
        return error
    return None


def _tell(session: LiveSession, error: StoreError) -> None:
    log.error("cannot end the session", session=session.id, error=str(error))
    session.tell(Error(ErrorCode.STORAGE_FAILED, str(error), fatal=False))
