"""The library against a real server with the real model, through faults."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import numpy as np
import pytest

import echopanel
from echopanel import Event, Final, Gap, Resilience
from echopanel.audio import SAMPLE_RATE, Samples
from echopanel.client.pacing import Pacer, play
from echopanel.policy.backoff import Backoff
from tests.e2e.programs import FULL_QUALITY, serving
from tests.helpers.proxy import Proxy, proxied
from tests.helpers.speech import Speech, normalised

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

TIRELESS = Resilience(attempts=10_000, backoff=Backoff(0.1, 0.5), breaker_failures=10_000)
SPEED = 4.0


async def hold(url: str, speech: Samples, speed: float = SPEED) -> tuple[dict[str, str], list[Event]]:
    """Play the same speech as both sources; the text of each, and all events. No audio may be lost.

    Without partials what is heard depends on the audio alone, not on when it came.
    """
    blocks = np.array_split(speech, 10)
    connecting = echopanel.connect(url, resilience=TIRELESS, partials=False)
    async with connecting as meeting, asyncio.TaskGroup() as group:
        reader = group.create_task(read(meeting))
        pacer = Pacer(speed)
        players = [group.create_task(play(meeting, source, blocks, pacer)) for source in ("mic", "system")]
        await asyncio.wait(players)
        stopped = await meeting.stop()
    for ledger in stopped.coverage.values():
        assert ledger.balanced()
        assert (ledger.captured, ledger.pending, ledger.lost) == (len(speech), 0, 0), ledger
    events = reader.result()
    segments = [event.segment for event in events if isinstance(event, Final)]
    texts = {
        source: " ".join(segment.text for segment in segments if segment.source == source)
        for source in ("mic", "system")
    }
    assert [event for event in events if isinstance(event, Gap)] == []
    return texts, events


async def read(meeting: echopanel.Meeting) -> list[Event]:
    """Every event."""
    return [event async for event in meeting]


@pytest.fixture(scope="module")
def speech(two_cities: Speech) -> Samples:
    """The first six clauses."""
    return two_cities.load()[: round(12.8 * SAMPLE_RATE)]


def spoken(texts: dict[str, str]) -> dict[str, str]:
    """The words alone: case and commas depend on when a partial was decoded, so on the moment audio came."""
    return {source: normalised(text) for source, text in texts.items()}


async def test_cuts_in_the_middle_of_anything_change_no_word(tmp_path: Path, speech: Samples) -> None:
    """The transcript of a meeting whose network broke five times is that of a quiet one."""
    with serving(tmp_path, *FULL_QUALITY) as server:
        quiet, _ = await hold(server.url, speech)
        proxy = Proxy(server.port, random.Random(3), cuts=5, most_bytes=150_000)
        async with proxied(proxy):
            broken, events = await hold(proxy.url, speech)
    assert proxy.made > 1
    for source, text in spoken(quiet).items():
        assert spoken(broken)[source] == text
    numbers = [event.segment.id for event in events if isinstance(event, Final)]
    assert len(numbers) == len(set(numbers))


async def test_a_killed_server_loses_no_word(tmp_path: Path, speech: Samples) -> None:
    """`kill -9` in the middle of speech, then a new process on the same port and directory."""
    with serving(tmp_path, *FULL_QUALITY) as first:
        quiet, _ = await hold(first.url, speech)
        meeting = asyncio.create_task(hold(first.url, speech))
        await asyncio.sleep(len(speech) / SAMPLE_RATE / SPEED / 2)
        first.process.kill()
        await asyncio.to_thread(first.process.wait)
    with serving(tmp_path, "--port", str(first.port), *FULL_QUALITY):
        texts, _ = await meeting
    assert spoken(texts) == spoken(quiet)
