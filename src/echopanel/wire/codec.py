"""Messages to what a WebSocket carries and back: JSON in text messages, audio in binary ones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Never

from echopanel.audio import AudioFrame
from echopanel.errors import ErrorCode, LocalProtocolError, RemoteProtocolError
from echopanel.wire.decoding import from_json
from echopanel.wire.encoding import to_json
from echopanel.wire.fields import is_unicode
from echopanel.wire.frames import decode_frame, encode_frame
from echopanel.wire.messages import Message


@dataclass(frozen=True, slots=True)
class Bounds:
    """The largest messages that a side takes. A server tells its own in `ready.limits`."""

    max_message_bytes: int = 65_536
    max_frame_samples: int = 16_000


def encode(message: Message) -> str | bytes:
    """What to send: text for control messages, bytes for audio.

    Raises:
        LocalProtocolError: the message cannot be put on the wire.
    """
    if isinstance(message, AudioFrame):
        return encode_frame(message)
    try:
        text = json.dumps(to_json(message), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError as error:
        raise LocalProtocolError(f"{type(message).__name__} holds a number that is not finite") from error
    if not is_unicode(text):
        raise LocalProtocolError(f"{type(message).__name__} holds text that is not Unicode")
    return text


def decode(data: str | bytes, bounds: Bounds = Bounds()) -> Message:
    """The message in what was received.

    Raises:
        RemoteProtocolError: with the error code to answer with and a sentence that names the field.
    """
    if isinstance(data, bytes):
        _check_size(len(data), bounds)
        return decode_frame(data, bounds.max_frame_samples)
    _check_size(len(data.encode(errors="surrogatepass")), bounds)
    try:
        value = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError(f"the message is not JSON: {str(error)[:100]}") from error
    return from_json(value)


def _check_size(size: int, bounds: Bounds) -> None:
    if size > bounds.max_message_bytes:
        raise RemoteProtocolError(
            f"a message of {size} bytes is longer than {bounds.max_message_bytes}",
            ErrorCode.MESSAGE_TOO_LARGE,
        )


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is not a JSON number")
