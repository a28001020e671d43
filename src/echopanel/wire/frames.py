"""The binary message: a 20-byte header, then s16le mono 16 kHz.

Little-endian: version u8, source u8, flags u8, reserved u8, sample index u64, capture time f64 (ms).
"""

from __future__ import annotations

from math import isfinite
from struct import Struct

from echopanel.audio import SAMPLE_BYTES, AudioFrame, Source
from echopanel.errors import ErrorCode, LocalProtocolError, RemoteProtocolError
from echopanel.wire.fields import MAX_NUMBER, MAX_SAMPLE
from echopanel.wire.messages import VERSION

HEADER = Struct("<BBBBQd")
SKIPPED = 0b0000_0001  # flag bits beyond this one are ignored

SOURCE_NUMBERS = {Source.MIC: 0, Source.SYSTEM: 1}
SOURCES = {number: source for source, number in SOURCE_NUMBERS.items()}


def encode_frame(frame: AudioFrame) -> bytes:
    """Pack a frame.

    Raises:
        LocalProtocolError: the frame is one that the other side would refuse.
    """
    complaint = _complaint(frame.start, frame.captured_ms, len(frame.pcm))
    if complaint:
        raise LocalProtocolError(complaint)
    flags = SKIPPED if frame.skipped else 0
    header = HEADER.pack(VERSION, SOURCE_NUMBERS[frame.source], flags, 0, frame.start, frame.captured_ms)
    return header + frame.pcm


def decode_frame(data: bytes, max_samples: int) -> AudioFrame:
    """Unpack a frame.

    Raises:
        RemoteProtocolError: not a frame, or one with more than `max_samples` samples.
    """
    if len(data) < HEADER.size:
        raise RemoteProtocolError(
            f"audio frame of {len(data)} bytes is shorter than its {HEADER.size}-byte header"
        )
    version, number, flags, _reserved, start, captured_ms = HEADER.unpack_from(data)
    if version != VERSION:
        raise RemoteProtocolError(
            f"audio frame has version {version}, this is version {VERSION}", ErrorCode.UNSUPPORTED_VERSION
        )
    if number not in SOURCES:
        raise RemoteProtocolError(f"audio frame names unknown source {number}", ErrorCode.UNKNOWN_SOURCE)
    pcm = data[HEADER.size :]
    complaint = _complaint(start, captured_ms, len(pcm))
    if complaint:
        raise RemoteProtocolError(complaint)
    if len(pcm) > max_samples * SAMPLE_BYTES:
        raise RemoteProtocolError(
            f"audio frame holds more than {max_samples} samples; send shorter frames",
            ErrorCode.MESSAGE_TOO_LARGE,
        )
    return AudioFrame(SOURCES[number], start, pcm, captured_ms, bool(flags & SKIPPED))


def _complaint(start: int, captured_ms: float, size: int) -> str:
    """What is wrong with a frame's content, or ""."""
    if not size:
        return "audio frame holds no samples"
    if size % SAMPLE_BYTES:
        return f"audio frame holds {size} bytes, not whole 16-bit samples"
    if not 0 <= start <= MAX_SAMPLE - size // SAMPLE_BYTES:
        return "audio frame's sample index is not from 0 to 2**53"
    if not isfinite(captured_ms) or not 0 <= captured_ms <= MAX_NUMBER:
        return "audio frame's capture time is not a time in milliseconds"
    return ""
