"""The HTTP endpoints about sessions, running and kept: finding, reading, renaming, deleting."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from echopanel.audio import Source
from echopanel.engine.editions import NOT_REFINED, Edition, edition_of
from echopanel.errors import ErrorCode
from echopanel.server.keeper import Keeper
from echopanel.server.problems import problem
from echopanel.server.refining import Refinery
from echopanel.server.roster import Roster
from echopanel.store.export import Format, export
from echopanel.store.search import Found
from echopanel.store.transcripts import SessionRecord
from echopanel.transcript import Coverage, Transcript

MAX_QUERY = 200
MAX_TITLE = 200
STILL_RUNNING = "the session is running; stop it first, or wait until it is completed"

Json = dict[str, object]
Ledgers = Mapping[Source, Coverage]
Limit = Annotated[int, Query(ge=1, le=1000)]
Offset = Annotated[int, Query(ge=0)]


class Change(BaseModel):
    """What may be changed about a session."""

    title: str = Field(max_length=MAX_TITLE)


def session_routes(roster: Roster, keeper: Keeper, refinery: Refinery) -> APIRouter:
    """Transcripts, running and kept."""
    router = APIRouter(prefix="/v1/sessions", tags=["sessions"])
    history = History(roster, keeper, refinery)
    store = keeper.transcripts

    @router.get("")
    async def listing(
        limit: Limit = 100, offset: Offset = 0, q: Annotated[str, Query(max_length=MAX_QUERY)] = ""
    ) -> Json:
        """Sessions, newest first; with `q` those in which its words were said, and where."""
        return {"sessions": await history.listed(q, limit, offset)}

    @router.get("/{session_id}")
    async def show(session_id: str) -> Json:
        """One session with its ledger; whether it is recorded; its second pass, if there was or is one."""
        record = await keeper.store(store.session, session_id)
        recorded = bool(await keeper.store(keeper.archive.find, session_id))
        more = {"recorded": recorded, "refined": await history.refined(session_id)}
        return summary(record, await history.ledgers(session_id)) | more

    @router.patch("/{session_id}")
    async def change(session_id: str, change: Change) -> Json:
        """Give a session another title."""
        await keeper.store(store.rename, session_id, " ".join(change.title.split()))
        return await show(session_id)

    @router.get("/{session_id}/transcript")
    async def transcript(
        session_id: str,
        format: Format = Format.JSON,  # noqa: A002 - the query's name
        bleed: Literal["hide", "show"] = "hide",
        edition: Edition = Edition.MERGED,
    ) -> Response:
        """The text so far; with `bleed=show` also what the microphone only heard out of the loudspeakers.

        After a second pass the text is that, and the live one where the recording has holes; `edition` asks
        for one of them alone.
        """
        found = await history.transcript(session_id, edition)
        if found is None:
            return problem(409, ErrorCode.UNEXPECTED_MESSAGE, NOT_REFINED)
        return Response(export(found, format, show_bleed=bleed == "show"), media_type=format.media_type)

    @router.delete("/{session_id}", status_code=204)
    async def delete(session_id: str) -> Response:
        """Forget a session for good; one that is not complete is refused."""
        if session_id in roster:
            return problem(409, ErrorCode.UNEXPECTED_MESSAGE, STILL_RUNNING)
        await keeper.delete(session_id)
        return Response(status_code=204)

    return router


class History:
    """What is known of sessions: from the store, and of those that run from themselves."""

    def __init__(self, roster: Roster, keeper: Keeper, refinery: Refinery) -> None:
        self._roster = roster
        self._keeper = keeper
        self._refinery = refinery

    async def listed(self, query: str, limit: int, offset: int) -> list[Json]:
        """Sessions as JSON, newest first; with a query those that match, each with `count` and `hits`."""
        store = self._keeper.transcripts
        if query.strip():
            found = await self._keeper.store(store.search, query, limit, offset)
            records = [one.record for one in found]
            hits = [hits_of(one) for one in found]
        else:
            records = await self._keeper.store(store.sessions, limit, offset)
            hits = [{} for _ in records]
        ledgers = await self._keeper.store(store.coverages, [record.id for record in records])
        return [
            summary(record, self._running(record.id) or ledgers[record.id]) | more
            for record, more in zip(records, hits, strict=True)
        ]

    async def ledgers(self, session: str) -> Ledgers:
        """The ledgers of a session as they are now."""
        running = self._running(session)
        if running is not None:
            return running
        return await self._keeper.store(self._keeper.transcripts.coverage, session)

    async def transcript(self, session: str, edition: Edition) -> Transcript | None:
        """The text of a session with its ledgers as they are now; None: there is no such edition."""
        store = self._keeper.transcripts
        live = await self._keeper.store(store.transcript, session)
        live = replace(live, coverage=self._running(session) or live.coverage)
        refined = None if edition is Edition.LIVE else await self._keeper.store(store.refined, session)
        return await asyncio.to_thread(edition_of, live, refined, edition)

    async def refined(self, session: str) -> Json | None:
        """The second pass over a session as JSON: how it goes, or what was made when; None without one."""
        under_way = self._refinery.get(session)
        if under_way is not None:
            return asdict(under_way)
        done = await self._keeper.store(self._keeper.transcripts.refined, session)
        if done is None:
            return None
        made = done.made.isoformat(timespec="milliseconds")
        return {"state": "done", "provider": done.provider, "model": done.model, "made": made}

    def _running(self, session: str) -> Ledgers | None:
        entry = self._roster.get(session)
        return None if entry is None else entry.session.coverage()


def summary(record: SessionRecord, ledgers: Ledgers) -> Json:
    """A session as JSON."""
    return asdict(record) | {"coverage": {source: asdict(one) for source, one in ledgers.items()}}


def hits_of(found: Found) -> Json:
    """How often and where something was found, as JSON."""
    return {"count": found.count, "hits": [asdict(hit) for hit in found.hits]}
