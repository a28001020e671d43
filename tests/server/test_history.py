"""The endpoints about sessions: listing, finding, reading, renaming, deleting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from echopanel.asr.fake import Fake
from echopanel.errors import ErrorCode, StoreError
from echopanel.store.export import Format
from tests.engine.rig import quarters
from tests.server.rig import Served, meeting, serving, settings_of, talk


async def test_sessions_are_listed_newest_first(served: Served) -> None:
    """In pages."""
    for title in ("first", "second", "third"):
        await meeting(served, title)
    listed = (await served.http.get("/v1/sessions")).json()["sessions"]
    assert [one["title"] for one in listed] == ["third", "second", "first"]
    assert {one["state"] for one in listed} == {"ended"}
    page = (await served.http.get("/v1/sessions", params={"limit": 1, "offset": 1})).json()["sessions"]
    assert [one["title"] for one in page] == ["second"]


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 1001}, {"offset": -1}, {"limit": "x"}])
async def test_pages_have_bounds(served: Served, query: dict[str, str]) -> None:
    """What makes no sense is refused."""
    assert (await served.http.get("/v1/sessions", params=query)).status_code == 422


async def test_a_session_is_told_while_it_runs(served: Served) -> None:
    """With the ledger as it is now, and the text so far."""
    async with served.started(title="now") as client:
        await client.speak(talk(0.25))
        await client.flush()
        session = client.ready.session
        shown = (await served.http.get(f"/v1/sessions/{session}")).json()
        assert (shown["id"], shown["title"], shown["state"], shown["ended"]) == (session, "now", "live", None)
        assert (await served.coverage(session))["mic"].captured == 32_000
        text = await served.http.get(f"/v1/sessions/{session}/transcript", params={"format": "txt"})
        assert "w0l16" in text.text
        await client.stop()


async def test_transcripts_in_all_formats(served: Served) -> None:
    """Each with its media type, each with all the words."""
    session = (await meeting(served)).session
    types = {
        Format.TXT: "text/plain",
        Format.SRT: "application/x-subrip",
        Format.VTT: "text/vtt",
        Format.JSON: "application/json",
        Format.MD: "text/markdown",
    }
    address = f"/v1/sessions/{session}/transcript"
    for kind in Format:
        # The scripted words of both sources are alike enough to count as bleed.
        answer = await served.http.get(address, params={"format": kind.value, "bleed": "show"})
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(types[kind])
        for word in ("w0l16", "w8l32", "w3l48"):
            assert word in answer.text
    segments = (await served.http.get(address, params={"bleed": "show"})).json()["segments"]
    assert sorted(quarters(one["text"] for one in segments)) == [0, 0, 1, 1, 2, 2, 3, 3, 8, 9, 10, 11]
    assert "w0l16" not in (await served.http.get(address)).text
    for query in ("format=pdf", "bleed=maybe"):
        assert (await served.http.get(f"{address}?{query}")).status_code == 422


@pytest.mark.parametrize("session", ["0" * 16, "nonsense", "..%2F..%2Fetc%2Fpasswd", "a" * 5000])
async def test_a_session_that_is_not_there(served: Served, session: str) -> None:
    """404 with the wire's error, whatever the id looks like."""
    for method, path in (("GET", ""), ("GET", "/transcript"), ("DELETE", "")):
        answer = await served.http.request(method, f"/v1/sessions/{session}{path}")
        assert answer.status_code in (404, 405)
        if not session.startswith(".."):
            assert answer.json()["code"] == ErrorCode.UNKNOWN_SESSION


async def test_a_session_is_deleted_for_good(served: Served) -> None:
    """Text, ledger and list."""
    session = (await meeting(served)).session
    assert (await served.http.delete(f"/v1/sessions/{session}")).status_code == 204
    assert (await served.http.get(f"/v1/sessions/{session}")).status_code == 404
    assert (await served.http.get("/v1/sessions")).json() == {"sessions": []}
    assert (await served.http.delete(f"/v1/sessions/{session}")).status_code == 404


