"""The endpoints about the server: health, metrics, models; who may use which."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from echopanel.asr.fake import Fake, Script
from echopanel.errors import ErrorCode
from tests.engine.rig import soon
from tests.server.rig import Served, meeting, serving, settings_of, talk

TOKEN = "correct-horse-battery"


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
    monkeypatch.setattr("echopanel.engine.patience.UNKNOWN_RTF", 0.0)
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
