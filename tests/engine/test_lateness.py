"""Text that comes too late for captions: what is said meanwhile is put off, so that captions catch up."""

from __future__ import annotations

import numpy as np

from echopanel.asr.fake import Script
from echopanel.audio import to_samples
from echopanel.engine.pace import Pace
from echopanel.engine.pipeline import OVERLOAD
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
