"""What goes over the wire and comes back, and what is refused."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.audio import AudioFrame, Source
from echopanel.errors import ErrorCode, LocalProtocolError, RemoteProtocolError
from echopanel.transcript import Final, Partial, Word
from echopanel.wire import messages as m
from echopanel.wire.codec import Bounds, decode, encode
from echopanel.wire.fields import MAX_SAMPLE
from echopanel.wire.frames import HEADER
from echopanel.wire.messages import Kind
from tests.wire import strategies
from tests.wire.examples import EXAMPLES, final, frame, ready, start

ROOMY = Bounds(max_message_bytes=2**24, max_frame_samples=16_000)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def as_json(message: m.Message) -> dict[str, Any]:
    """The JSON object of a message, to be tampered with."""
    text = encode(message)
    assert isinstance(text, str)
    fields: dict[str, Any] = json.loads(text)
    return fields


def complaint(fields: object) -> RemoteProtocolError:
    """Decode a tampered message; the complaint that this causes."""
    with pytest.raises(RemoteProtocolError) as caught:
        decode(json.dumps(fields))
    return caught.value


@given(strategies.messages)
def test_decoding_undoes_encoding(message: m.Message) -> None:
    """Every message arrives as it was sent."""
    assert decode(encode(message), ROOMY) == message


@given(st.text() | st.binary())
def test_random_input_is_refused_cleanly(data: str | bytes) -> None:
    """Whatever comes, the only exception is ours."""
    with suppress(RemoteProtocolError):
        assert decode(data) is not None


@given(
    message=st.sampled_from(list(EXAMPLES.values())),
    name=st.text(max_size=12),
    value=json_values,
    data=st.data(),
)
def test_any_value_in_any_field_is_taken_or_refused_cleanly(
    message: m.Message, name: str, value: object, data: st.DataObject
) -> None:
    """Replacing any field by any JSON value gives a message or our exception."""
    if isinstance(message, AudioFrame):
        return
    fields = as_json(message)
    fields[data.draw(st.sampled_from([*fields, name]))] = value
    with suppress(RemoteProtocolError):
        assert decode(json.dumps(fields)) is not None


@given(strategies.frames, st.data())
def test_a_truncated_frame_is_refused_or_shorter(frame: AudioFrame, data: st.DataObject) -> None:
    """No cut of a frame makes up samples."""
    encoded = encode(frame)
    assert isinstance(encoded, bytes)
    cut = data.draw(st.integers(min_value=0, max_value=len(encoded) - 1))
    try:
        shorter = decode(encoded[:cut])
    except RemoteProtocolError:
        return
    assert shorter == replace(frame, pcm=frame.pcm[: cut - HEADER.size])


@pytest.mark.parametrize("kind", [kind for kind in EXAMPLES if kind is not Kind.AUDIO])
def test_a_message_cut_at_any_byte_is_refused(kind: Kind) -> None:
    """No beginning of a control message is a message."""
    text = encode(EXAMPLES[kind])
    for cut in range(len(text)):
        with pytest.raises(RemoteProtocolError):
            decode(text[:cut])


@pytest.mark.parametrize("kind", [kind for kind in EXAMPLES if kind is not Kind.AUDIO])
def test_unknown_fields_are_ignored(kind: Kind) -> None:
    """A newer side may say more."""
    message = EXAMPLES[kind]
    assert decode(json.dumps(as_json(message) | {"new": [1, {"x": None}]})) == message


def test_an_unknown_type_is_not_an_error() -> None:
    """A newer side may send new messages."""
    assert decode('{"type":"applause","loud":true}') == m.Unknown("applause")


def test_json_is_flat_and_readable() -> None:
    """What developers read in their browser's console."""
    assert as_json(final(3)) == {
        "type": "final",
        "event": 3,
        "segment": "mic-3",
        "source": "mic",
        "start": 0.0,
        "end": 1.0,
        "text": "hello",
        "start_sample": 0,
        "end_sample": 16_000,
        "words": [],
    }
    shown = as_json(m.PartialMessage(Partial("mic-1", Source.MIC, 2, 1.5, "the best", "of")))
    assert (shown["stable"], shown["tail"], shown["text"]) == ("the best", "of", "the best of")


