"""Opening, resuming, taking over and ending: nothing is said twice or never, and no slot leaks."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed

from echopanel.asr.fake import Fake, Script
from echopanel.audio import AudioFrame, Source, float_to_pcm16
from echopanel.errors import ErrorCode, StoreError
from echopanel.server.session import LiveSession
from echopanel.store.transcripts import SessionState
from echopanel.wire import messages as m
from echopanel.wire.codec import encode
from tests.engine.rig import quarters, soon
from tests.server.rig import Client, Served, resuming, serving, settings_of, talk

AUDIO = talk(0.2, 0.4, 0.6, 0.8)
WORDS = [quarter for second in (0, 8, 16, 24) for quarter in range(second, second + 4)]


# --- resuming -------------------------------------------------------------------------------------------


async def test_a_resumed_session_goes_on(served: Served) -> None:
    """Audio from `next` on, missed events again in order with the same numbers, no final twice."""
    async with served.started(partials=False) as first:
        await first.speak(AUDIO[:64_000])
        await first.until(lambda: len(first.texts) == 2 and first.acked == 64_000)
        first.cut()
    seen = first.events
    async with served.resumed(first.ready, last_event=0) as second:
        assert second.ready.resumed
        assert second.ready.session == first.ready.session
        assert second.ready.sources[Source.MIC].next == 64_000
        second.sent[Source.MIC] = 64_000
        await second.speak(AUDIO[64_000:])
        await second.flush()
        assert second.events[:2] == seen
        assert [event.event for event in second.events] == [1, 2, 3, 4]
        assert quarters(second.texts) == WORDS
        stopped = await second.stop(mic=len(AUDIO))
        assert stopped.coverage[Source.MIC].captured == len(AUDIO)


async def test_only_what_was_missed_is_sent_again(served: Served) -> None:
    """Events up to `last_event` are not repeated."""
    async with served.started(partials=False) as first:
        await first.speak(AUDIO)
        await first.flush()
        first.cut()
    async with served.resumed(first.ready, last_event=3) as second:
        await second.stop()
        assert [event.event for event in second.events] == [4]


async def test_replaying_too_much_changes_nothing(served: Served) -> None:
    """A client that lost all acks sends everything again."""
    async with served.started(partials=False) as first:
        await first.speak(AUDIO[:70_000])
        await first.until(lambda: first.acked == 70_000)
        first.cut()
    async with served.resumed(first.ready) as second:
        await second.speak(AUDIO, start=0)
        stopped = await second.stop()
        assert quarters(second.texts) == WORDS
        assert second.of(m.GapMessage) == []
        assert stopped.coverage[Source.MIC].received == len(AUDIO)


async def test_cut_again_and_again(served: Served) -> None:
    """Cut at any moment, many times: every word once, in order."""
    chance = np.random.default_rng(11)
    async with served.started(partials=False) as client:
        ready = client.ready
        await client.speak(AUDIO[:9_000])
    events: list[m.ServerMessage] = []
    last_event = 0
    for _ in range(8):
        async with served.resumed(ready, last_event) as client:
            start = client.ready.sources[Source.MIC].next
            end = min(len(AUDIO), start + int(chance.integers(5_000, 30_000)))
            await client.speak(AUDIO[start:end], start=start)
            for _ in range(int(chance.integers(0, 40))):
                await asyncio.sleep(0)
            client.cut()
        await client.closed()
        events += client.events
        last_event = max([last_event, *(event.event for event in client.events)])
    async with served.resumed(ready, last_event) as client:
        start = client.ready.sources[Source.MIC].next
        await client.speak(AUDIO[start:], start=start)
        await client.stop()
    events += client.events
    finals = [event for event in events if isinstance(event, m.FinalMessage)]
    assert [final.event for final in finals] == [1, 2, 3, 4]
    assert quarters(final.final.segment.text for final in finals) == WORDS


async def test_what_happens_meanwhile_is_not_lost(served: Served) -> None:
    """The utterance becomes final while nobody is there."""
    served.model._script = Script(hang=lambda call: call == 0)
    async with served.started(partials=False) as first:
        await first.speak(AUDIO[:32_000])
        await first.until(lambda: served.calls == 1)
    served.fake.release()
    entry = served.sessions.roster.get(first.ready.session)
    assert entry is not None
    await soon(lambda: entry.session._broadcast.last_event == 1)
    async with served.resumed(first.ready) as second:
        await second.until(lambda: len(second.texts) == 1)
        await second.stop()


@pytest.mark.parametrize("change", ["token", "session", "both"])
async def test_a_foreign_session_is_unknown(served: Served, change: str) -> None:
    """Wrong token or wrong id: the same answer, and the session is not touched."""
    async with served.started() as owner:
        fields = resuming(owner.ready)
        if change in ("token", "both"):
            fields["resume_token"] = "guess"
        if change in ("session", "both"):
            fields["session"] = "0" * 16
        async with served.client() as thief:
            await thief.send(m.Start((Source.MIC,), **fields))
            assert await thief.refusal() == (ErrorCode.UNKNOWN_SESSION, 4404)
        assert served.slots == 1
        await owner.stop()


async def test_a_resume_has_to_be_true(served: Served) -> None:
    """Other sources are refused; the session stays."""
    async with served.started(Source.MIC, Source.SYSTEM) as owner:
        ready = owner.ready
    async with served.client() as other:
        await other.send(m.Start((Source.MIC,), **resuming(ready)))
        assert await other.refusal() == (ErrorCode.INVALID_START, 4422)
    async with served.resumed(ready) as again:
        await again.stop()
    assert served.slots == 0


async def test_each_source_goes_on_where_it_was(served: Served) -> None:
    """What one has acknowledged says nothing of the other."""
    async with served.started(Source.MIC, Source.SYSTEM, partials=False) as first:
        await first.speak(AUDIO[:40_000], Source.MIC)
        await first.speak(AUDIO[:70_000], Source.SYSTEM)
        await first.until(lambda: {ack.sample for ack in first.of(m.Ack)} >= {40_000, 70_000})
        first.cut()
    async with served.resumed(first.ready) as second:
        assert {source: at.next for source, at in second.ready.sources.items()} == {
            Source.MIC: 40_000,
            Source.SYSTEM: 70_000,
        }
        await second.speak(AUDIO[40_000:], Source.MIC, start=40_000)
        await second.speak(AUDIO[70_000:], Source.SYSTEM, start=70_000)
        stopped = await second.stop()
        finals = [event.final.segment for event in second.of(m.FinalMessage)]
        for source in (Source.MIC, Source.SYSTEM):
            assert quarters(one.text for one in finals if one.source is source) == WORDS
            assert stopped.coverage[source].lost == 0


# --- taking over ----------------------------------------------------------------------------------------


async def test_who_resumes_takes_over(served: Served) -> None:
    """The older connection is told and closed; its session goes on with the newer one, in one slot."""
    async with served.started(partials=False) as older:
        await older.speak(AUDIO[:32_000])
        async with served.resumed(older.ready) as newer:
            assert await older.refusal() == (ErrorCode.SESSION_TAKEN_OVER, 4410)
            assert served.slots == 1
            start = newer.ready.sources[Source.MIC].next
            await newer.speak(AUDIO[start:], start=start)
            await newer.stop()
            assert quarters(newer.texts) == WORDS


async def test_of_five_that_resume_at_once_one_lives(served: Served) -> None:
    """All others are told, each sample is heard once whoever sent it, and one slot is taken."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(served.started(partials=False))
        await first.speak(AUDIO[:32_000])
        rivals = [await stack.enter_async_context(served.client()) for _ in range(5)]
        async with asyncio.TaskGroup() as group:
            for rival in rivals:
                group.create_task(go_on(rival, first.ready))
        await soon(lambda: sum(rival.over for rival in rivals) == 4)
        for told in (first, *rivals):
            if told.over:
                assert await told.refusal() == (ErrorCode.SESSION_TAKEN_OVER, 4410)
        (survivor,) = (rival for rival in rivals if not rival.over)
        assert served.slots == 1
        await survivor.speak(AUDIO[32_000:], start=32_000)
        stopped = await survivor.stop()
        assert quarters(survivor.texts) == WORDS
        assert (stopped.coverage[Source.MIC].captured, stopped.coverage[Source.MIC].lost) == (len(AUDIO), 0)


