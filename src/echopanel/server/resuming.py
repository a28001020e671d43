"""What a session leaves behind so that its client, or another process, can go on with it."""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from echopanel.audio import Source
from echopanel.engine.recovery import Past
from echopanel.errors import StoreError, UnknownSession
from echopanel.server.keeper import Found, Keeper
from echopanel.store.transcripts import ResumeRecord, SessionRecord, SessionState, StoredEvent
from echopanel.transcript import Final, Gap, Revision
from echopanel.wire.messages import SourceReady, Start, Stopped

log = structlog.get_logger(__name__)

FOUND = "Found without its text"  # the title of a session of which only the audio was left


@dataclass(frozen=True, slots=True)
class Ended:
    """A session that was stopped at `at` (monotonic), for a client that missed the end of it."""

    record: ResumeRecord
    standing: dict[Source, SourceReady]
    stopped: Stopped
    at: float


async def ended_before(keeper: Keeper, session: str, window_s: float) -> Ended | None:
    """A session that an earlier process ended within the last `window_s` seconds, for the same purpose.

    Raises:
        StoreError: the disk does not do its part.
    """
    store = keeper.transcripts
    try:
        about = await keeper.store(store.session, session)
        record = await keeper.store(store.resume, session)
    except UnknownSession:
        return None
    age_s = (datetime.now(UTC) - about.ended).total_seconds() if about.ended else math.inf
    if about.state is not SessionState.ENDED or record is None or age_s > window_s:
        return None
    ledgers = await keeper.store(store.coverage, session)
    ends = {source: ledger.captured for source, ledger in ledgers.items()}
    standing = {source: SourceReady(ends.get(source, 0), ends.get(source, 0)) for source in record.sources}
    return Ended(record, standing, Stopped(session, ledgers), time.monotonic() - age_s)


async def adopt_audio(keeper: Keeper, unfinished: Mapping[str, ResumeRecord]) -> dict[str, ResumeRecord]:
    """Deal with the audio of all sessions but `unfinished` ones: of one that has ended it is removed.

    One whose text is gone, with the file it was in or by a power cut, begins anew; these are returned.
    """
    begun: dict[str, ResumeRecord] = {}
    for session in set(await keeper.audio(keeper.journal.sessions)) - set(unfinished):
        try:
            if record := await _begin_anew(keeper, session):
                log.warning("audio without a session becomes text", session=session)
                begun[session] = record
            else:
                await keeper.retire(session)
        except StoreError as error:
            log.error("cannot deal with left audio", session=session, error=str(error))
    return begun


async def _begin_anew(keeper: Keeper, session: str) -> ResumeRecord | None:
    """A session for audio that has none; None when it has one, or when there is no audio."""
    store = keeper.transcripts
    if await keeper.store(store.known, session):
        return None
    found = await keeper.audio(keeper.found, session)
    sources = tuple(source for source, there in found.items() if there.ranges)
    if not sources:
        return None
    # Nobody has its token, so nobody can come back to it: it is complete as it is.
    record = ResumeRecord(digest(secrets.token_urlsafe(24)), sources, stopped={})
    await keeper.store(store.create_session, SessionRecord(session, datetime.now(UTC), FOUND), record)
    return record


def fresh_number(stored: Sequence[StoredEvent], created: datetime) -> int:
    """Behind which number the events of a session go on that another process began at `created`.

    Clients may have seen more events than a power cut left on disk. No number may mean two events, so these
    begin at the age of the session in ms.
    """
    age_ms = int((datetime.now(UTC) - created).total_seconds() * 1000)
    return max(age_ms, *(one.number for one in stored), 0)


def digest(token: str) -> str:
    """What is kept of a resume token: enough to know it again, useless to whoever reads the disk."""
    return hashlib.sha256(token.encode()).hexdigest()


def is_token(token: str, record: ResumeRecord) -> bool:
    """Whether this is the session's resume token, in constant time."""
    return hmac.compare_digest(record.token_sha256, digest(token))


def resume_record(start: Start, token: str) -> ResumeRecord:
    """What another process needs to go on with the session."""
    return ResumeRecord(
        token_sha256=digest(token),
        sources=start.sources,
        language=start.language,
        prompt=start.prompt,
        hotwords=start.hotwords,
        partials=start.partials,
    )


def past_of(source: Source, found: Found, stored: Sequence[StoredEvent]) -> Past:
    """What the disk knows of one source."""
    finals = [one.event.segment for one in stored if isinstance(one.event, Final)]
    revisions = [one.event for one in stored if isinstance(one.event, Revision)]
    revised = [segment for one in revisions for segment in one.segments]
    gaps = [one.event for one in stored if isinstance(one.event, Gap)]
    return Past(
        journaled=tuple(found.ranges),
        damaged=tuple(found.damaged),
        finals=tuple(segment for segment in finals if segment.source is source),
        gaps=tuple(gap for gap in gaps if gap.source is source),
        revised=tuple(segment for segment in revised if segment.source is source),
    )
