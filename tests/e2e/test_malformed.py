"""Malformed input on several connections costs nobody but its sender."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

import numpy as np
import pytest

import echopanel
from echopanel.bench.process import usage_of
from echopanel.client.pacing import Pacer, play
from echopanel.transcript import Final
from tests.e2e.conftest import Note
from tests.e2e.malformed import Attacker
from tests.e2e.programs import Server, serving
from tests.helpers.speech import SAMPLE_RATE, Speech

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

FRAMES = 5_000
ATTACKERS = 4
SECONDS = 16.8
MAX_GROWTH_MB = 8.0


async def transcript(server: Server, speech: Speech, speed: float) -> list[str]:
    """The finals of the first clauses, without partials: what they say then depends on the audio alone."""
    samples = np.array(speech.load()[: round(SECONDS * SAMPLE_RATE)])
    async with echopanel.connect(server.url, sources=["mic"], partials=False) as meeting:
        await play(meeting, "mic", [samples], Pacer(speed))
        await meeting.stop()
        return [event.segment.text async for event in meeting if isinstance(event, Final)]


async def test_malformed_messages_cost_only_their_sender(
    tmp_path_factory: pytest.TempPathFactory, two_cities: Speech, note: Note
) -> None:
    """Every sender is shown the door; the text of another session and the memory stay as they were."""
    with serving(tmp_path_factory.mktemp("attacked")) as server:
        url = f"ws://127.0.0.1:{server.port}/v1/live"
        attackers = [Attacker(url, Random(seed)) for seed in range(ATTACKERS)]
        undisturbed = await transcript(server, two_cities, 4)
        disturbed, _ = await asyncio.gather(transcript(server, two_cities, 2), attack(attackers, FRAMES // 2))
        # Rubbish alone: what recognition takes comes in steps that would hide a leak, or look like one.
        before = usage_of(server.process.pid).rss_mb
        await attack(attackers, FRAMES - FRAMES // 2)
        after = usage_of(server.process.pid).rss_mb
        codes = sum((attacker.codes for attacker in attackers), Counter[int]())
        sent = sum(attacker.sent for attacker in attackers)
        note(f"{sent} messages on {codes.total()} connections; memory {before:.1f} -> {after:.1f} MB")
        note(f"close codes {dict(codes.most_common())}")
        assert len(undisturbed) >= 2
        assert disturbed == undisturbed
        assert sent == FRAMES
        # 1000: among all that rubbish was a `stop` in its right place.
        assert {code for code in codes if not 4400 <= code < 4500} <= {1000, 1002, 1006, 1007, 1009}
        assert after - before <= MAX_GROWTH_MB


async def attack(attackers: list[Attacker], count: int) -> None:
    """All at once."""
    async with asyncio.TaskGroup() as group:
        for attacker in attackers:
            group.create_task(attacker.send(count // len(attackers)))
