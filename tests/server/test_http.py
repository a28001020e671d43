"""The endpoints: health, metrics, models, sessions, transcripts; who may use them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from echopanel.asr.fake import Fake, Script
from echopanel.audio import Source
from echopanel.errors import ErrorCode, StoreError
from echopanel.store.export import Format
from echopanel.wire import messages as m
from tests.engine.rig import quarters, soon
from tests.server.rig import Served, serving, settings_of, talk

TOKEN = "correct-horse-battery"


async def meeting(served: Served, title: str = "Weekly meeting") -> m.Ready:
    """A session that has ended, with two utterances of `mic` and one of `system`."""
    async with served.started(Source.MIC, Source.SYSTEM, title=title, language="en") as client:
        await client.speak(talk(0.25, 0.5), Source.MIC)
        await client.speak(talk(0.75), Source.SYSTEM)
        await client.stop()
    return client.ready


# --- health, metrics, models ----------------------------------------------------------------------------


async def test_health_of_a_ready_server(served: Served) -> None:
    """All three say so; the deep one has its figures."""
    assert (await served.http.get("/health/live")).json() == {"status": "alive"}
    ready = await served.http.get("/health/ready")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "state": "ready"})
    health = await served.http.get("/health")
    assert health.status_code == 200
    body = health.json()
    assert (body["status"], body["model_loaded"], body["state"]) == ("ready", True, "ready")
    assert (body["provider"], body["model"], body["errors"]) == ("fake", "scripted", 0)
    assert body["rss_bytes"] > 10_000_000


async def test_health_before_the_model_is_there(tmp_path: Path, fake: Fake) -> None:
    """The process lives, and is not ready: 503 with the state."""
    async with serving(settings_of(tmp_path), fake, start=False) as served:
        assert (await served.http.get("/health/live")).status_code == 200
        ready = await served.http.get("/health/ready")
        assert (ready.status_code, ready.json()["ready"]) == (503, False)
        health = await served.http.get("/health")
        assert (health.status_code, health.json()["status"]) == (503, "starting")


async def test_health_of_a_model_that_failed(tmp_path: Path, fake: Fake) -> None:
    """503, with what to do."""
    fake.script = Script(unavailable="the file is gone")
    async with serving(settings_of(tmp_path, model={"load": "hybrid"}), fake) as served:
        await soon(lambda: bool(served.server.engine.host.error))
        health = await served.http.get("/health")
        assert (health.status_code, health.json()["status"]) == (503, "failed")
        assert "the file is gone; this is a test" in health.json()["reason"]


async def test_a_stuck_worker_shows_and_sessions_go_on(
    tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deadlocked until it is replaced, then degraded; the utterance becomes final all the same."""
    monkeypatch.setattr("echopanel.engine.engine.TICK_S", 0.05)
    monkeypatch.setattr("echopanel.engine.health.PROBE_TIMEOUT_S", 0.05)
    monkeypatch.setattr("echopanel.engine.recogniser.UNKNOWN_RTF", 0.0)
    settings = settings_of(tmp_path, engine={"stuck_after_s": 0.5, "probe_interval_s": 0.01})
    async with serving(settings, fake) as served, served.started(partials=False) as client:
        served.model._script = Script(hang=lambda call: call == 0)
        await client.speak(talk(0.5))
        await client.until(lambda: len(fake.models[0].calls) == 1)
        health = await served.http.get("/health")
        assert (health.status_code, health.json()["status"]) == (503, "deadlocked")
        await client.until(lambda: len(client.texts) == 1)
        monkeypatch.setattr("echopanel.engine.health.PROBE_TIMEOUT_S", 5.0)
        health = await served.http.get("/health")
        assert (health.status_code, health.json()["status"]) == (200, "degraded")
        assert health.json()["workers_replaced"] >= 1
        await client.stop()


