"""Second passes over recorded sessions: asking for them, following them, and exporting what they found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from echopanel.asr.fake import Fake, Script
from echopanel.config import Settings
from echopanel.errors import ErrorCode
from tests.engine.rig import quarters, soon
from tests.server.rig import Served, meeting, serving, settings_of, talk

WISH = {"model": "scripted"}
# Quarter seconds in which somebody speaks in `meeting`, of both sources.
WORDS = sorted([0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3])


def heard(transcript: str) -> list[int]:
    """The quarter seconds that the scripted words of a transcript name."""
    return quarters(word for word in transcript.split() if word.startswith("w"))


@pytest.fixture
def recorded(tmp_path: Path) -> Settings:
    """A server that keeps recordings."""
    return settings_of(tmp_path, store={"record": True})


async def about(served: Served, session: str) -> Any:
    """What the session says of its second pass."""
    return (await served.http.get(f"/v1/sessions/{session}")).json()["refined"]


async def refine(served: Served, session: str) -> Any:
    """Ask for a second pass and wait until it is over."""
    asked = await served.http.post(f"/v1/sessions/{session}/refine", json=WISH)
    assert asked.status_code == 202, asked.text
    assert asked.json()["refined"]["state"] in ("waiting", "running")
    while (told := await about(served, session))["state"] in ("waiting", "running"):
        await soon(lambda: True)
    return told


async def text(served: Served, session: str, **query: str) -> str:
    """A plain transcript, all of it."""
    query = {"format": "txt", "bleed": "show"} | query
    answer = await served.http.get(f"/v1/sessions/{session}/transcript", params=query)
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_a_second_pass_replaces_the_live_text_in_exports(recorded: Settings, fake: Fake) -> None:
    """Both are kept; each can be asked for alone."""
    async with serving(recorded, fake) as served:
        served.model._script = Script(text=lambda _: "mumbling")
        session = (await meeting(served)).session
        live = await text(served, session)
        assert "mumbling" in live
        assert await about(served, session) is None
        assert (await served.http.get(f"/v1/sessions/{session}")).json()["recorded"]
        served.model._script = Script()
        told = await refine(served, session)
        assert (told["state"], told["provider"], told["model"]) == ("done", "fake", "scripted")
        merged = await text(served, session)
        assert "mumbling" not in merged
        assert sorted(heard(merged)) == WORDS
        assert await text(served, session, edition="live") == live
        assert await text(served, session, edition="refined") == merged
        ledgers = await served.coverage(session)
        assert {source: ledger.lost for source, ledger in ledgers.items()} == {"mic": 0, "system": 0}


async def test_the_same_recording_gives_the_same_text(recorded: Settings, fake: Fake) -> None:
    """Again and again, to the last digit; and all audio is heard, each stretch in a call of its own."""
    async with serving(recorded, fake) as served:
        session = (await meeting(served)).session
        exports = set()
        for _ in range(2):
            before = served.calls
            await refine(served, session)
            calls = served.model.calls[before:]
            assert {len(chunks) for chunks in calls} == {1}
            exports.add(await text(served, session, edition="refined", format="json"))
        [refined] = exports
        assert sorted(heard(await text(served, session, edition="refined"))) == WORDS
        assert '"model": "scripted"' in refined


async def test_a_second_pass_waits_while_live_audio_needs_the_machine(
    recorded: Settings, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is decoded for it while the load is high; then it goes on."""
    monkeypatch.setattr("echopanel.server.refining.LOOK_AGAIN_S", 0.005)
    async with serving(recorded, fake) as served:
        session = (await meeting(served)).session
        monkeypatch.setattr("echopanel.engine.engine.IDLE_BELOW", -1.0)
        calls = served.calls
        assert (await served.http.post(f"/v1/sessions/{session}/refine", json=WISH)).status_code == 202
        for _ in range(20):
            assert (await about(served, session))["state"] != "done"
        again = await served.http.post(f"/v1/sessions/{session}/refine", json=WISH)
        assert (again.status_code, again.json()["code"]) == (409, ErrorCode.UNEXPECTED_MESSAGE)
        assert "under way" in again.json()["message"]
        assert served.calls == calls
        monkeypatch.setattr("echopanel.engine.engine.IDLE_BELOW", 10.0)
        await soon(lambda: served.server.refinery.get(session) is None)
        assert (await about(served, session))["state"] == "done"