TAMPERED = [
    (Kind.FLUSH, {"id": 7}, "flush.id must be a string"),
    (Kind.FLUSH, {"id": ""}, "flush.id must not be empty"),
    (Kind.FLUSH, {"id": "x" * 129}, "flush.id is longer than 128 characters"),
    (Kind.FLUSH, {"id": "\ud800"}, "flush.id holds half a surrogate pair"),
    (Kind.ACK, {"sample": -1}, "ack.sample must be from 0 to 2**53"),
    (Kind.ACK, {"sample": 2**53 + 1}, "ack.sample must be from 0 to 2**53"),
    (Kind.ACK, {"sample": 1.0}, "ack.sample must be a whole number"),
    (Kind.ACK, {"sample": True}, "ack.sample must be a whole number"),
    (Kind.ACK, {"source": "tape"}, "ack.source must be one of: mic, system"),
    (Kind.ACK, {"source": ["mic"]}, "ack.source must be one of: mic, system"),
    (Kind.FINAL, {"event": 0}, "final.event must be from 1 to 2**53"),
    (Kind.FINAL, {"start": "0"}, "final.start must be a number"),
    (Kind.FINAL, {"start": False}, "final.start must be a number"),
    (Kind.FINAL, {"start": -0.1}, "final.start must be from 0 to 1e+15"),
    (Kind.FINAL, {"start": 10**400}, "final.start must be from 0 to 1e+15"),
    (Kind.FINAL, {"start": 2.0}, "final.end is before start"),
    (Kind.FINAL, {"start_sample": 16_001}, "final.end_sample is before start_sample"),
    (Kind.FINAL, {"words": {}}, "final.words must be a list"),
    (Kind.FINAL, {"words": [1]}, "final.words[0] must be an object"),
    (Kind.FINAL, {"words": [{"start": 0, "end": 1}]}, "final.words[0].text is missing"),
    (
        Kind.FINAL,
        {"words": [{"start": 0, "end": 1, "text": "", "probability": 1.1}]},
        "final.words[0].probability must be from 0 to 1",
    ),
    (Kind.GAP, {"status": "gone"}, "gap.status must be one of: pending, lost"),
    (Kind.ERROR, {"code": 3}, "error.code must be one of: malformed,"),
    (Kind.ERROR, {"fatal": 1}, "error.fatal must be true or false"),
    (Kind.ERROR, {"retry_after": -1}, "error.retry_after must be from 0"),
    (Kind.STOP, {"captured": {"tape": 1}}, "stop.captured.tape must be one of: mic, system"),
    (Kind.STOP, {"captured": 5}, "stop.captured must be an object"),
    (Kind.STOP, {"captured": {"mic": None}}, "stop.captured.mic must be a whole number"),
    (Kind.READY, {"limits": None}, "ready.limits must be an object"),
    (Kind.REVISION, {"replaces": ["a", 2]}, "revision.replaces[1] must be a string"),
    (Kind.FLOW, {"sources": {"mic": {}}}, "flow.sources.mic.backlog_s is missing"),
]


@pytest.mark.parametrize(("kind", "change", "sentence"), TAMPERED)
def test_the_complaint_names_the_field(kind: Kind, change: dict[str, Any], sentence: str) -> None:
    """A developer learns from the error what to correct."""
    assert complaint(as_json(EXAMPLES[kind]) | change).message.startswith(sentence)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type":"start","version":1,"sources":["mic"]}', m.Start((Source.MIC,))),
        ('{"type":"stop"}', m.Stop()),
        ('{"type":"stop","wait_repair":false}', m.Stop(wait_repair=False)),
        ('{"type":"error","code":"internal","message":"oops"}', m.Error(ErrorCode.INTERNAL, "oops")),
    ],
)
def test_optional_fields_may_be_left_out(text: str, message: m.Message) -> None:
    """A client by hand is a few lines."""
    assert decode(text) == message


def test_words_need_no_probability() -> None:
    """Nor need there be words; null is as good as nothing."""
    fields = as_json(final()) | {"words": [{"start": 0, "end": 1, "text": "a", "probability": None}]}
    message = decode(json.dumps(fields))
    assert isinstance(message, m.FinalMessage)
    assert message.final.segment.words == (Word(0.0, 1.0, "a", 1.0),)
    assert decode(json.dumps(as_json(final()) | {"words": None})) == final()


def test_words_say_when_they_are_bleed() -> None:
    """And nothing when they are not, as ever since version 1."""
    word = {"start": 0, "end": 1, "text": "a", "bleed": True}
    message = decode(json.dumps(as_json(final()) | {"words": [word]}))
    assert isinstance(message, m.FinalMessage)
    assert message.final.segment.words == (Word(0.0, 1.0, "a", 1.0, bleed=True),)
    assert as_json(message)["words"][0]["bleed"] is True
    own = replace(message, final=Final(replace(message.final.segment, words=(Word(0.0, 1.0, "a"),))))
    assert "bleed" not in as_json(own)["words"][0]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"sources": []}, ErrorCode.INVALID_START),
        ({"sources": ["mic", "mic"]}, ErrorCode.INVALID_START),
        ({"sources": "mic"}, ErrorCode.INVALID_START),
        ({"sources": ["mic", "tape"]}, ErrorCode.UNKNOWN_SOURCE),
        ({"language": "x" * 17}, ErrorCode.INVALID_START),
        ({"title": "x" * 201}, ErrorCode.INVALID_START),
        ({"sample_rate": 48_000}, ErrorCode.INVALID_START),
        ({"session": "s1"}, ErrorCode.INVALID_START),
        ({"resume_token": "t1"}, ErrorCode.INVALID_START),
        ({"version": 2, "sources": 5}, ErrorCode.UNSUPPORTED_VERSION),
        ({"version": None}, ErrorCode.INVALID_START),
    ],
)
def test_a_bad_start_says_what_kind_of_bad(change: dict[str, Any], code: ErrorCode) -> None:
    """`start` has its own codes, so that a client can react to them."""
    assert complaint(as_json(start()) | change).code is code


