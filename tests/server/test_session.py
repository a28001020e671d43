"""A session as its client sees it: text while one speaks, everything final when asked, all accounted for."""

from __future__ import annotations

import asyncio
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from echopanel.asr.fake import Fake, Script
from echopanel.audio import SAMPLE_RATE, AudioFrame, Source, float_to_pcm16
from echopanel.errors import ErrorCode, StoreError
from echopanel.store.disk import DiskError, Trouble
from echopanel.transcript import GapStatus
from echopanel.wire import messages as m
from tests.engine.rig import quarters, silence, soon
from tests.server.rig import Served, serving, settings_of, talk


async def test_speech_becomes_partials_and_a_final(served: Served) -> None:
    """Partials first, then the final, numbered from 1; the ledger closes with `stopped`."""
    async with served.started() as client:
        await client.speak(talk(0.5)[: SAMPLE_RATE * 3 // 4])
        await client.got(m.PartialMessage)
        await client.speak(talk(0.5)[SAMPLE_RATE * 3 // 4 :])
        await client.got(m.FinalMessage)
        kinds = [type(one) for one in client.received if isinstance(one, m.PartialMessage | m.FinalMessage)]
        assert kinds[0] is m.PartialMessage
        assert kinds[-1] is m.FinalMessage
        stopped = await client.stop(mic=client.sent[Source.MIC])
        assert [final.event for final in client.of(m.FinalMessage)] == [1]
        assert quarters(client.texts) == [0, 1, 2, 3]
        coverage = stopped.coverage[Source.MIC]
        assert (coverage.captured, coverage.pending, coverage.lost) == (2 * SAMPLE_RATE, 0, 0)
        assert client.socket.close_code == 1000
    assert (await served.coverage(client.ready.session))["mic"].transcribed == coverage.transcribed


async def test_two_sources_on_one_clock(served: Served) -> None:
    """Each has its own text; the times of both are on the session's clock."""
    async with served.started(Source.MIC, Source.SYSTEM) as client:
        await client.speak(talk(0.25), Source.MIC)
        await client.speak(talk(0.75), Source.SYSTEM)
        await client.flush()
        by_source = {segment.source: segment for segment in client.segments}
        assert by_source[Source.MIC].text == "w0l16 w1l16 w2l16 w3l16"
        assert by_source[Source.SYSTEM].text == "w0l48 w1l48 w2l48 w3l48"
        assert by_source[Source.MIC].start == by_source[Source.SYSTEM].start == 0.0
        assert {event.event for event in client.events} == {1, 2}
        await client.stop()


async def test_a_flush_is_answered_behind_the_last_final(served: Served) -> None:
    """Also for speech right up to the last sample, and for a flush with nothing to do."""
    async with served.started() as client:
        await client.flush("nothing")
        await client.speak(talk(0.5)[: SAMPLE_RATE - 77])
        await client.flush("tail")
        kinds = [one for one in client.received if isinstance(one, m.FinalMessage | m.Flushed)]
        assert [type(one) for one in kinds] == [m.Flushed, m.FinalMessage, m.Flushed]
        assert client.segments[0].end_sample == SAMPLE_RATE - 77
        await client.stop()


async def test_stop_makes_the_tail_final(served: Served) -> None:
    """`stopped` comes behind the last final; what was captured but never sent is lost, and told."""
    async with served.started() as client:
        await client.speak(talk(0.5)[:SAMPLE_RATE])
        stopped = await client.stop(mic=SAMPLE_RATE + 800)
        assert quarters(client.texts) == [0, 1, 2, 3]
        gap = client.of(m.GapMessage)[0].gap
        assert (gap.start_sample, gap.end_sample, gap.status) == (16_000, 16_800, GapStatus.LOST)
        assert isinstance(client.received[-1], m.Stopped)
        coverage = stopped.coverage[Source.MIC]
        assert (coverage.transcribed, coverage.lost, coverage.captured) == (16_000, 800, 16_800)


async def test_silence_yields_nothing(served: Served) -> None:
    """No text, no recogniser call, and its ledger is silence."""
    async with served.started() as client:
        await client.speak(np.zeros(20 * SAMPLE_RATE, np.float32))
        stopped = await client.stop()
        assert (client.events, client.of(m.PartialMessage), served.calls) == ([], [], 0)
        assert stopped.coverage[Source.MIC].silence == 20 * SAMPLE_RATE


async def test_a_client_may_do_without_partials(served: Served) -> None:
    """It asks for finals only."""
    async with served.started(partials=False) as client:
        await client.speak(talk(0.5, 0.5))
        await client.stop()
        assert (len(client.texts), client.of(m.PartialMessage)) == (2, [])


async def test_overlaps_and_repeats_are_heard_once(served: Served) -> None:
    """Frames again, backwards, overlapping: each sample counts once, and is acknowledged all the same."""
    audio = talk(0.25, 0.75)
    chance = np.random.default_rng(3)
    async with served.started() as client:
        sent = 0
        while sent < len(audio):
            start = max(0, sent - int(chance.integers(0, 6_000)))
            end = min(len(audio), start + int(chance.integers(1, 8_000)))
            await client.send(AudioFrame(Source.MIC, start, float_to_pcm16(audio[start:end])))
            sent = max(sent, end)
        await client.until(lambda: bool(client.of(m.Ack)) and client.of(m.Ack)[-1].sample == len(audio))
        stopped = await client.stop()
        assert quarters(client.texts) == [0, 1, 2, 3, 8, 9, 10, 11]
        assert client.of(m.GapMessage) == []
        assert stopped.coverage[Source.MIC].received == len(audio)


async def test_holes_and_skips(served: Served) -> None:
    """What never came is lost and told; what was muted was never captured."""
    piece = float_to_pcm16(talk(0.5)[:16_000])
    async with served.started() as client:
        await client.send(
            AudioFrame(Source.MIC, 0, piece),
            AudioFrame(Source.MIC, 20_000, piece),
            AudioFrame(Source.MIC, 100_000, piece, skipped=True),
        )
        stopped = await client.stop()
        gaps = [one.gap for one in client.of(m.GapMessage)]
        assert [(gap.start_sample, gap.end_sample, gap.reason) for gap in gaps] == [
            (16_000, 20_000, "not_received")
        ]
        coverage = stopped.coverage[Source.MIC]
        assert (coverage.captured, coverage.lost) == (52_000, 4_000)
        assert len(client.texts) == 3


async def test_a_jump_to_the_end_of_time(served: Served) -> None:
    """The largest sample index is an index like any other."""
    piece = float_to_pcm16(talk(0.5)[:16_000])
    async with served.started() as client:
        await client.send(AudioFrame(Source.MIC, 2**53 - 16_000, piece, skipped=True))
        stopped = await client.stop()
        assert client.segments[0].end_sample == 2**53
        assert stopped.coverage[Source.MIC].captured == 16_000
    assert (await served.http.get(f"/v1/sessions/{client.ready.session}/transcript")).status_code == 200


async def test_flow_tells_how_it_goes(served: Served) -> None:
    """At once and again and again: queue with its bound, backlog, credit, load and ledger."""
    served.model._script = Script(seconds_per_call=0.01)
    async with served.started() as client:
        await client.speak(talk(0.5))
        await client.flush()
        await client.until(lambda: client.acked == 32_000)
        count = len(client.of(m.Flow))
        flow = await client.got(m.Flow, count + 2)
        mic = flow.sources[Source.MIC]
        assert (mic.queued, mic.queue_bound, mic.fill, mic.backlog_s) == (0, 100, 0.0, 0.0)
        assert mic.coverage.captured == 32_000
        assert mic.lag_s is not None
        assert flow.rtf_last > 0
        assert mic.credit > 60 * SAMPLE_RATE
        await client.stop()


async def test_acknowledged_is_what_the_journal_has(served: Served) -> None:
    """Credit moves with it."""
    async with served.started() as client:
        await client.speak(talk(0.0))
        await client.until(lambda: client.acked == 32_000)
        journal = served.server.keeper.journal.session(client.ready.session)
        assert journal.ranges(Source.MIC) == [(0, 32_000)]
        await client.flush()
        assert client.of(m.Ack)[-1].credit > 60 * SAMPLE_RATE
        await client.stop()
    assert client.ready.session not in served.server.keeper.journal.sessions()


# --- a recogniser in trouble ----------------------------------------------------------------------------


async def test_a_failure_is_told_and_made_good(served: Served) -> None:
    """One retry, counted, and the text comes."""
    served.model._script = Script(fail=lambda call: call == 0)
    async with served.started(partials=False) as client:
        await client.speak(talk(0.5))
        await client.flush()
        assert client.errors == [ErrorCode.RECOGNISER_FAILED]
        assert "trying once more" in client.of(m.Error)[0].message
        assert len(client.texts) == 1
        await client.stop()
    assert (await served.http.get("/health")).json()["errors"] == 1


async def test_what_failed_twice_is_put_off_and_repaired(served: Served) -> None:
    """The gap is pending until the journal's audio was recognised; the source lives on meanwhile."""
    served.model._script = Script(fail=lambda call: call < 2)
    async with served.started(partials=False) as client:
        await client.speak(talk(0.25, 0.75))
        await client.until(lambda: len(client.texts) == 2)
        stopped = await client.stop()
        [gap] = client.of(m.GapMessage)
        assert (gap.gap.reason, gap.gap.status) == ("recogniser_failed", GapStatus.PENDING)
        assert sorted(quarters(client.texts)) == [0, 1, 2, 3, 8, 9, 10, 11]
        assert stopped.coverage[Source.MIC].pending == 0


async def test_a_recogniser_that_is_down_for_a_while_loses_nothing(served: Served) -> None:
    """It is tried again as long as there is time, however often it fails; a flush does not give up."""
    served.model._script = Script(fail=lambda call: call < 20)
    async with served.started(partials=False) as client:
        await client.speak(talk(0.5))
        await client.flush()
        await client.until(lambda: quarters(client.texts) == [0, 1, 2, 3])
        stopped = await client.stop()
        assert len(client.of(m.GapMessage)) == 1
        assert stopped.coverage[Source.MIC].lost == 0


async def test_a_repair_does_not_run_ahead_of_the_journal(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not written yet is written first, else silence would be heard in its place."""
    monkeypatch.setattr("echopanel.server.keeper.GATHER_S", 60.0)
    served.model._script = Script(fail=lambda call: call < 2)
    async with served.started(partials=False) as client:
        await client.speak(talk(0.5))
        await client.flush()
        assert quarters(client.texts) == [0, 1, 2, 3]
        await client.stop()


async def test_a_final_of_the_microphone_does_not_wait_for_a_source_that_sends_nothing(
    tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing shared yet, or no more: then nothing is played that it could repeat."""
    monkeypatch.setattr("echopanel.engine.bleed.HOLD_S", 3600.0)
    async with (
        serving(settings_of(tmp_path), fake) as served,
        served.started(Source.MIC, Source.SYSTEM) as client,
    ):
        await client.speak(talk(0.25), Source.MIC)
        first = await client.got(m.FinalMessage)
        assert first.final.segment.source is Source.MIC
        await client.speak(talk(0.5), Source.SYSTEM)
        await client.until(lambda: len(client.segments) == 2)
        await client.speak(silence(4.0), Source.MIC)
        await client.speak(talk(0.75), Source.MIC)
        await client.until(lambda: len(client.segments) == 3)


async def test_a_recogniser_that_always_fails_ends_nothing(served: Served) -> None:
    """The session can be stopped; what could not be recognised is lost, and told."""
    served.model._script = served.fake.script = Script(fail=lambda call: True)
    async with served.started() as client:
        await client.speak(talk(0.5))
        stopped = await client.stop()
        assert client.texts == []
        assert client.of(m.GapMessage)[-1].gap.status is GapStatus.LOST
        coverage = stopped.coverage[Source.MIC]
        assert coverage.lost > 16_000
        assert coverage.captured == coverage.silence + coverage.lost


async def test_a_full_queue_is_told_and_caught_up(tmp_path: Path, fake: Fake) -> None:
    """Nothing is dropped: what found no room comes later, and the client's credit goes on meanwhile."""
    settings = settings_of(tmp_path, engine={"queue_mic": 2}, limits={"credit_s": 4})
    async with serving(settings, fake) as served, served.started(partials=False) as client:
        served.model._script = Script(hang=lambda call: call == 2)
        await client.speak(talk(0.1, 0.2))
        await client.until(lambda: len(client.texts) == 2)
        sending = asyncio.create_task(client.speak(talk(*np.linspace(0.3, 0.9, 20))))
        await client.until(lambda: served.calls == 3)
        served.fake.release()
        await sending
        stopped = await client.stop()
        assert stopped.coverage[Source.MIC].pending == 0
        assert len(client.texts) == 22
        assert {one.gap.reason for one in client.of(m.GapMessage)} <= {"backlog_full"}


# --- a disk in trouble ----------------------------------------------------------------------------------


async def test_a_store_that_fails_holds_finals_back_until_it_heals(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client is told once; nothing is sent unstored, nothing is lost, the order stays."""
    store = served.server.keeper.transcripts
    healthy, failing = store.add_events, True

    def add_events(*arguments: object) -> None:
        if failing:
            raise StoreError("disk I/O error")
        healthy(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "add_events", add_events)
    async with served.started(partials=False) as client:
        await client.speak(talk(0.25, 0.75))
        await client.until(lambda: ErrorCode.STORAGE_FAILED in client.errors)
        await client.got(m.Flow, len(client.of(m.Flow)) + 3)
        assert client.texts == []
        assert client.errors == [ErrorCode.STORAGE_FAILED]
        failing = False
        await client.stop()
        assert [event.event for event in client.events] == [1, 2]
        assert quarters(client.texts) == [0, 1, 2, 3, 8, 9, 10, 11]


async def test_a_client_can_come_back_while_the_store_fails(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told of the trouble too, and gets what was held back."""
    store = served.server.keeper.transcripts
    healthy, failing = store.add_events, True

    def add_events(*arguments: object) -> None:
        if failing:
            raise StoreError("disk I/O error")
        healthy(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "add_events", add_events)
    async with served.started(partials=False) as first:
        await first.speak(talk(0.25))
        await first.until(lambda: ErrorCode.STORAGE_FAILED in first.errors)
    async with served.resumed(first.ready) as second:
        await second.until(lambda: ErrorCode.STORAGE_FAILED in second.errors)
        failing = False
        await second.stop()
        assert quarters(second.texts) == [0, 1, 2, 3]


async def test_a_journal_that_refuses_withholds_its_acks(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client is told and keeps its copy; text comes meanwhile; once there is room all is acknowledged."""
    journal = served.server.keeper.journal
    healthy, full, refusals = journal.append, True, 0

    def append(batch: object) -> None:
        nonlocal refusals
        if full:
            from echopanel.store.journal import AppendFailed

            refusals += 1
            refused = DiskError(journal.root, Trouble.NO_SPACE, "no space left on device")
            raise AppendFailed({(client.ready.session, Source.MIC): refused})
        healthy(batch)  # type: ignore[arg-type]

    monkeypatch.setattr(journal, "append", append)
    async with served.started(partials=False) as client:
        await client.speak(talk(0.5))
        await client.until(lambda: ErrorCode.STORAGE_FAILED in client.errors and bool(client.texts))
        assert "free some disk space" in client.of(m.Error)[0].message
        assert client.of(m.Ack) == []
        await soon(lambda: refusals >= 3)
        assert client.errors == [ErrorCode.STORAGE_FAILED], "told once, not with every try"
        full = False
        await client.until(lambda: client.acked == 32_000)
        assert journal.session(client.ready.session).ranges(Source.MIC) == [(0, 32_000)]
        await client.stop()


async def test_a_data_directory_that_is_removed_acknowledges_nothing_more(served: Served) -> None:
    """The client is told and keeps its copy, no final is told that is not stored, nobody else is let in."""
    store = served.server.keeper.transcripts
    async with served.started(partials=False) as client:
        await client.speak(talk(0.25))
        await client.flush()
        acked = len(talk(0.25))
        await client.until(lambda: client.acked == acked)
        shutil.rmtree(served.server.keeper.journal.root)
        for path in store.path.parent.glob(f"{store.path.name}*"):
            path.unlink()
        await client.speak(talk(0.5))
        await client.until(lambda: client.errors.count(ErrorCode.STORAGE_FAILED) == 2)
        assert all("do not remove files" in error.message for error in client.of(m.Error))
        assert (client.acked, len(client.texts)) == (acked, 1)
        async with served.client() as other:
            await other.send(m.Start((Source.MIC,)))
            assert await other.refusal() == (ErrorCode.STORAGE_FAILED, 4507)


async def test_a_slow_disk_delays_acks_only(tmp_path: Path, fake: Fake) -> None:
    """Text comes meanwhile, what waits is bounded by the credit, and in the end every sample is there."""
    async with serving(settings_of(tmp_path, limits={"credit_s": 2}), fake) as served:
        journal, go_on = served.server.keeper.journal, threading.Event()
        healthy = journal.append
        journal.append = lambda batch: healthy(batch) if go_on.wait(10) else None  # type: ignore[method-assign]
        async with served.started(partials=False) as client:
            speaking = asyncio.create_task(client.speak(talk(0.5, 0.25, 0.125)))
            await client.until(lambda: len(client.texts) == 1)
            assert (client.acked, speaking.done()) == (0, False)
            assert client.wire.credit[Source.MIC].sent == 32_000
            go_on.set()
            assert await speaking == 96_000
            await client.stop()
            assert client.acked == 96_000


async def test_a_stop_waits_for_the_disk(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """`stopped` means written: while the ledger cannot be, the client is told and waits."""
    store = served.server.keeper.transcripts
    healthy, failing = store.save_coverage, True

    def save_coverage(*arguments: object) -> None:
        if failing:
            raise StoreError("disk I/O error")
        healthy(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "save_coverage", save_coverage)
    async with served.started() as client:
        await client.speak(talk(0.5))
        await client.send(m.Stop())
        await client.until(lambda: ErrorCode.STORAGE_FAILED in client.errors)
        assert client.of(m.Stopped) == []
        failing = False
        await client.got(m.Stopped)
    await soon(lambda: served.slots == 0)
