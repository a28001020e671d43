"""What the Python side does in many situations, as JSON for the JavaScript modules to do alike."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from random import Random
from typing import Any

from echopanel.audio import SAMPLE_RATE, AudioFrame, Source
from echopanel.errors import RemoteProtocolError
from echopanel.policy.backoff import Backoff
from echopanel.policy.breaker import Breaker
from echopanel.policy.framing import least_s
from echopanel.policy.heartbeat import Heartbeat
from echopanel.policy.replay import Replay, ReplayLimits
from echopanel.policy.retry import Retry
from echopanel.transcript import Final, Gap, GapStatus, Revision, Segment, Transcript, TranscriptEvent
from echopanel.wire import messages as m
from echopanel.wire.closing import CLOSING
from echopanel.wire.codec import decode, encode
from echopanel.wire.credit import Credit
from echopanel.wire.states import SENDER, TRANSITIONS, Role, State
from tests.panel.outgoing_script import outgoing_script
from tests.wire.examples import EXAMPLES

Json = dict[str, Any]
TOKENS = ("correct-horse", "a+b/c~d==", "~~~~~~~~")
MALFORMED = (
    "",
    "[]",
    "null",
    '"ready"',
    "{}",
    '{"type": 1}',
    '{"type": "ack", "source": "mic", "sample": "1", "credit": 2}',
    '{"type": "partial", "segment": "mic-1", "source": "mic", "revision": 1, "start": 0, "stable": 0}',
    '{"type": "final", "event": 1, "segment": "mic-1", "source": "mic", "start": 0}',
    '{"type": "stopped", "session": "s1", "coverage": []}',
)


def vectors(seed: int = 1) -> Json:
    """Everything, from one seed."""
    random = Random(seed)
    return {
        "errors": {
            code.value: {"closeCode": closing.close_code, "retryable": closing.retryable}
            for code, closing in CLOSING.items()
        },
        "transitions": transitions(),
        "frames": [frame_vector(random) for _ in range(50)],
        "messages": [str(encode(message)) for kind, message in EXAMPLES.items() if from_server(kind)],
        "malformed": list(refused(MALFORMED)),
        "tokens": {token: base64url(token) for token in TOKENS},
        "backoff": [[n, u, Backoff().delay(n, u)] for n in range(20) for u in (0.0, 0.37, 0.999)],
        "retry": [retry_script(random) for _ in range(40)],
        "heartbeat": [heartbeat_script(random) for _ in range(20)],
        "replay": [replay_script(random) for _ in range(60)],
        "framing": [[interval, least_s(interval)] for interval in (0.0, 0.3, 0.99, 1.0, 1.7, 4.0, 8.0)],
        "outgoing": [outgoing_script(random) for _ in range(60)],
        "credit": [credit_script(random) for _ in range(40)],
        "transcripts": [transcript_vector(random) for _ in range(60)],
    }


def from_server(kind: m.Kind) -> bool:
    """Whether a kind of message is the server's to send."""
    return SENDER[kind] is Role.SERVER


def refused(texts: tuple[str, ...]) -> Iterator[str]:
    """The texts, each checked to be refused by the Python side too."""
    for text in texts:
        try:
            decode(text)
        except RemoteProtocolError:
            yield text
        else:
            raise AssertionError(f"Python takes {text}")


def base64url(token: str) -> str:
    """As docs/protocol.md wants it in the subprotocol."""
    return base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


def transitions() -> Json:
    """State -> kind -> state."""
    table: Json = {state.value: {} for state in State}
    for (state, kind), following in TRANSITIONS.items():
        table[state.value][kind.value] = following.value
    return table


def frame_vector(random: Random) -> Json:
    """A frame in words and in bytes."""
    count = random.randint(1, 40)
    samples = [random.randint(-32768, 32767) for _ in range(count)]
    frame = AudioFrame(
        random.choice(list(Source)),
        random.choice([0, 16_000, random.randrange(2**53 - 100)]),
        b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples),
        random.random() * 1e7,
        random.random() < 0.5,
    )
    fields = {"source": frame.source.value, "start": frame.start, "pcm": samples}
    timing = {"capturedMs": frame.captured_ms, "skipped": frame.skipped}
    return {"frame": fields | timing, "hex": bytes(encode(frame)).hex()}  # type: ignore[arg-type]


def retry_script(random: Random) -> list[Json]:
    """Attempts, failures and successes as time goes by, and what the policy said."""
    retry, now, steps = Retry(Backoff(), Breaker(), 15, 5.0), 0.0, []
    for _ in range(60):
        now += random.choice([0.0, 0.5, 3.0, 20.0, 70.0])
        what = random.choice(["attempt", "attempt", "failed", "failed", "ready", "reconnect"])
        step: Json = {"op": what, "now": now}
        if what == "attempt":
            step["returns"] = retry.attempt(now)
        elif what == "failed":
            step["u"], step["atLeast"] = random.random(), random.choice([0.0, 5.0, 90.0])
            step["returns"] = retry.failed(now, step["u"], step["atLeast"])
        elif what == "ready":
            retry.ready(now)
        elif random.random() < 0.2:
            retry.reset()
            step["returns"] = retry.attempt(now)
        else:
            continue
        steps.append(step)
    return steps