async def test_what_cannot_be_refined_says_why(served: Served) -> None:
    """No such session, one that runs, one without a recording, an edition that there is not."""
    session = (await meeting(served)).session
    assert not (await served.http.get(f"/v1/sessions/{session}")).json()["recorded"]

    async def refusal(name: str) -> tuple[int, str]:
        answer = await served.http.post(f"/v1/sessions/{name}/refine", json=WISH)
        return answer.status_code, answer.json()["message"]

    assert (await refusal("0" * 16))[0] == 404
    code, message = await refusal(session)
    assert code == 409
    assert "no recording" in message
    assert "--record" in message
    async with served.started() as client:
        await client.speak(talk(0.5))
        code, message = await refusal(client.ready.session)
        assert code == 409
        assert "stop it first" in message
        await client.stop()
    answer = await served.http.get(f"/v1/sessions/{session}/transcript", params={"edition": "refined"})
    assert answer.status_code == 409
    assert "sessions refine" in answer.json()["message"]


@pytest.mark.parametrize(
    ("wish", "hint"),
    [
        ({"model": "huge", "provider": "faster-whisper"}, "no such model; take one of tiny.en"),
        ({"model": "large-v3", "provider": "faster-whisper"}, "`echopanel models pull large-v3`"),
        ({"model": "base", "provider": "nobody"}, "no such provider"),
        ({"model": "/", "provider": "faster-whisper"}, "take one out of the catalogue"),
    ],
)
async def test_a_model_that_is_not_here_is_refused_with_what_to_do(
    recorded: Settings, fake: Fake, wish: dict[str, str], hint: str
) -> None:
    """Nothing is fetched because a client asked for it, and no directory of the server is opened."""
    async with serving(recorded, fake) as served:
        session = (await meeting(served)).session
        answer = await served.http.post(f"/v1/sessions/{session}/refine", json=wish)
        assert answer.status_code == 422, answer.text
        assert hint in answer.json()["message"]
        assert await about(served, session) is None


async def test_a_second_pass_that_fails_leaves_everything_as_it_was(recorded: Settings, fake: Fake) -> None:
    """It tells why, and can be asked for again."""
    async with serving(recorded, fake) as served:
        session = (await meeting(served)).session
        live = await text(served, session)
        served.model._script = fake.script = Script(fail=lambda call: True)
        told = await refine(served, session)
        assert told["state"] == "failed"
        assert "fails by script" in told["error"]
        assert await text(served, session) == live
        served.model._script = fake.script = Script()
        assert (await refine(served, session))["state"] == "done"


async def interrupted(served: Served, monkeypatch: pytest.MonkeyPatch) -> str:
    """A session whose second pass waits until the server is gone."""
    session = (await meeting(served)).session
    monkeypatch.setattr("echopanel.engine.engine.IDLE_BELOW", -1.0)
    assert (await served.http.post(f"/v1/sessions/{session}/refine", json=WISH)).status_code == 202
    await soon(lambda: served.server.refinery.get(session) is not None)
    return session


async def test_a_second_pass_that_a_restart_interrupts_is_taken_up_again(
    recorded: Settings, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to ask again; once it is done a further restart changes nothing."""
    async with serving(recorded, fake) as served:
        session = await interrupted(served, monkeypatch)
    monkeypatch.setattr("echopanel.engine.engine.IDLE_BELOW", 10.0)
    async with serving(recorded, fake) as served:
        await soon(lambda: served.server.refinery.get(session) is None)
        told = await about(served, session)
        assert told["state"] == "done"
        assert sorted(heard(await text(served, session, edition="refined"))) == WORDS
    async with serving(recorded, fake) as served:
        assert served.server.refinery.get(session) is None
        assert await about(served, session) == told


async def test_an_interrupted_pass_that_is_no_longer_possible_has_failed(
    recorded: Settings, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next process says why, the one behind it knows nothing of it; a deleted session is forgotten."""
    async with serving(recorded, fake) as served:
        session, deleted = [await interrupted(served, monkeypatch) for _ in range(2)]
        served.server.keeper.archive.delete(session)
        assert (await served.http.delete(f"/v1/sessions/{deleted}")).status_code == 204
    async with serving(recorded, fake) as served:
        told = await about(served, session)
        assert told["state"] == "failed"
        assert "no recording" in told["error"]
        assert served.server.refinery.get(deleted) is None
    async with serving(recorded, fake) as served:
        assert await about(served, session) is None
