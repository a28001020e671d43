"""Sessions that are stopped before everything is text, and completed without their client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from echopanel.asr.fake import Fake, Script
from echopanel.audio import Source
from echopanel.config import Settings
from echopanel.errors import ErrorCode, StoreError
from echopanel.transcript import Gap, GapStatus
from echopanel.wire import messages as m
from tests.engine.rig import quarters, soon
from tests.server.rig import Client, Served, serving, settings_of, talk

LEVELS = (0.25, 0.5, 0.75)
WORDS = [8 * turn + quarter for turn in range(3) for quarter in range(4)]
HANGING = Script(hang=lambda call: True)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A server whose workers may hang for as long as a test wants them to."""
    return settings_of(tmp_path, engine={"stuck_after_s": 600.0})


async def stopped_at_once(served: Served, client: Client, **captured: int) -> m.Stopped:
    """Speak to a recogniser that hangs, and stop without waiting for it."""
    served.model._script = HANGING
    await client.speak(talk(*LEVELS))
    ends = {Source(source): sample for source, sample in captured.items()}
    await client.send(m.Stop(ends, wait_repair=False))
    stopped = await client.got(m.Stopped)
    assert await client.closed() == 1000
    return stopped


async def told(served: Served, session: str) -> Any:
    """What the endpoint says of a session."""
    return (await served.http.get(f"/v1/sessions/{session}")).json()


async def completed(served: Served, session: str) -> Any:
    """The same, once it is complete."""
    await soon(lambda: session not in served.sessions.roster)
    return await told(served, session)


async def test_stop_need_not_wait_for_the_text(settings: Settings, fake: Fake) -> None:
    """The session goes on without client and slot, is told as completing, and then is whole."""
    async with serving(settings, fake) as served, served.started(partials=False) as client:
        stopped = await stopped_at_once(served, client)
        assert stopped.coverage[Source.MIC].pending > 0
        session = client.ready.session
        await soon(lambda: served.slots == 0)
        now = await told(served, session)
        assert (now["state"], now["coverage"]["mic"]["pending"]) == (
            "completing",
            stopped.coverage[Source.MIC].pending,
        )
        assert now["ended"] is not None
        address = f"/v1/sessions/{session}/transcript?format=txt"
        assert "are not transcribed yet" in (await served.http.get(address)).text
        refused = await served.http.delete(f"/v1/sessions/{session}")
        assert (refused.status_code, refused.json()["code"]) == (409, ErrorCode.UNEXPECTED_MESSAGE)
        served.fake.release()
        then = await completed(served, session)
        assert (then["state"], then["ended"]) == ("ended", now["ended"])
        assert (then["coverage"]["mic"]["pending"], then["coverage"]["mic"]["lost"]) == (0, 0)
        text = (await served.http.get(address)).text
        assert quarters([word for word in text.split() if word.startswith("w")]) == WORDS
        assert served.server.keeper.journal.sessions() == []


async def test_those_who_read_along_see_it_completed(settings: Settings, fake: Fake) -> None:
    """They are told nothing of the first `stopped`, but the rest of the text and the last one."""
    async with serving(settings, fake) as served, served.started(partials=False) as client:
        path = f"/v1/sessions/{client.ready.session}/events"
        async with served.client(path=path, raw=True) as watcher:
            await watcher.got(m.Flow)
            await stopped_at_once(served, client)
            flows = len(watcher.of(m.Flow))
            await watcher.got(m.Flow, flows + 1)
            assert watcher.of(m.Flow)[-1].sources[Source.MIC].coverage.pending > 0
            served.fake.release()
            await watcher.got(m.Stopped)
            assert quarters(watcher.texts) == WORDS
            assert [one.coverage[Source.MIC].pending for one in watcher.of(m.Stopped)] == [0]


async def test_the_next_process_completes_it(
    settings: Settings, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to come back for it, and what never came is lost once, not twice."""
    monkeypatch.setattr("echopanel.engine.recogniser.CLOSE_WITHIN_S", 0.05)
    release = fake.release
    monkeypatch.setattr(fake, "release", lambda: None)  # the first server ends in the middle of a call
    async with serving(settings, fake) as served, served.started(partials=False) as client:
        await stopped_at_once(served, client, mic=len(talk(*LEVELS)) + 8_000)
        session = client.ready.session
        assert served.server.keeper.journal.sessions() == [session]
    monkeypatch.setattr(fake, "release", release)
    async with serving(settings, fake) as served:
        then = await completed(served, session)
        assert then["state"] == "ended"
        ledger = then["coverage"]["mic"]
        assert (ledger["pending"], ledger["lost"]) == (0, 8_000)
        stored = served.server.keeper.transcripts.events_after
        events = [one.event for one in await served.server.keeper.store(stored, session)]
        gaps = [event for event in events if isinstance(event, Gap) and event.status is GapStatus.LOST]
        assert [(gap.start_sample, gap.reason) for gap in gaps] == [(len(talk(*LEVELS)), "not_received")]
        transcript = await served.server.keeper.store(served.server.keeper.transcripts.transcript, session)
        assert quarters(one.text for one in transcript.segments) == WORDS
        assert served.server.keeper.journal.sessions() == []


async def test_a_client_that_missed_the_answer_asks_again(settings: Settings, fake: Fake) -> None:
    """It gets it at once, or, if it wants to wait now, when everything is text."""
    async with serving(settings, fake) as served, served.started(partials=False) as client:
        await stopped_at_once(served, client)
        async with served.resumed(client.ready) as again:
            await again.send(m.Stop(wait_repair=False))
            assert (await again.got(m.Stopped)).coverage[Source.MIC].pending > 0
            await again.closed()
        async with served.resumed(client.ready) as patient:
            await patient.send(m.Stop())
            served.fake.release()
            assert (await patient.got(m.Stopped)).coverage[Source.MIC].pending == 0
            assert quarters(patient.texts) == WORDS


async def test_stopped_is_said_only_when_it_is_kept(
    settings: Settings, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk does not take the note that the session is to be completed, the client is told so."""
    async with serving(settings, fake) as served, served.started(partials=False) as client:
        store = served.server.keeper.transcripts
        note = store.stop_session
        full = StoreError("no room for notes")

        def refuse(*_: object) -> None:
            raise full

        monkeypatch.setattr(store, "stop_session", refuse)
        served.model._script = HANGING
        await client.speak(talk(0.5))
        await client.send(m.Stop(wait_repair=False))
        await client.until(lambda: ErrorCode.STORAGE_FAILED in client.errors)
        assert client.of(m.Stopped) == []
        monkeypatch.setattr(store, "stop_session", note)
        assert (await client.got(m.Stopped)).coverage[Source.MIC].pending > 0
        served.fake.release()
        assert (await completed(served, client.ready.session))["state"] == "ended"