def heartbeat_script(random: Random) -> list[Json]:
    """Signs of life and pings, and what was due then."""
    heartbeat, now, steps = Heartbeat(0.0), 0.0, []
    for _ in range(30):
        now += random.choice([0.5, 2.0, 9.0, 16.0])
        what = random.choice(["heard", "asked", "look"])
        if what == "heard":
            heartbeat.heard(now)
        elif what == "asked":
            heartbeat.asked(now)
        steps.append(
            {"op": what, "now": now, "pingDue": heartbeat.ping_due(now), "isDead": heartbeat.is_dead(now)}
        )
    return steps


def replay_script(random: Random) -> list[Json]:
    """Audio that comes, is sent, acknowledged and sent again."""
    seconds = random.choice([0.05, 0.2, 600.0])
    again = random.choice([0.0, 0.03, 60.0])
    limits = ReplayLimits(seconds, again_s=again)
    replay, steps = Replay(limits), [{"op": "new", "seconds": seconds, "again": again}]
    for _ in range(60):
        n = random.randint(1, 300)
        what = random.choice("append append jump take take acknowledge acknowledge rewind settle".split())
        step: Json = {"op": what, "n": n}
        if what in ("append", "jump"):
            step["start"] = replay.end + (n if what == "jump" else 0)
            pcm = b"".join(
                (i % 32_768).to_bytes(2, "little") for i in range(step["start"], step["start"] + n)
            )
            replay.append(AudioFrame(Source.MIC, step["start"], pcm, step["start"] / 16, what == "jump"), 0.0)
        elif what == "take":
            step["returns"] = piece_of(replay.take(n))
        elif what == "settle":
            replay.settle()
        else:
            step["n"] = random.randint(0, max(1, replay.end))
            (replay.acknowledge if what == "acknowledge" else replay.rewind)(step["n"])
        shown = {"samples": replay.samples, "unsent": replay.unsent, "dropped": replay.dropped}
        steps.append(step | {"position": replay.position, "end": replay.end} | shown)
    return steps


def piece_of(frame: AudioFrame | None) -> Json | None:
    """What was taken; its samples tell their own index, so first and number say all."""
    if frame is None:
        return None
    where = {"start": frame.start, "count": frame.count, "first": int.from_bytes(frame.pcm[:2], "little")}
    return where | {"capturedMs": frame.captured_ms, "skipped": frame.skipped}


def credit_script(random: Random) -> list[Json]:
    """Credit spent and granted."""
    credit, steps = Credit(100, 1000), []
    for _ in range(30):
        a, n = random.randint(0, 5000), random.randint(1, 400)
        what = random.choice(["spend", "grant", "look"])
        if what == "spend":
            credit.spend(a, a + n)
        elif what == "grant":
            credit.grant(a)
        steps.append({"op": what, "a": a, "n": n, "allowance": credit.allowance(a), "limit": credit.limit})
    return steps


def transcript_vector(random: Random) -> Json:
    """Events as messages, and the transcript that they fold to."""
    events = [event_of(random, number) for number in range(1, 15)]
    wrapped = [wrap(number, event) for number, event in enumerate(events, 1)]
    transcript = Transcript.fold(events)
    return {
        "messages": [json.loads(str(encode(message))) for message in wrapped],
        "speech": sorted([segment.id, segment.text] for segment in transcript.segments if segment.text),
        "gaps": sorted([gap.source, gap.start_sample, gap.end_sample, gap.status] for gap in transcript.gaps),
    }


def event_of(random: Random, number: int) -> TranscriptEvent:
    """A final, a revision of up to two earlier segments, or a gap, in the first 30 s of a source."""
    source = random.choice(list(Source))
    start = random.randrange(30) * SAMPLE_RATE
    end = start + random.randint(1, 4) * SAMPLE_RATE
    what = random.choice(["final", "final", "revision", "gap", "gap"])
    if what == "gap":
        return Gap(source, start, end, "overload", random.choice(list(GapStatus)))
    segment = Segment(
        f"{source}-{number}", source, start / SAMPLE_RATE, end / SAMPLE_RATE, f"words {number}", start, end
    )
    if what == "final":
        return Final(segment)
    replaced = tuple(f"{name}-{random.randrange(1, number + 1)}" for name in Source)
    return Revision(replaced, (segment,), "repair")


def wrap(number: int, event: TranscriptEvent) -> m.Message:
    """The message that carries an event."""
    match event:
        case Final():
            return m.FinalMessage(number, event)
        case Revision():
            return m.RevisionMessage(number, event)
        case Gap():
            return m.GapMessage(number, event)
