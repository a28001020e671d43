"""A recogniser that fails, or a queue that is full: told, made good, and nothing is lost."""

from __future__ import annotations

import numpy as np

from echopanel.asr.fake import Script
from echopanel.audio import Source, to_samples
from echopanel.engine.events import Trouble
from echopanel.transcript import Partial
from tests.engine.rig import (
    UTTERANCE,
    pending,
    playing,
    quarters,
    rigged,
    said,
    silence,
    speech,
)


async def test_one_failure_costs_a_retry() -> None:
    """It is told, and the text comes all the same."""
    async with rigged(Script(fail=lambda call: call == 0)) as rig, playing(rig, partials=False) as played:
        played.feed(UTTERANCE)
        await played.flush()
        assert quarters(played.texts) == list(range(2, 10))
        assert played.coverage.pending == 0
        assert played.of(Trouble) == [
            Trouble(Source.MIC, "call 0 fails by script; trying once more", given_up=False)
        ]


async def test_two_failures_are_told_and_the_source_lives_on() -> None:
    """The range stays pending, with an event and an error; the next utterance is recognised."""
    async with rigged(Script(fail=lambda call: call < 2)) as rig, playing(rig, partials=False) as played:
        played.feed(np.tile(UTTERANCE, 2))
        await played.flush()
        kinds = [type(event).__name__ for event in played.events]
        assert kinds == ["Trouble", "Trouble", "Gap", "Final"]
        assert played.of(Trouble)[1] == Trouble(Source.MIC, "call 1 fails by script", given_up=True)
        [(start, end, reason, status)] = pending(played.events)
        assert (reason, status) == ("recogniser_failed", "pending")
        assert played.coverage.pending == end - start
        assert played.pipeline.shed == [(start, end)]


async def test_failed_partials_do_not_matter() -> None:
    """They are not told; the next partial and the final come."""
    async with rigged(Script(fail=lambda call: call in (0, 2))) as rig, playing(rig) as played:
        await played.play(UTTERANCE)
        await played.flush()
        assert played.of(Trouble) == []
        assert len(played.of(Partial)) == 3
        assert quarters(played.texts) == list(range(2, 10))


async def test_a_full_queue_puts_off_and_tells() -> None:
    """Beyond the bound nothing is dropped silently: a pending range each, and the others become text."""
    script = Script(hang=lambda call: call == 0)
    async with rigged(script, bound=2) as rig, playing(rig, partials=False) as played:
        played.feed(np.tile(UTTERANCE, 5))
        rig.fake.release()
        await played.flush()
        assert len(played.texts) == 3
        assert [(reason, status) for *_, reason, status in pending(played.events)] == [
            ("backlog_full", "pending")
        ] * 2
        assert played.coverage.pending == sum(end - start for start, end in played.pipeline.shed)


async def test_what_is_put_off_holds_nothing_up() -> None:
    """Credit is counted from what still waits, so a range that is put off does not stop the client."""
    script = Script(fail=lambda call: call in (0, 1, 3, 4), hang=lambda call: call == 5)
    async with rigged(script) as rig, playing(rig, partials=False) as played:
        played.feed(np.tile(UTTERANCE, 3))
        await played.flush()
        assert len(played.pipeline.shed) == 2
        assert played.pipeline.handled == played.pipeline.end
        played.feed(said(silence(1.0), speech(1.0), silence(1.0)))
        waiting = played.pipeline.handled
        assert to_samples(11.0) < waiting < to_samples(11.5)
        rig.fake.release()
        await played.flush()
        assert played.pipeline.handled == played.pipeline.end


async def test_a_session_that_ends_gets_its_jobs_back() -> None:
    """Jobs that are cancelled leave their audio pending."""
    async with rigged(Script(hang=lambda call: call == 0)) as rig, playing(rig) as played:
        busy = rig.ask(session="other")
        played.feed(UTTERANCE)
        rig.recogniser.cancel("s", Source.MIC)
        await played.flush()
        assert [status for *_, status in pending(played.events)] == ["pending"]
        rig.fake.release()
        await busy


async def test_what_is_put_off_is_not_heard_as_part_of_the_next() -> None:
    """Speech without text lies before an utterance: its words must come from its own repair only."""
    word = said(speech(0.5), silence(0.75))
    script = Script(fail=lambda call: call in (1, 2))
    async with rigged(script) as rig, playing(rig, partials=False) as played:
        for _ in range(3):
            played.feed(word)
            await played.flush()
        assert [quarters([text]) for text in played.texts] == [[0, 1], [10, 11]]
