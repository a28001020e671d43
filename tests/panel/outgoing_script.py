"""What the Python client says of two sources in a random meeting, for the JavaScript client to say alike."""

from __future__ import annotations

import json
from random import Random
from typing import Any, cast

from echopanel.audio import SAMPLE_BYTES, AudioFrame, Source
from echopanel.client.link import MAX_PIECE
from echopanel.client.outgoing import Outgoing
from echopanel.policy.replay import ReplayLimits
from echopanel.wire import messages as m
from echopanel.wire.client import ClientConnection
from echopanel.wire.codec import encode
from echopanel.wire.states import State

Json = dict[str, Any]


class Grants:
    """A live connection that may send so much."""

    state = State.LIVE

    def __init__(self, allowance: int) -> None:
        self._allowance = allowance

    def allowance(self, source: Source, start: int) -> int:
        return self._allowance


def outgoing_script(random: Random) -> list[Json]:
    """What is said of two sources while connections come and go and the server gets busy, up to the end."""
    outgoing = Outgoing(tuple(Source), ReplayLimits())
    most, ready = restart(outgoing, random, resumed=False)
    steps: list[Json] = [{"op": "restart", "ready": ready}]
    for _ in range(80):
        what = random.choice(["add"] * 8 + ["follow"] * 3 + ["acknowledge"] * 2 + ["restart"])
        source = random.choice(list(Source))
        step: Json = {"op": what, "source": source.value}
        if what == "add":
            step |= say_more(outgoing, source, random)
        elif what == "follow":
            step["interval"] = random.choice([0.3, 1.0, 4.0, 8.0])
            outgoing.follow(step["interval"])
        elif what == "acknowledge":
            step["sample"] = random.randint(0, outgoing.tracks[source].replay.position)
            outgoing.acknowledge(source, step["sample"])
        else:
            most, step["ready"] = restart(outgoing, random, resumed=random.random() < 0.7)
        steps.append(step | said(outgoing, most, random))
    outgoing.stopping = True
    last = [{"op": "stop"} | said(outgoing, most, random) for _ in range(3)]
    return steps + last


def say_more(outgoing: Outgoing, source: Source, random: Random) -> Json:
    """A frame of up to 100 ms, perhaps behind a stretch that was not captured."""
    outgoing.skip(source, random.choice([0, 0, 0, 5000]))
    start, count = outgoing.tracks[source].next, random.randint(1, 1600)
    captured_ms = start / 16 + 3.0 * (source is Source.SYSTEM)
    skipped = outgoing.tracks[source].skipped
    outgoing.add(source, bytes(count * SAMPLE_BYTES), 0.0, None, captured_ms)
    return {"start": start, "count": count, "capturedMs": captured_ms, "skipped": skipped}


def restart(outgoing: Outgoing, random: Random, *, resumed: bool) -> tuple[int, Json]:
    """A connection, to the session or to a new one; how long its frames may be, and its `ready`."""
    limits = m.Limits(65_536, random.choice([500, 4000, 20_000]), 200, 20.0, 300.0)
    starts = {
        source: m.SourceReady(random.randint(0, track.replay.position) if resumed else 0, 160_000)
        for source, track in outgoing.tracks.items()
    }
    ready = m.Ready("s1", "t1", resumed, starts, limits, "fake", "fake")
    outgoing.restart(ready)
    return min(MAX_PIECE, limits.max_frame_samples), json.loads(str(encode(ready)))


def said(outgoing: Outgoing, most: int, random: Random) -> Json:
    """Everything that is to be said now, to a server that takes any number of pieces of some length."""
    allowance = random.choice([0, 700, 100_000, 100_000])
    wire = cast(ClientConnection, Grants(allowance))
    messages: list[Json] = []
    while (message := outgoing.next_message(wire, most)) is not None:
        if isinstance(message, m.Stop):
            captured = {source.value: end for source, end in (message.captured or {}).items()}
            messages.append({"captured": captured})
            break
        assert isinstance(message, AudioFrame)
        where = {"source": message.source.value, "start": message.start, "count": message.count}
        messages.append({**where, "capturedMs": message.captured_ms, "skipped": message.skipped})
    return {"allowance": allowance, "says": messages}
