"""The two dialects: what is sent, and what answers mean."""

from __future__ import annotations

import base64
import json

import pytest

from echopanel.asr.voxtral_realtime.codec import (
    Created,
    Delta,
    Done,
    Language,
    Refused,
    codec_of,
)
from echopanel.asr.voxtral_realtime.settings import Dialect, RealtimeSettings

URL = "wss://host/v1/realtime"
VLLM = codec_of(RealtimeSettings())
MISTRAL = codec_of(RealtimeSettings(dialect=Dialect.MISTRAL, delay_ms=480))


def sent(messages: list[str]) -> list[dict[str, object]]:
    """What a server would read."""
    return [json.loads(one) for one in messages]


def test_vllm_is_asked_flatly() -> None:
    """Model, begin, audio, end: the names of `/v1/realtime`."""
    model = "mistralai/Voxtral-Mini-4B-Realtime-2602"
    assert VLLM.address(URL) == URL
    assert sent(VLLM.configure()) == [{"type": "session.update", "model": model}]
    assert sent(VLLM.begin()) == [{"type": "input_audio_buffer.commit"}]
    (audio,) = sent(VLLM.audio(b"\1\2"))
    assert audio == {"type": "input_audio_buffer.append", "audio": base64.b64encode(b"\1\2").decode()}
    assert sent(VLLM.end()) == [{"type": "input_audio_buffer.commit", "final": True}]


def test_mistral_is_asked_in_its_own_words() -> None:
    """The model is in the address, the format in the session; a flush ends an utterance."""
    assert MISTRAL.address(URL) == f"{URL}?model=voxtral-mini-transcribe-realtime-2602"
    assert MISTRAL.address(f"{URL}?a=b") == f"{URL}?a=b&model=voxtral-mini-transcribe-realtime-2602"
    (update,) = sent(MISTRAL.configure())
    assert update["session"] == {
        "audio_format": {"encoding": "pcm_s16le", "sample_rate": 16_000},
        "target_streaming_delay_ms": 480,
    }
    assert MISTRAL.begin() == []
    assert sent(MISTRAL.audio(b"\1\2"))[0]["type"] == "input_audio.append"
    assert sent(MISTRAL.end()) == [{"type": "input_audio.flush"}]


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ('{"type": "session.created", "id": "sess-1", "created": 1}', Created()),
        ('{"type": "transcription.delta", "delta": " word"}', Delta(" word")),
        ('{"type": "transcription.delta", "delta": ""}', Delta("")),
        ('{"type": "transcription.done", "text": "a word", "usage": {}}', Done("a word")),
        (
            '{"type": "error", "error": "no such", "code": "model_not_found"}',
            Refused("no such", "model_not_found"),
        ),
        ('{"type": "something.new"}', None),
    ],
)
def test_what_vllm_answers(text: str, reply: object) -> None:
    """Flat errors with a code; what is unknown does not matter."""
    assert VLLM.read(text) == reply


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ('{"type": "session.updated"}', None),
        ('{"type": "transcription.text.delta", "text": " word"}', Delta(" word")),
        ('{"type": "transcription.language", "audio_language": "fr"}', Language("fr")),
        ('{"type": "transcription.done", "text": "a word"}', Done("a word")),
        ('{"type": "error", "error": {"message": "slow down", "code": 429}}', Refused("slow down", "429")),
        ('{"type": "error", "error": "broken"}', Refused("broken")),
    ],
)
def test_what_mistral_answers(text: str, reply: object) -> None:
    """Errors are objects there, or just text."""
    assert MISTRAL.read(text) == reply


@pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense", '"type"'])
def test_what_is_no_message(text: str) -> None:
    """Is refused as such."""
    for codec in (VLLM, MISTRAL):
        with pytest.raises(ValueError, match=r"not a message|Expecting value"):
            codec.read(text)


def test_only_wrong_settings_are_settled() -> None:
    """Everything else may be tried again."""
    assert Refused("", "model_not_found").settled
    assert not Refused("", "processing_error").settled
    assert str(Refused("it broke", "processing_error")) == "processing_error: it broke"
