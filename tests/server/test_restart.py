"""Over a restart of the server: nothing is lost, said twice or dated otherwise, and nothing stays behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from echopanel.asr.fake import Fake, Script
from echopanel.audio import Source
from echopanel.errors import ErrorCode
from echopanel.server.resuming import FOUND
from echopanel.store.archive import DIRECTORY
from echopanel.store.recording import find_recordings
from echopanel.store.transcripts import SessionState
from echopanel.wire import messages as m
from tests.engine.rig import quarters, soon
from tests.server.rig import resuming, serving, settings_of, talk

AUDIO = talk(0.2, 0.4, 0.6, 0.8)
WORDS = [quarter for second in (0, 8, 16, 24) for quarter in range(second, second + 4)]


@pytest.mark.parametrize("load", ["eager", "lazy", "hybrid"])
async def test_a_restart_loses_nothing(tmp_path: Path, fake: Fake, load: str) -> None:
    """What was acknowledged and not final is recognised by the next process; the client goes on there."""
    settings = settings_of(tmp_path, model={"load": load}, engine={"stuck_after_s": 60.0})
    async with serving(settings, fake) as served:
        await soon(lambda: served.server.sessions.ready)
        async with served.started(partials=False) as first:
            await first.speak(AUDIO[:40_000])
            await first.until(lambda: len(first.texts) == 1 and first.acked == 40_000)
            served.model._script = Script(hang=lambda call: True)
            await first.speak(AUDIO[40_000:75_000])
            await first.until(lambda: first.acked == 75_000)
            served.web.should_exit = True
            assert await first.refusal() == (ErrorCode.GOING_AWAY, 1012)
            assert first.of(m.Error)[-1].retry_after is not None
            assert len(first.texts) == 1
    fake._released.clear()
    async with serving(settings, fake) as served:
        await soon(lambda: served.server.sessions.ready)
        async with served.resumed(first.ready, last_event=1) as second:
            assert second.ready.sources[Source.MIC].next == 75_000
            await second.speak(AUDIO[75_000:], start=75_000)
            stopped = await second.stop()
            assert [event.event > 1 for event in second.events] == [True] * 3
            assert quarters([*first.texts, *second.texts]) == WORDS
            assert stopped.coverage[Source.MIC].received == len(AUDIO)
        assert (await served.coverage(first.ready.session))["mic"].pending == 0
        assert served.server.keeper.journal.sessions() == []


async def test_the_clock_goes_on_over_a_restart(tmp_path: Path, fake: Fake) -> None:
    """A source that is first heard of after the restart is dated on the clock from before it."""
    settings = settings_of(tmp_path)
    both = (Source.MIC, Source.SYSTEM)
    async with serving(settings, fake) as served, served.started(*both, partials=False) as first:
        await first.speak(AUDIO[:32_000], Source.MIC)  # captured from 1000 ms on
        await first.flush()
        entry = served.sessions.roster.get(first.ready.session)
        assert entry is not None
        await soon(lambda: entry.session.record.origin_ms == 1000)
    (heard,) = first.of(m.FinalMessage)
    async with serving(settings, fake) as served, served.resumed(first.ready, heard.event) as second:
        await second.speak(AUDIO[:32_000], Source.SYSTEM, began_ms=31_000)
        await second.stop()
    (before,), (after,) = (
        [one.final.segment for one in client.of(m.FinalMessage)] for client in (first, second)
    )
    assert before.start == pytest.approx(before.start_sample / 16_000, abs=0.01)
    assert after.start == pytest.approx(30 + after.start_sample / 16_000, abs=0.1)


async def test_a_source_goes_on_where_it_stood(tmp_path: Path, fake: Fake) -> None:
    """One that began later than the other is as late after the restart, in old audio and in new."""
    settings = settings_of(tmp_path)
    both = (Source.MIC, Source.SYSTEM)
    async with serving(settings, fake) as served, served.started(*both, partials=False) as first:
        await first.speak(AUDIO[:32_000], Source.MIC)  # captured from 1000 ms on
        await first.speak(AUDIO[:32_000], Source.SYSTEM, began_ms=6_000)
        await first.flush()
        entry = served.sessions.roster.get(first.ready.session)
        assert entry is not None
        await soon(lambda: Source.SYSTEM in entry.session.record.offsets)
    async with serving(settings, fake) as served, served.resumed(first.ready, 2) as second:
        await second.speak(AUDIO[32_000:], Source.SYSTEM, start=32_000, began_ms=6_000)
        await second.stop()
    segments = [one.final.segment for client in (first, second) for one in client.of(m.FinalMessage)]
    system = [one for one in segments if one.source is Source.SYSTEM]
    assert len(system) > 1
    for segment in system:
        assert 5.0 <= segment.start - segment.start_sample / 16_000 < 5.5


async def test_a_recording_that_a_crash_prevented_is_made_by_the_next_process(
    tmp_path: Path, fake: Fake
) -> None:
    """The audio of an ended session is there until it is recorded, if that is asked for."""
    settings = settings_of(tmp_path, store={"record": True})
    async with serving(settings, fake) as served, served.started() as client:
        session = client.ready.session
        await client.speak(AUDIO)
        await client.until(lambda: client.acked == len(AUDIO))
        shutil.copytree(tmp_path / "journal" / session, tmp_path / "copy")
        await client.stop()
        served.server.keeper.archive.delete(session)
    (tmp_path / "copy").rename(tmp_path / "journal" / session)
    async with serving(settings, fake):
        (recording,) = find_recordings(tmp_path / DIRECTORY)
        assert recording.session == session
        assert not (tmp_path / "journal" / session).exists()


async def test_losses_survive_a_restart(tmp_path: Path, fake: Fake) -> None:
    """What never came stays lost, and is not told twice."""
    settings = settings_of(tmp_path)
    async with serving(settings, fake) as served, served.started(partials=False) as first:
        await first.speak(AUDIO[:32_000])
        await first.until(lambda: first.acked == 32_000)
        await first.speak(AUDIO[40_000:64_000], start=40_000)
        await first.until(lambda: first.acked == 64_000 and bool(first.of(m.GapMessage)))
    async with (
        serving(settings, fake) as served,
        served.resumed(first.ready, last_event=first.events[-1].event) as second,
    ):
        stopped = await second.stop()
        assert second.of(m.GapMessage) == []
        coverage = stopped.coverage[Source.MIC]
        assert (coverage.lost, coverage.captured) == (8_000, 64_000)


async def test_a_damaged_session_does_not_stop_the_server(tmp_path: Path, fake: Fake) -> None:
    """The others are reopened; its files are left for whoever can mend them."""
    settings = settings_of(tmp_path)
    async with (
        serving(settings, fake) as served,
        served.started() as damaged,
        served.started() as healthy,
    ):
        for client in (damaged, healthy):
            await client.speak(AUDIO[:32_000])
            await client.until(lambda: client.acked == 32_000)  # noqa: B023 - used up within the turn
    [file] = [path for path in (tmp_path / "journal" / damaged.ready.session).iterdir() if "mic" in path.name]
    file.write_bytes(b"no journal at all, but long enough to have a header")
    async with serving(settings, fake) as served:
        async with served.resumed(healthy.ready) as client:
            await client.stop()
            assert len(client.texts) == 1
        async with served.client() as client:
            await client.send(m.Start((Source.MIC,), **resuming(damaged.ready)))
            assert await client.refusal() == (ErrorCode.UNKNOWN_SESSION, 4404)
        assert file.exists()


async def test_audio_of_ended_sessions_does_not_stay(tmp_path: Path, fake: Fake) -> None:
    """What a crash left of a session that had ended is removed by the next process."""
    settings = settings_of(tmp_path)
    async with serving(settings, fake) as served, served.started() as client:
        await client.stop()
    leftover = tmp_path / "journal" / client.ready.session
    leftover.mkdir()
    async with serving(settings, fake):
        assert not leftover.exists()


async def test_audio_whose_text_is_gone_becomes_text(tmp_path: Path, fake: Fake) -> None:
    """Who moves a damaged file of transcripts away loses no meeting that was going on."""
    settings = settings_of(tmp_path)
    async with serving(settings, fake) as served, served.started(partials=False) as client:
        await client.speak(AUDIO)
        await client.until(lambda: client.acked == len(AUDIO))
    (tmp_path / "transcripts.sqlite3").unlink()
    async with serving(settings, fake) as served:
        await soon(lambda: not list(served.sessions.roster))
        store = served.server.keeper.transcripts
        found = await served.server.keeper.store(store.transcript, client.ready.session)
        about = await served.server.keeper.store(store.session, client.ready.session)
        assert quarters(segment.text for segment in found.segments) == WORDS
        assert (about.state, about.title) == (SessionState.ENDED, FOUND)
        assert found.coverage[Source.MIC].captured == len(AUDIO)
        async with served.client() as late:
            await late.send(m.Start((Source.MIC,), **resuming(client.ready)))
            assert await late.refusal() == (ErrorCode.UNKNOWN_SESSION, 4404)
    assert not (tmp_path / "journal" / client.ready.session).exists()