def test_another_version_is_told_before_anything_else() -> None:
    """A client of another version hears so, from either side."""
    assert complaint(as_json(ready()) | {"version": 9}).code is ErrorCode.UNSUPPORTED_VERSION
    data = bytearray(encode(frame(0)))  # type: ignore[arg-type]
    data[0] = 2
    with pytest.raises(RemoteProtocolError, match="has version 2, this is version 1") as caught:
        decode(bytes(data))
    assert caught.value.code is ErrorCode.UNSUPPORTED_VERSION


@pytest.mark.parametrize("text", ["", "[", "[]", "5", "null", "{}", '{"type":5}', '{"type":NaN}', "9" * 5000])
def test_what_is_no_message_is_refused(text: str) -> None:
    """Not JSON, not an object, no type."""
    with pytest.raises(RemoteProtocolError):
        decode(text)


def test_deep_nesting_is_refused() -> None:
    """Brackets without end cost an error, not the process."""
    with pytest.raises(RemoteProtocolError, match="is not JSON"):
        decode("[" * 60_000)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_only_finite_numbers_are_taken(number: str) -> None:
    """JSON has no infinity; what overflows to one counts as one."""
    text = str(encode(final())).replace('"end":1.0', f'"end":{number}')
    with pytest.raises(RemoteProtocolError):
        decode(text)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(19),
        HEADER.pack(1, 0, 0, 0, 0, 0.0),
        HEADER.pack(1, 0, 0, 0, 0, 0.0) + b"x",
        HEADER.pack(1, 2, 0, 0, 0, 0.0) + b"xx",
        HEADER.pack(1, 0, 0, 0, MAX_SAMPLE, 0.0) + b"xx",
        HEADER.pack(1, 0, 0, 0, 2**64 - 1, 0.0) + b"xx",
        HEADER.pack(1, 0, 0, 0, 0, math.nan) + b"xx",
        HEADER.pack(1, 0, 0, 0, 0, math.inf) + b"xx",
        HEADER.pack(1, 0, 0, 0, 0, -1.0) + b"xx",
    ],
)
def test_broken_frames_are_refused(data: bytes) -> None:
    """Short, empty, odd, of nobody, beyond the end of numbers, at no time."""
    with pytest.raises(RemoteProtocolError, match="audio frame"):
        decode(data)


def test_unused_header_bits_are_ignored() -> None:
    """A newer client may set more flags and the reserved byte."""
    data = HEADER.pack(1, 1, 0b1111_1110, 7, 5, 1.0) + b"xx"
    assert decode(data) == AudioFrame(Source.SYSTEM, 5, b"xx", 1.0)


def test_sizes_are_bounded() -> None:
    """The limits are the caller's; bytes count, not characters."""
    text = encode(m.Flush("é" * 20))
    size = len(str(text).encode())
    assert decode(text, Bounds(max_message_bytes=size)) == m.Flush("é" * 20)
    for data, bounds in (
        (text, Bounds(max_message_bytes=size - 1)),
        (encode(frame(0, 100)), Bounds(max_message_bytes=219)),
        (encode(frame(0, 100)), Bounds(max_frame_samples=99)),
    ):
        with pytest.raises(RemoteProtocolError) as caught:
            decode(data, bounds)
        assert caught.value.code is ErrorCode.MESSAGE_TOO_LARGE


@pytest.mark.parametrize(
    "message",
    [
        m.Unknown("applause"),
        m.Error(ErrorCode.INTERNAL, "", retry_after=math.nan),
        m.Flush("\udc80"),
        AudioFrame(Source.MIC, 0, b""),
        AudioFrame(Source.MIC, -1, b"xx"),
    ],
)
def test_what_the_peer_would_refuse_is_not_sent(message: m.Message) -> None:
    """Our own mistakes show on our side."""
    with pytest.raises(LocalProtocolError):
        encode(message)


def test_only_messages_are_encoded() -> None:
    """Anything else is a mistake of the caller's."""
    with pytest.raises(KeyError):
        encode(object())  # type: ignore[arg-type]