async def test_a_running_session_is_not_deleted(served: Served) -> None:
    """Nor one that waits for its client."""
    async with served.started() as client:
        path = f"/v1/sessions/{client.ready.session}"
        answer = await served.http.delete(path)
        assert (answer.status_code, answer.json()["message"]) == (
            409,
            "the session is running; stop it first, or wait until it is completed",
        )
    assert (await served.http.delete(path)).status_code == 409
    async with served.resumed(client.ready) as client:
        await client.stop()
    assert (await served.http.delete(path)).status_code == 204


async def test_a_recording_is_kept_where_asked_and_goes_with_its_session(tmp_path: Path, fake: Fake) -> None:
    """A file per source; nothing of it is left behind."""
    async with serving(settings_of(tmp_path, store={"record": True}), fake) as served:
        session = (await meeting(served)).session
        files = [path for path in (tmp_path / "recordings").rglob("*") if path.is_file()]
        assert len(files) == 2
        assert (await served.http.delete(f"/v1/sessions/{session}")).status_code == 204
        assert [path for path in files if path.exists()] == []


async def test_a_store_that_fails_is_told(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with the reason."""

    def fail(*arguments: object) -> None:
        raise StoreError("disk I/O error")

    monkeypatch.setattr(served.server.keeper.transcripts, "session", fail)
    answer = await served.http.get(f"/v1/sessions/{'0' * 16}")
    assert (answer.status_code, answer.json()["code"]) == (503, ErrorCode.STORAGE_FAILED)


# --- finding and renaming -------------------------------------------------------------------------------


async def find(served: Served, query: str) -> list[dict[str, Any]]:
    """What the listing gives for a query."""
    found: list[dict[str, Any]] = (await served.http.get("/v1/sessions", params={"q": query})).json()[
        "sessions"
    ]
    return found


async def test_sessions_are_found_by_their_words(served: Served) -> None:
    """With how often, where and what exactly; the words of one that runs are found as well."""
    ended = (await meeting(served, "first")).session
    async with served.started(title="second") as client:
        await client.speak(talk(0.75))
        await client.flush()
        found = await find(served, "W2L48")
        await client.stop()
    assert [one["title"] for one in found] == ["second", "first"]
    one = found[-1]
    assert (one["id"], one["count"], set(one["coverage"])) == (ended, 1, {"mic", "system"})
    [hit] = one["hits"]
    assert (hit["source"], [part["text"] for part in hit["parts"] if part["hit"]]) == ("system", ["w2l48"])
    assert await find(served, "nobody said this") == []


async def test_a_query_has_a_bound(served: Served) -> None:
    """And whatever is in it, it is no error."""
    assert (await served.http.get("/v1/sessions", params={"q": "x" * 201})).status_code == 422
    for query in ('"', "a AND", "NEAR(", "*", "text:x", "-", "' OR 1", "\0"):
        assert (await served.http.get("/v1/sessions", params={"q": query})).status_code == 200


async def test_a_session_is_renamed_while_it_runs_or_later(served: Served) -> None:
    """Its white space is put in order; what is no title is refused."""
    async with served.started(title="now") as client:
        path = f"/v1/sessions/{client.ready.session}"
        changed = await served.http.patch(path, json={"title": "  Budget\n 2027 "})
        assert (changed.status_code, changed.json()["title"]) == (200, "Budget 2027")
        await client.stop()
    assert (await served.http.patch(path, json={"title": "Plan"})).json()["title"] == "Plan"
    assert (await served.http.get(path)).json()["title"] == "Plan"
    for wrong in ({}, {"title": None}, {"title": "x" * 201}):
        assert (await served.http.patch(path, json=wrong)).status_code == 422
    missing = await served.http.patch(f"/v1/sessions/{'0' * 16}", json={"title": "x"})
    assert (missing.status_code, missing.json()["code"]) == (404, ErrorCode.UNKNOWN_SESSION)
