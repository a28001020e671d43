"""Who speaks when, over real speech and the real detector."""

from __future__ import annotations

from echopanel.asr.vad import SileroVad
from echopanel.audio import AudioFrame, Samples, Source, float_to_pcm16
from echopanel.engine.listener import Listener
from echopanel.engine.recovery import Past
from echopanel.policy.clock import SessionClock
from echopanel.policy.endpoint import EndpointEvent, EndpointSettings, SpeechEnded, SpeechStarted
from echopanel.transcript import Segment
from tests.helpers.speech import load_two_cities

FRAME = 1_600
VAD = SileroVad()


def listener(events: list[EndpointEvent]) -> Listener:
    """One that writes down where speech begins and ends."""

    def note(event: EndpointEvent) -> None:
        if isinstance(event, SpeechStarted | SpeechEnded):
            events.append(event)

    return Listener(
        Source.MIC,
        VAD.stream(),
        EndpointSettings(),
        SessionClock(),
        on_endpoint=note,
        on_loss=lambda start, end, reason: None,
    )


def feed(hearing: Listener, audio: Samples, start: int = 0) -> None:
    """The samples from `start` on, in frames."""
    for first in range(start, len(audio), FRAME):
        hearing.feed(AudioFrame(Source.MIC, first, float_to_pcm16(audio[first : first + FRAME])))
    hearing.cut()


def test_a_later_process_hears_what_the_first_would_have_heard() -> None:
    """Taken up behind any utterance with all audio before it, the next ones begin and end where they did."""
    audio = load_two_cities().load()
    whole: list[EndpointEvent] = []
    feed(listener(whole), audio)
    ends = [(place, event.at) for place, event in enumerate(whole) if isinstance(event, SpeechEnded)]
    assert len(ends) > 4
    for place, end in ends[:-1]:
        past = Past(((0, len(audio)),), (Segment("mic-1", Source.MIC, 0.0, 1.0, "text", end - 16_000, end),))
        first, done = past.context(len(audio))
        events: list[EndpointEvent] = []
        again = listener(events)
        again.restore(past, float_to_pcm16(audio[first:done]))
        feed(again, audio, done)
        assert events == whole[place + 1 :]
        assert again.ledger.coverage().balanced()