async def test_metrics_are_what_prometheus_scrapes(served: Served) -> None:
    """All of our names, with figures of what happened."""
    await meeting(served)
    answer = await served.http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    figures = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    assert float(figures["echopanel_words_total"]) == 12
    assert float(figures["echopanel_sessions"]) == 0
    assert float(figures['echopanel_model_state{model="scripted",state="ready"}']) == 1
    for stage in ("ingest", "queue", "decode", "send"):
        assert float(figures[f'echopanel_stage_seconds_count{{stage="{stage}"}}']) > 0


async def test_models_and_which_is_loaded(served: Served) -> None:
    """The catalogue tells what is on this machine."""
    body = (await served.http.get("/v1/models")).json()
    assert body["loaded"] == {"provider": "fake", "model": "scripted"}
    assert {"tiny.en", "base"} <= {one["name"] for one in body["models"]}
    assert next(one for one in body["models"] if one["name"] == "tiny.en")["here"] is True


# --- sessions and transcripts ---------------------------------------------------------------------------


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
            "the session is running; stop it first",
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


# --- access ---------------------------------------------------------------------------------------------


async def test_all_but_the_first_two_need_the_token(tmp_path: Path, fake: Fake) -> None:
    """And the panel's files, which say nothing; a wrong or missing token is 401 with the wire's error."""
    async with serving(settings_of(tmp_path, server={"token": TOKEN}), fake) as served:
        for path in ("/health/live", "/health/ready", "/"):
            answer = await served.http.get(path, headers={"Authorization": ""})
            assert answer.status_code == 200
        guarded = ["/health", "/metrics", "/v1/models", "/v1/sessions", f"/v1/sessions/{'0' * 16}", "/docs"]
        guarded += ["/openapi.json", "/v1/nonsense", f"/v1/sessions/{'0' * 16}/transcript"]
        for path in guarded:
            for header in ("", "Bearer wrong-token", f"Basic {TOKEN}"):
                answer = await served.http.get(path, headers={"Authorization": header})
                assert (answer.status_code, answer.json()["code"]) == (401, ErrorCode.UNAUTHORIZED)
                assert answer.headers["www-authenticate"] == "Bearer"
            assert (await served.http.get(path)).status_code in (200, 404)
        answer = await served.http.delete(f"/v1/sessions/{'0' * 16}", headers={"Authorization": ""})
        assert answer.status_code == 401


async def test_a_foreign_name_is_refused_everywhere(served: Served) -> None:
    """Without a token only this machine's own names are answered to."""
    for path in ("/", "/health/live", "/v1/sessions"):
        answer = await served.http.get(path, headers={"Host": "evil.example"})
        assert (answer.status_code, answer.json()["code"]) == (403, ErrorCode.FORBIDDEN_ORIGIN)
    assert (await served.http.get("/", headers={"Host": "localhost"})).status_code == 200


async def test_no_other_page_may_read_or_change(served: Served) -> None:
    """No answer allows it, so browsers keep it from other pages, and refuse to delete for them."""
    origin = {"Origin": "http://evil.example"}
    answer = await served.http.get("/v1/sessions", headers=origin)
    assert "access-control-allow-origin" not in answer.headers
    preflight = await served.http.options(
        f"/v1/sessions/{'0' * 16}", headers=origin | {"Access-Control-Request-Method": "DELETE"}
    )
    assert preflight.status_code == 405
    assert "access-control-allow-methods" not in preflight.headers


async def test_the_panel_is_served(served: Served) -> None:
    """A page, and no way out of its directory."""
    page = await served.http.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert (await served.http.get("/no-such-file.js")).status_code == 404
    assert (await served.http.get("/..%2f..%2fpyproject.toml")).status_code == 404


async def test_the_interface_describes_itself(served: Served) -> None:
    """Every endpoint has its sentence."""
    paths = json.loads((await served.http.get("/openapi.json")).text)["paths"]
    assert {"/health", "/metrics", "/v1/models", "/v1/sessions"} <= set(paths)
    assert all(one["description"] for methods in paths.values() for one in methods.values())
