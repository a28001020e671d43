"""A source on a server: one generation at a time, whatever the server does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from echopanel.asr.provider import DecodeOptions, Increment, ModelSpec
from echopanel.asr.voxtral_realtime import VoxtralRealtime
from echopanel.asr.voxtral_realtime.model import RealtimeModel
from echopanel.asr.voxtral_realtime.settings import Dialect, RealtimeSettings
from echopanel.asr.voxtral_realtime.stream import RealtimeStream
from echopanel.audio import Chunk, Samples, Source, float_to_pcm16
from echopanel.errors import ModelUnavailable, TranscriptionFailed
from tests.helpers.fake_realtime import FakeServer, Faults, fake_server
from tests.helpers.fake_voxtral import spoken
from tests.helpers.voxtral import babble

TIMED = DecodeOptions(word_timestamps=True)


@pytest.fixture(params=list(Dialect))
def server(request: pytest.FixtureRequest) -> Iterator[FakeServer]:
    """One that behaves, in both dialects."""
    with fake_server(FakeServer(mistral=request.param is Dialect.MISTRAL)) as fake:
        yield fake


@pytest.fixture
def vllm() -> Iterator[FakeServer]:
    """One of the first dialect, whose faults can be set."""
    with fake_server() as fake:
        yield fake


def load(*urls: str, **changes: Any) -> RealtimeModel:
    """A model at servers."""
    settings = replace(RealtimeSettings(urls, connect_s=2.0, watchdog_s=0.3), **changes)
    model = VoxtralRealtime().load(ModelSpec("voxtral-realtime", "any", options=settings))
    assert isinstance(model, RealtimeModel)
    return model


@pytest.fixture
def opened() -> Iterator[Callable[..., RealtimeStream]]:
    """Opens streams that are closed with the test."""
    streams: list[RealtimeStream] = []

    def begin(server: FakeServer, told: list[Increment] | None = None, **changes: Any) -> RealtimeStream:
        dialect = Dialect.MISTRAL if server.mistral else Dialect.VLLM
        model = load(server.url, **{"dialect": dialect, **changes})
        stream = model.open_stream(TIMED, (told if told is not None else []).append, server.url)
        assert isinstance(stream, RealtimeStream)
        streams.append(stream)
        return stream

    yield begin
    for stream in streams:
        stream.close()


Open = Callable[..., RealtimeStream]


def say(stream: RealtimeStream, samples: Samples, size: int = 1777) -> None:
    """Feed it as live audio comes."""
    for at in range(0, len(samples), size):
        stream.feed(samples[at : at + size])


def words_of(samples: Samples) -> list[str]:
    """What the fake says of it."""
    return spoken(float_to_pcm16(samples))


def test_every_sample_is_heard_once(server: FakeServer, opened: Open) -> None:
    """One utterance after the other on one connection; text comes as increments and as a whole."""
    told: list[Increment] = []
    stream = opened(server, told)
    for seed, seconds in enumerate((0.05, 1.0, 7.77, 2.4)):
        told.clear()
        samples = babble(seconds, seed)
        say(stream, samples)
        heard = stream.finish()
        assert heard.text.split() == words_of(samples)
        assert "".join(one.text for one in told).split() == words_of(samples)
        assert all(0 <= word.start <= word.end <= seconds + 1e-6 for word in heard.words)
    assert stream.finish().text == ""
    assert server.connections == 1


def test_nothing_is_sent_while_the_server_would_forget_it(vllm: FakeServer, opened: Open) -> None:
    """It empties its queue when it is done, so the next utterance waits for that."""
    vllm.faults.done_after_s = 0.2
    stream = opened(vllm)
    for seed in range(3):
        samples = babble(1.0, seed)
        say(stream, samples)
        assert stream.finish().text.split() == words_of(samples)
    assert (vllm.dropped_samples, vllm.ignored_commits, vllm.generations) == (0, 0, 3)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("drop_s", "1011"),
        ("error_s", "processing_error: engine failure"),
    ],
)
def test_what_breaks_is_told(vllm: FakeServer, opened: Open, fault: str, reason: str) -> None:
    """A connection that is cut, an error that leaves it open."""
    setattr(vllm.faults, fault, 0.5)
    stream = opened(vllm)
    with pytest.raises(TranscriptionFailed, match=reason):
        say(stream, babble(60.0))
    stream.close()
    other = opened(vllm)
    samples = babble(1.0)
    say(other, samples)
    assert other.finish().text.split() == words_of(samples)


def test_a_server_that_says_nothing_is_given_up(vllm: FakeServer, opened: Open) -> None:
    """Neither text nor the empty increments that are signs of life, over some speech and some time."""
    vllm.faults.hang_s = 0.5
    stream = opened(vllm)

    def speak() -> None:
        for seed in range(200):
            stream.feed(babble(0.1, seed))
            threading.Event().wait(0.01)

    with pytest.raises(TranscriptionFailed, match=r"no sign of life for 0\.3 s"):
        speak()


def test_a_burst_is_no_silence(vllm: FakeServer, opened: Open) -> None:
    """Much audio at once, as after a failure, is not taken for a server that hangs."""
    stream = opened(vllm, watchdog_s=5.0)
    samples = babble(25.0)
    stream.feed(samples)
    assert stream.finish().text.split() == words_of(samples)


def test_a_connection_is_replaced_when_it_is_old(vllm: FakeServer, opened: Open) -> None:
    """Between utterances: a server keeps what it has heard for as long as somebody is connected."""
    stream = opened(vllm, rotate_s=0.0)
    for seed in range(3):
        samples = babble(1.0, seed)
        say(stream, samples)
        assert stream.finish().text.split() == words_of(samples)
        stream.rest()
    assert vllm.connections > 3


def test_closing_interrupts(vllm: FakeServer, opened: Open) -> None:
    """Who waits for the end of an utterance is told, not left waiting."""
    vllm.faults.hang_s = 0.0
    stream = opened(vllm, watchdog_s=60.0)
    say(stream, babble(1.0))
    closing = threading.Timer(0.1, stream.close)
    closing.start()
    with pytest.raises(TranscriptionFailed):
        stream.finish()
    closing.join()


def test_wrong_settings_are_told_as_such(vllm: FakeServer, opened: Open) -> None:
    """A model that the server does not have, a token that it does not like."""
    stream = opened(vllm, model="another")
    with pytest.raises(ModelUnavailable, match=r"does not exist.*realtime\.model"):
        say(stream, babble(60.0))
    vllm.token = "correct-horse"
    with pytest.raises(ModelUnavailable, match=r"answers 401.*realtime\.token"):
        opened(vllm, token="wrong-horse")
    opened(vllm, token="correct-horse")


def test_a_server_that_is_not_there(vllm: FakeServer, opened: Open) -> None:
    """Nobody listens, it is too busy, or it never begins."""
    with pytest.raises(TranscriptionFailed, match="cannot be reached"):
        load("ws://127.0.0.1:9").open_stream(TIMED, lambda _: None, "ws://127.0.0.1:9")
    vllm.faults.status = 503
    with pytest.raises(TranscriptionFailed, match="answers 503"):
        opened(vllm)
    vllm.faults = Faults(mute=True)
    with pytest.raises(TranscriptionFailed, match="does not begin a session"):
        opened(vllm, connect_s=0.2)


def test_chunks_go_to_the_first_server_that_works(vllm: FakeServer) -> None:
    """Each on a connection of its own; what is too long, or comes too late, is refused."""
    model = load("ws://127.0.0.1:9/", vllm.url)
    samples = babble(2.0)
    (heard,) = model.transcribe([Chunk(Source.MIC, 0, samples)], [TIMED])
    assert heard.text.split() == words_of(samples)
    with pytest.raises(TranscriptionFailed, match="cannot be reached"):
        load("ws://127.0.0.1:9/").transcribe([Chunk(Source.MIC, 0, samples)], [TIMED])
    with pytest.raises(TranscriptionFailed, match=r"31\.0 s"):
        model.transcribe([Chunk(Source.MIC, 0, babble(31.0))], [TIMED])
    model.close()
    with pytest.raises(TranscriptionFailed, match="closed"):
        model.transcribe([Chunk(Source.MIC, 0, samples)], [TIMED])


@pytest.mark.parametrize(
    ("urls", "reason"),
    [
        ((), r"set realtime\.urls"),
        (("http://host/",), "not the address of a WebSocket"),
        (("ws://",), "WebSocket"),
    ],
)
def test_servers_must_be_named(urls: tuple[str, ...], reason: str) -> None:
    """At once, not when somebody speaks."""
    with pytest.raises(ModelUnavailable, match=reason):
        load(*urls)


def test_the_token_is_not_shown() -> None:
    """Settings appear in logs."""
    assert "secret" not in repr(RealtimeSettings(token="secret-token"))
