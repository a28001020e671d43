"""Sessions that ended before their clients could hear of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from echopanel.asr.fake import Fake, Script
from echopanel.audio import Source
from echopanel.errors import ErrorCode
from echopanel.store.rows import time_to_text
from echopanel.store.transcripts import SessionState, TranscriptStore
from echopanel.transcript import GapStatus
from echopanel.wire import messages as m
from tests.server.rig import Served, resuming, serving, settings_of, talk


async def test_the_end_of_a_session_is_told_over_a_restart(tmp_path: Path, fake: Fake) -> None:
    """A client that stopped and was cut gets the missed events and `stopped` from the next process."""
    settings = settings_of(tmp_path)
    async with serving(settings, fake) as served, served.started(partials=False) as first:
        await first.speak(talk(0.5, 0.25))
        stopped = await first.stop()
    async with serving(settings, fake) as served, served.resumed(first.ready, last_event=1) as again:
        assert await again.got(m.Stopped) == stopped
        assert again.events == first.events[1:]
        assert again.ready.sources[Source.MIC].next == first.sent[Source.MIC]
        assert served.slots == 0


@pytest.mark.parametrize(
    ("minutes", "state"),
    [(6, SessionState.ENDED), (1, SessionState.INTERRUPTED), (6, SessionState.INTERRUPTED)],
)
async def test_after_the_window_a_session_is_unknown(
    tmp_path: Path, fake: Fake, minutes: float, state: SessionState
) -> None:
    """As is one that was given up, and one whose token is another."""
    settings = settings_of(tmp_path)
    async with serving(settings, fake) as served, served.started() as first:
        await first.stop()
    async with serving(settings, fake) as served:
        await unknown(served, first.ready, resume_token="another one")
        store = served.server.keeper.transcripts
        ended = datetime.now(UTC) - timedelta(minutes=minutes)
        await served.server.keeper.store(begin_earlier, store)
        await served.server.keeper.store(store.end_session, first.ready.session, ended, state)
        await unknown(served, first.ready)


def begin_earlier(store: TranscriptStore) -> None:
    """Let all sessions have begun an hour ago: none ends before that."""
    began = time_to_text(datetime.now(UTC) - timedelta(hours=1))
    with store._writing():
        store._connection.execute("UPDATE sessions SET created = ?", (began,))


async def unknown(served: Served, ready: m.Ready, **changes: str) -> None:
    """The session cannot be resumed like this."""
    async with served.client() as client:
        await client.send(m.Start(tuple(ready.sources), **resuming(ready) | changes))
        assert await client.refusal() == (ErrorCode.UNKNOWN_SESSION, 4404)


async def test_as_many_sessions_as_may_be_open_may_wait(
    tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that fails for all clients at once costs nobody the session."""
    monkeypatch.setattr("echopanel.server.roster.MAX_DETACHED", 1)
    async with serving(settings_of(tmp_path, limits={"sessions": 4}), fake) as served:
        readies = []
        for _ in range(4):
            async with served.started() as client:
                readies.append(client.ready)
        for ready in readies:
            async with served.resumed(ready) as client:
                await client.stop()


async def test_what_a_damaged_journal_lost_is_told(tmp_path: Path, fake: Fake) -> None:
    """A record that cannot be read any more is lost with its reason; what is around it becomes text."""
    settings = settings_of(tmp_path)
    async with serving(settings, fake) as served, served.started(partials=False) as first:
        for second in range(4):
            await first.speak(talk(0.5)[:16_000])
            await first.until(lambda: first.acked == 16_000 * (second + 1))  # noqa: B023 - used up within the turn
        served.model._script = Script(hang=lambda call: True)
        served.web.should_exit = True
        await first.closed()
    damage(tmp_path / "journal" / first.ready.session / "mic.journal")
    fake._released.clear()
    async with serving(settings, fake) as served, served.resumed(first.ready) as again:
        stopped = await again.stop()
    (gap,) = again.of(m.GapMessage)
    (lost,) = stopped.coverage[Source.MIC].lost_ranges
    assert (gap.gap.reason, gap.gap.status) == (lost.reason, GapStatus.LOST) == ("journal_damaged", "lost")
    assert 0 < gap.gap.start_sample < gap.gap.end_sample < 64_000
    assert stopped.coverage[Source.MIC].captured == 64_000
    assert len(again.texts) == 2


def damage(journal: Path) -> None:
    """Flip a bit in the middle."""
    data = bytearray(journal.read_bytes())
    data[len(data) // 2] ^= 1
    journal.write_bytes(data)
