"""Just enough of RFC 6455 to find where a client's messages begin and end in its bytes."""

from __future__ import annotations

from collections.abc import Callable

BINARY = 2
MASK_BYTES = 4
_LENGTHS = {126: 2, 127: 8}  # bytes of the longer length fields
_END_OF_HEAD = b"\r\n\r\n"


class Splitter:
    """One direction of a connection, from the HTTP request on; incomplete messages wait for their rest."""

    def __init__(self) -> None:
        self._upgraded = False
        self._waiting = b""

    def repeat(self, data: bytes, twice: Callable[[], bool]) -> bytes:
        """The bytes to pass on for `data`: whole messages, binary ones again when `twice` says so."""
        self._waiting += data
        passed = b""
        if not self._upgraded:
            head, found, rest = self._waiting.partition(_END_OF_HEAD)
            if not found:
                return b""
            self._upgraded, self._waiting, passed = True, rest, head + found
        while size := _size_of(self._waiting):
            message, self._waiting = self._waiting[:size], self._waiting[size:]
            passed += message
            if message[0] & 0x0F == BINARY and twice():
                passed += message
        return passed


def _size_of(data: bytes) -> int:
    """Bytes of the frame at the beginning of `data`; 0 when it is not all there."""
    if len(data) < 2:
        return 0
    length, at = data[1] & 0x7F, 2
    if extra := _LENGTHS.get(length):
        if len(data) < at + extra:
            return 0
        length, at = int.from_bytes(data[at : at + extra], "big"), at + extra
    size = at + MASK_BYTES + length
    return size if len(data) >= size else 0