async def go_on(client: Client, ready: m.Ready) -> None:
    """Resume and send, until another one takes over."""
    await client.start(Source.MIC, **resuming(ready))
    with suppress(ConnectionClosed):
        await client.socket.send(encode(AudioFrame(Source.MIC, 32_000, float_to_pcm16(AUDIO[32_000:48_000]))))


async def test_taking_over_needs_no_further_slot(tmp_path: Path, fake: Fake) -> None:
    """A client whose dead connection still counts gets its session back on a full server."""
    async with serving(settings_of(tmp_path, limits={"sessions": 1}), fake) as served:
        async with served.started() as older, served.resumed(older.ready) as newer:
            assert newer.ready.resumed
            await newer.stop()
        assert served.slots == 0


async def test_a_takeover_while_the_old_connection_ends(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old one ends while the new one is being attached: the session has a client and a slot."""
    go, reached = asyncio.Event(), asyncio.Event()
    attach = LiveSession.attach

    async def slowly(session: LiveSession, *arguments: object) -> object:
        reached.set()
        await go.wait()
        return await attach(session, *arguments)  # type: ignore[arg-type]

    async with served.started() as older:
        monkeypatch.setattr(LiveSession, "attach", slowly)
        async with served.client() as newer:
            await newer.send(m.Start((Source.MIC,), **resuming(older.ready)))
            await reached.wait()
            older.cut()
            entry = served.sessions.roster.get(older.ready.session)
            assert entry is not None
            await soon(lambda: not entry.session.attached)
            go.set()
            await newer.got(m.Ready)
            assert (served.slots, entry.detached_at) == (1, None)
            await newer.stop()
    assert served.slots == 0


# --- ending ---------------------------------------------------------------------------------------------


async def test_a_stop_is_finished_without_its_client(served: Served) -> None:
    """Who stops and goes away has stopped."""
    async with served.started(partials=False) as client:
        await client.speak(AUDIO)
        await client.send(m.Stop({Source.MIC: len(AUDIO)}))
        await soon(lambda: ending(served, client.ready))
        client.cut()
    await soon(lambda: client.ready.session not in served.sessions.roster)
    record = await served.http.get(f"/v1/sessions/{client.ready.session}")
    assert record.json()["state"] == SessionState.ENDED
    assert (await served.coverage(client.ready.session))["mic"].pending == 0


async def test_who_missed_the_end_is_told_again(served: Served) -> None:
    """`ready`, the missed events, and `stopped`; with the same numbers, as often as asked."""
    async with served.started(partials=False) as first:
        await first.speak(AUDIO)
        stopped = await first.stop()
    for last_event, missed in ((2, [3, 4]), (4, [])):
        async with served.client() as again:
            await again.send(m.Start((Source.MIC,), **resuming(first.ready, last_event)))
            assert await again.closed() == 1000
            assert again.ready.resumed
            assert again.ready.sources[Source.MIC].next == len(AUDIO)
            assert [event.event for event in again.events] == missed
            assert again.of(m.Stopped) == [stopped]
    async with served.client() as thief:
        await thief.send(m.Start((Source.MIC,), session=first.ready.session, resume_token="guess"))
        assert await thief.refusal() == (ErrorCode.UNKNOWN_SESSION, 4404)
    assert served.slots == 0


async def test_a_stop_on_an_earlier_connection_counts(served: Served) -> None:
    """The newer one gets `stopped`, also when it asks again."""
    served.model._script = Script(hang=lambda call: call == 0)
    async with served.started(partials=False) as first:
        await first.speak(AUDIO[:32_000])
        await first.send(m.Stop())
        await soon(lambda: ending(served, first.ready))
    async with served.resumed(first.ready) as second:
        await second.send(m.Stop())
        served.fake.release()
        await second.got(m.Stopped)
        assert await second.closed() == 1000
        assert len(second.texts) == 1


async def test_a_session_without_a_client_ends_in_time(tmp_path: Path, fake: Fake) -> None:
    """Everything is final, the ledger closed; then it is unknown."""
    settings = settings_of(tmp_path, store={"resume_window_s": 0})
    async with serving(settings, fake) as served:
        async with served.started(partials=False) as client:
            await client.speak(AUDIO)
        await soon(lambda: served.slots == 0)
        await served.sessions.roster.look_after()
        await soon(lambda: client.ready.session not in served.sessions.roster)
        answer = await served.http.get(f"/v1/sessions/{client.ready.session}")
        assert answer.json()["state"] == SessionState.INTERRUPTED
        transcript = await served.http.get(f"/v1/sessions/{client.ready.session}/transcript")
        assert quarters(one["text"] for one in transcript.json()["segments"]) == WORDS
        assert (await served.coverage(client.ready.session))["mic"].transcribed > 0
        async with served.client() as late:
            await late.send(m.Start((Source.MIC,), **resuming(client.ready)))
            assert await late.refusal() == (ErrorCode.UNKNOWN_SESSION, 4404)


async def test_one_end_that_takes_long_does_not_hold_up_others(
    tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each session ends by itself, also while the store fails for one."""
    settings = settings_of(tmp_path, store={"resume_window_s": 0})
    async with serving(settings, fake) as served:
        async with served.started() as stuck, served.started() as other:
            pass
        save = served.server.keeper.transcripts.save_coverage

        def save_coverage(session: str, *arguments: object) -> None:
            if session == stuck.ready.session:
                raise StoreError("disk I/O error")
            save(session, *arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(served.server.keeper.transcripts, "save_coverage", save_coverage)
        await soon(lambda: served.slots == 0)
        await served.sessions.roster.look_after()
        await soon(lambda: other.ready.session not in served.sessions.roster)
        await served.sessions.roster.look_after()
        assert stuck.ready.session in served.sessions.roster
        monkeypatch.undo()
        await soon(lambda: stuck.ready.session not in served.sessions.roster)


async def test_waiting_sessions_are_bounded(
    tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who opens and goes away again and again fills no memory; sessions with audio stay longest."""
    monkeypatch.setattr("echopanel.server.roster.MAX_DETACHED", 1)
    async with serving(settings_of(tmp_path, limits={"sessions": 3}), fake) as served:
        async with served.started() as meeting:
            await meeting.speak(AUDIO[:16_000])
            await meeting.until(lambda: meeting.acked == 16_000)
        for _ in range(6):
            async with served.started():
                pass
        await soon(lambda: served.slots == 0 and sum(1 for _ in served.sessions.roster) == 3)
        async with served.resumed(meeting.ready) as again:
            await again.stop()


# --- slots ----------------------------------------------------------------------------------------------


async def test_a_full_server_refuses_at_once(tmp_path: Path, fake: Fake) -> None:
    """With the reason and when to come back; a session that ends makes room."""
    async with serving(settings_of(tmp_path, limits={"sessions": 1}), fake) as served:
        async with served.started() as first:
            async with served.client() as second:
                await second.send(m.Start((Source.MIC,)))
                assert await second.refusal() == (ErrorCode.SESSION_LIMIT, 4503)
                error = second.of(m.Error)[0]
                assert error.retry_after is not None
                assert "all 1 sessions are taken" in error.message
            await first.stop()
        async with served.started() as third:
            await third.stop()
        metric = served.server.engine.metrics.registry.get_sample_value
        assert metric("echopanel_refusals_total", {"code": "session_limit"}) == 1


async def test_one_client_gets_its_share(tmp_path: Path, fake: Fake) -> None:
    """Sessions per address are bounded apart."""
    settings = settings_of(tmp_path, limits={"sessions_per_client": 1})
    async with serving(settings, fake) as served, served.started(), served.client() as second:
        await second.send(m.Start((Source.MIC,)))
        assert await second.refusal() == (ErrorCode.CLIENT_LIMIT, 4430)
        assert second.of(m.Error)[0].retry_after is not None


async def test_ten_starts_take_one_slot(tmp_path: Path, fake: Fake) -> None:
    """The second is against the contract; the slot is free again."""
    async with serving(settings_of(tmp_path, limits={"sessions": 2}), fake) as served:
        async with served.client(raw=True) as client:
            for _ in range(10):
                await client.socket.send('{"type":"start","version":1,"sources":["mic"]}')
            assert await client.refusal() == (ErrorCode.UNEXPECTED_MESSAGE, 4409)
        await soon(lambda: served.slots == 0)
        await soon(lambda: not list(served.sessions.roster))


async def test_abrupt_closes_free_their_slots(tmp_path: Path, fake: Fake) -> None:
    """Before, during and after `start`, with and without audio."""
    settings = settings_of(tmp_path, limits={"sessions": 40, "sessions_per_client": 40})
    async with serving(settings, fake) as served:
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(served.client()) for _ in range(20)]
            for number, client in enumerate(clients):
                if number % 4:
                    await client.send(m.Start((Source.MIC,)))
                if number % 4 >= 2:
                    await client.got(m.Ready)
                if number % 4 == 3:
                    await client.speak(AUDIO[:8_000])
        await soon(lambda: served.slots == 0 and served.sessions.roster.attached == 0)


async def test_a_detached_session_has_no_slot(tmp_path: Path, fake: Fake) -> None:
    """Others may come meanwhile; then the owner waits like everybody."""
    async with serving(settings_of(tmp_path, limits={"sessions": 1}), fake) as served:
        async with served.started() as owner:
            pass
        await soon(lambda: served.slots == 0)
        async with served.started() as other:
            async with served.client() as back:
                await back.send(m.Start((Source.MIC,), **resuming(owner.ready)))
                assert await back.refusal() == (ErrorCode.SESSION_LIMIT, 4503)
            await other.stop()
        async with served.resumed(owner.ready) as back:
            await back.stop()


@pytest.mark.parametrize("method", ["create_session", "events_after"])
async def test_a_store_that_fails_costs_no_slot(
    served: Served, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """The client is refused with the reason, nothing is left behind, and later it works."""

    def fail(*arguments: object) -> None:
        raise StoreError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(served.server.keeper.transcripts, method, fail)
        async with served.client() as client:
            await client.send(m.Start((Source.MIC,)))
            assert await client.refusal() == (ErrorCode.STORAGE_FAILED, 4507)
    await soon(lambda: served.slots == 0 and not list(served.sessions.roster))
    listed = (await served.http.get("/v1/sessions")).json()["sessions"]
    assert [one["state"] for one in listed] in ([], [SessionState.INTERRUPTED])
    async with served.started() as client:
        await client.stop()


async def test_a_full_journal_is_told_and_text_comes_all_the_same(tmp_path: Path, fake: Fake) -> None:
    """Acks are withheld; the session can be stopped."""
    async with (
        serving(settings_of(tmp_path, store={"journal_quota_mb": 1}), fake) as served,
        served.started(partials=False) as client,
    ):
        await client.speak(np.zeros(40 * 16_000, np.float32))
        await client.until(lambda: ErrorCode.STORAGE_FAILED in client.errors)
        await client.stop()
        assert "raise the journal's quota" in client.of(m.Error)[0].message


async def test_a_bug_in_a_session_costs_that_session_only(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its client is told; others go on; its slot is free."""
    async with served.started(partials=False) as other, served.started(partials=False) as victim:
        entry = served.sessions.roster.get(victim.ready.session)
        assert entry is not None

        def broken(*arguments: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(entry.session._tracks[Source.MIC].pipeline, "_finalise", broken)
        await victim.speak(AUDIO[:32_000])
        assert await victim.refusal() == (ErrorCode.INTERNAL, 1011)
        await soon(lambda: served.slots == 1)
        await other.speak(AUDIO)
        await other.stop()
        assert quarters(other.texts) == WORDS


async def test_a_bug_in_taking_audio_costs_that_connection_only(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told, and may come back."""
    async with served.started(partials=False) as other, served.started(partials=False) as victim:
        entry = served.sessions.roster.get(victim.ready.session)
        assert entry is not None

        def broken(*arguments: object) -> None:
            raise ZeroDivisionError

        with monkeypatch.context() as patch:
            patch.setattr(entry.session, "take", broken)
            await victim.speak(AUDIO[:1_600])
            assert await victim.refusal() == (ErrorCode.INTERNAL, 1011)
        async with served.resumed(victim.ready) as again:
            await again.speak(AUDIO)
            await again.stop()
            assert quarters(again.texts) == WORDS
        await other.stop()
    assert served.slots == 0


# --- loading --------------------------------------------------------------------------------------------


async def test_lazy_loads_with_the_first_session(tmp_path: Path, fake: Fake) -> None:
    """It waits for its `ready` until the model is there."""
    async with serving(settings_of(tmp_path, model={"load": "lazy"}), fake) as served:
        assert fake.models == []
        async with served.started(partials=False) as client:
            await client.speak(AUDIO)
            await client.stop()
            assert quarters(client.texts) == WORDS


async def test_a_model_that_cannot_be_loaded_is_told(tmp_path: Path, fake: Fake) -> None:
    """With its reason; no slot remains."""
    fake.script = Script(unavailable="the file is gone")
    async with serving(settings_of(tmp_path, model={"load": "lazy"}), fake) as served:
        async with served.client() as client:
            await client.send(m.Start((Source.MIC,)))
            assert await client.refusal() == (ErrorCode.NOT_READY, 4425)
            error = client.of(m.Error)[0]
            assert "the file is gone" in error.message
            assert error.retry_after is not None
        assert served.slots == 0


async def test_before_it_is_ready_nobody_may(tmp_path: Path, fake: Fake) -> None:
    """The reason says so, or why it never will be."""
    async with serving(settings_of(tmp_path), fake, start=False) as served, served.client() as client:
        await client.send(m.Start((Source.MIC,)))
        assert await client.refusal() == (ErrorCode.NOT_READY, 4425)
        assert "still starting" in client.of(m.Error)[0].message
    fake.script = Script(unavailable="the file is gone")
    async with serving(settings_of(tmp_path / "other", model={"load": "hybrid"}), fake) as served:
        await soon(lambda: bool(served.server.engine.host.error))
        async with served.client() as client:
            await client.send(m.Start((Source.MIC,)))
            assert await client.refusal() == (ErrorCode.NOT_READY, 4425)
            assert "the file is gone" in client.of(m.Error)[0].message


# --- helpers --------------------------------------------------------------------------------------------


def ending(served: Served, ready: m.Ready) -> bool:
    """Whether a session ends, or has ended."""
    entry = served.sessions.roster.get(ready.session)
    return entry is None or entry.ending is not None
