"""At a pause: a decode ahead, in case it is the end, or where there is no time for that, a partial."""

from __future__ import annotations

from echopanel.asr.fake import Script
from echopanel.engine.events import Trouble
from echopanel.engine.pace import Pace
from echopanel.transcript import Partial
from tests.engine.rig import (
    Rig,
    playing,
    quarters,
    rigged,
    said,
    silence,
    soon,
    speech,
)


def speculating(rig: Rig) -> Rig:
    """An idle machine, and no partials between."""
    rig.pace = Pace(60.0, speculate=True)
    return rig


async def test_a_pause_is_decoded_ahead() -> None:
    """The final is there when the endpoint comes, from the one call that was made at the pause."""
    async with rigged() as rig, playing(speculating(rig)) as played:
        await played.play(said(silence(0.5), speech(2.0), silence(0.3)))
        assert len(rig.calls) == 1
        assert [type(event) for event in played.events] == [Partial]
        await played.play(silence(0.4))
        await soon(lambda: bool(played.texts))
        assert len(rig.calls) == 1
        assert quarters(played.texts) == list(range(2, 10))


async def test_a_pause_that_was_only_one_costs_a_decode() -> None:
    """The guess is not used; the final has what came behind the pause."""
    async with rigged() as rig, playing(speculating(rig)) as played:
        await played.play(said(speech(1.0), silence(0.3), speech(1.0), silence(1.0)))
        await played.flush()
        assert len(rig.calls) == 2
        assert quarters(played.texts) == [0, 1, 2, 3, 5, 6, 7, 8, 9]


async def test_a_guess_ends_where_the_speaker_paused() -> None:
    """Of audio that comes in a burst, what was said behind the pause belongs to the next utterance alone."""
    async with rigged() as rig, playing(speculating(rig)) as played:
        burst = said(speech(1.0), silence(0.75), speech(1.0), silence(0.75))
        played.feed(burst, size=len(burst))
        await played.flush()
        assert [quarters([text]) for text in played.texts] == [[0, 1, 2, 3], [7, 8, 9, 10]]


async def test_a_guess_that_failed_is_made_good() -> None:
    """The endpoint finds no text, so it asks anew."""
    async with rigged(Script(fail=lambda call: call == 0)) as rig, playing(speculating(rig)) as played:
        await played.play(said(speech(1.0), silence(1.0)))
        await played.flush()
        assert (len(played.texts), played.of(Trouble)) == (1, [])


async def test_a_guess_that_has_not_begun_gives_way_to_the_final() -> None:
    """With the workers busy the endpoint comes first, and one decode serves."""
    async with rigged(Script(hang=lambda call: call == 0)) as rig, playing(speculating(rig)) as played:
        busy = rig.ask(session="other")
        played.feed(said(speech(1.0), silence(1.0)))
        rig.fake.release()
        await busy
        await played.flush()
        assert len(rig.calls) == 2
        assert len(played.texts) == 1


def busy(rig: Rig) -> Rig:
    """No time for guesses, and partials further apart than the utterance is long."""
    rig.pace = Pace(3.0, speculate=False)
    return rig


async def test_what_was_said_before_a_pause_is_shown_where_time_is_short() -> None:
    """Once: nothing more is said. The final is a decode of its own."""
    async with rigged() as rig, playing(busy(rig)) as played:
        await played.play(said(speech(2.0), silence(0.3)))
        assert [type(event) for event in played.events] == [Partial]
        assert quarters([played.of(Partial)[0].text]) == list(range(8))
        await played.play(silence(0.1))
        assert len(rig.calls) == 1
        await played.play(silence(0.3))
        await soon(lambda: bool(played.texts))
        assert len(rig.calls) == 2


async def test_a_pause_adds_nothing_to_what_is_shown_already() -> None:
    """It comes less than half an interval after the last partial, which is soon enough."""
    async with rigged() as rig, playing(busy(rig)) as played:
        await played.play(speech(3.1))
        assert len(rig.calls) == 1
        await played.play(said(speech(1.0), silence(0.3)))
        assert len(rig.calls) == 1


async def test_a_pause_while_a_partial_is_made_is_shown_behind_it() -> None:
    """A source has one decode at a time; what was said meanwhile follows as soon as that is back."""
    async with rigged(Script(hang=lambda call: call == 0)) as rig, playing(busy(rig)) as played:
        played.feed(speech(3.1))
        await soon(lambda: bool(rig.calls))
        played.feed(said(speech(1.9), silence(0.3)))
        rig.fake.release()
        await soon(lambda: bool(played.of(Partial)))
        await played.play(silence(0.1))
        assert [max(quarters([one.text])) for one in played.of(Partial)] == [11, 19]
