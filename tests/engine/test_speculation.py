"""A pause is decoded ahead, in case it is the end."""

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
