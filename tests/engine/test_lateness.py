"""Where time is short: what is said while text is late is put off, and live utterances are short."""

from __future__ import annotations

import numpy as np

from echopanel.asr.fake import Script
from echopanel.audio import to_samples
from echopanel.engine.pace import Pace
from echopanel.engine.pipeline import OVERLOAD
from echopanel.policy.endpoint import Hurry
from echopanel.transcript import Gap, GapStatus
from tests.engine.rig import playing, rigged, said, silence, soon, speech

WORDS = said(speech(1.0), silence(4.0))


# Any text that is not there yet is late.
LATE = Pace(60.0, speculate=False, late_s=0.0)


async def test_what_is_said_while_text_is_late_is_put_off() -> None:
    """What comes behind it is live again, and what was put off is told as pending."""
    async with rigged(Script(hang=lambda call: call == 0)) as rig, playing(rig) as played:
        rig.pace = LATE
        played.feed(WORDS)
        await soon(lambda: len(rig.calls) == 1 and played.pipeline.closing == 0)
        played.feed(WORDS)
        rig.fake.release()
        await played.flush()
        (gap,) = played.of(Gap)
        assert (gap.reason, gap.status) == (OVERLOAD, GapStatus.PENDING)
        assert to_samples(4.5) <= gap.start_sample < gap.end_sample <= to_samples(6.5)
        assert played.pipeline.shed == [(gap.start_sample, gap.end_sample)]
        played.feed(WORDS)
        await played.flush()
        assert len(played.texts) == 2


async def test_nobody_waits_for_the_text_of_a_recording() -> None:
    """It comes as fast as it can, and all of it."""
    script = Script(hang=lambda call: call == 0)
    async with rigged(script) as rig, playing(rig, partials=False) as played:
        rig.pace = LATE
        played.feed(WORDS)
        await soon(lambda: len(rig.calls) == 1 and played.pipeline.closing == 0)
        played.feed(np.tile(WORDS, 3))
        rig.fake.release()
        await played.flush()
        assert (played.of(Gap), len(played.texts)) == ([], 4)


async def test_only_what_somebody_waits_for_is_cut_short() -> None:
    """Ten seconds of speech are one utterance in a recording, and three live: none is longer than five."""
    finals: dict[bool, int] = {}
    for partials in (True, False):
        async with rigged() as rig, playing(rig, partials=partials) as played:
            rig.pace = Pace(60.0, speculate=False, hurry=Hurry.GREAT)
            played.feed(said(silence(0.5), speech(10.0), silence(1.0)))
            await played.flush()
            finals[partials] = len(played.texts)
    assert finals == {True: 3, False: 1}
