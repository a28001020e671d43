"""What tests of a streaming model and its fallback share; the scripted model stands in, and says numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from echopanel.audio import Samples, Source
from echopanel.wire import messages as m
from tests.engine.rig import silence, soon
from tests.helpers.fake_voxtral import LETTERS
from tests.helpers.voxtral import babble
from tests.server.rig import Client, Served

MIC = Source.MIC


def said(seconds: float, seed: int) -> Samples:
    """An utterance and the pause that ends it."""
    return np.concatenate([babble(seconds, seed), silence(1.0)])


def streamed(text: str) -> bool:
    """Whether the streaming model heard it all."""
    return all(any(letter in LETTERS for letter in word) for word in text.split())


async def final(client: Client, count: int) -> str:
    """The text of a final, by number."""
    await client.until(lambda: len(client.segments) >= count)
    return client.segments[count - 1].text


async def spare_ready(served: Served) -> None:
    """The fallback is loaded behind the first model."""
    await soon(lambda: bool(served.fake.models) and served.server.engine._lineup.stands_in("en"))


async def broken_while_speaking(
    served: Served, client: Client, break_it: Callable[[], None], broken: Callable[[], bool] = lambda: True
) -> str:
    """The text of the second utterance, in which streams break: the fallback gives partials meanwhile.

    They may break only when they hear more; what is said once they are `broken` finds that out.
    """
    await spare_ready(served)
    await client.speak(said(1.5, 1))
    assert streamed(await final(client, 1))
    speech = said(4.0, 2)
    await client.speak(speech[:24_000])
    await client.until(lambda: any(one.partial.segment_id == "mic-2" for one in client.of(m.PartialMessage)))
    assert not served.model.calls
    break_it()
    shown = len(client.of(m.PartialMessage))
    await client.speak(speech[24_000:40_000])
    await client.until(broken)
    await client.speak(speech[40_000:48_000])
    await client.until(lambda: bool(served.model.calls))
    await client.until(lambda: len(client.of(m.PartialMessage)) > shown)
    await client.speak(speech[48_000:])
    return await final(client, 2)


async def hung_while_speaking(served: Served, client: Client, hang: Callable[[], None]) -> str:
    """The text of the first utterance, in which streams hang; then level 4 and, once they are well, back."""
    await spare_ready(served)
    speech = said(3.0, 1)
    await client.speak(speech[:24_000])
    await client.got(m.PartialMessage)
    hang()
    await client.speak(speech[24_000:])
    text = await final(client, 1)
    await client.until(lambda: any(flow.level == 4 for flow in client.of(m.Flow)))
    flow = next(flow for flow in client.of(m.Flow) if flow.level == 4)
    assert flow.plan == "fallback model (spare)"
    assert " hangs: the recogniser did not answer within" in flow.reason
    await client.until(lambda: client.of(m.Flow)[-1].level == 0)
    return text


async def speak_until_streamed(client: Client) -> None:
    """A busy machine may need more than one utterance's time to open a stream."""
    while not streamed(client.segments[-1].text):
        count = len(client.segments)
        await client.speak(said(1.5, 10 + count))
        await final(client, count + 1)


async def whole(client: Client) -> None:
    """End the session: all that was said is text, once and in order."""
    spoken = len(client.segments)
    coverage = (await client.stop()).coverage[MIC]
    assert (coverage.pending, coverage.lost) == (0, 0)
    ranges = [(one.start_sample, one.end_sample) for one in client.segments]
    assert ranges == sorted(ranges)
    assert sum(end - start for start, end in ranges) == coverage.transcribed
    assert len(ranges) == spoken
