"""One source on its process: utterances in, text out, and the model's resets kept away from speech."""

from __future__ import annotations

import time
from collections.abc import Callable

from echopanel.asr.increments import Heard
from echopanel.asr.provider import DecodeOptions, Hypothesis, Increment
from echopanel.asr.voxtral.process import BLOCK, BYTES_PER_SECOND, PIPE_BYTES, VoxtralProcess
from echopanel.audio import Samples, float_to_pcm16, to_seconds
from echopanel.errors import TranscriptionFailed

# Text for a sample comes once this much more audio is there.
DELAY_S = 0.48
# Words may come a little later than that.
MARGIN_S = 0.8
READ_S = BLOCK / BYTES_PER_SECOND
# The model resets itself after 5.12 s without text, which harms nothing in a silence, and after about 157 s
# of audio, which swallows speech. So it is brought to the former before the latter: when there is time, or at
# once.
SILENCE_S = 6.5
# What comes during such a reset may be lost: no utterance begins when one is near.
QUIET_S = 2.6
RECYCLE_S = 90.0
RECYCLE_NOW_S = 120.0
# After 20 s without work it resets itself as well: give it silence to do that with.
IDLE_S = 15.0
WAKE = bytes(4 * BLOCK)


def blocks(seconds: float) -> int:
    """Bytes of the fewest whole blocks that last `seconds`."""
    return -int(-seconds * BYTES_PER_SECOND // BLOCK) * BLOCK


class VoxtralStream:
    """A process and the utterance that it hears."""

    def __init__(
        self,
        process: VoxtralProcess,
        interval_s: float,
        options: DecodeOptions,
        on_text: Callable[[Increment], None],
        release: Callable[[VoxtralProcess], None],
    ) -> None:
        self._process = process
        self._tail_s = DELAY_S + interval_s + READ_S
        self._options = options
        self._on_text = on_text
        self._release = release
        self._rest = b""  # less than a block
        self._fed = 0  # samples of the utterance
        self._start = process.written  # byte at which the utterance began
        self._fresh_at = process.written  # byte at which the model was in a clean state
        self._quiet_from = process.written  # byte behind which there was no text
        self._worked_at = time.monotonic()
        self._heard = Heard()

    def __repr__(self) -> str:
        return f"<VoxtralStream {to_seconds(self._fed):.1f} s on {self._process!r}>"

    def feed(self, samples: Samples) -> None:
        """Write the whole blocks that there are; the program would not work on less."""
        if not self._fed:
            self._begin()
        self._fed += len(samples)
        data = self._rest + float_to_pcm16(samples)
        whole = len(data) - len(data) % BLOCK
        self._rest = data[whole:]
        self._write(data[:whole])

    def finish(self) -> Hypothesis:
        """Push the last words out with silence, and wait for them."""
        if not self._fed:
            return Hypothesis("", language=self._options.language, no_speech_prob=1.0)
        total = blocks(len(self._rest) / BYTES_PER_SECOND + self._tail_s + MARGIN_S)
        self._write(self._rest.ljust(total, b"\0"))
        self._process.settle()
        self._process.on_text = None
        heard, seconds, doubt = self._heard, to_seconds(self._fed), self._doubt()
        self._heard, self._rest, self._fed = Heard(), b"", 0
        return Hypothesis(
            text=heard.text,
            words=heard.words(seconds) if self._options.word_timestamps else (),
            language=self._options.language,
            no_speech_prob=0.0 if heard.text else 1.0,
            doubt=doubt,
        )

    def rest(self) -> None:
        """Bring the model to a clean state if it may need one soon."""
        if self._worn(RECYCLE_S):
            self._recycle()

    def start_afresh(self) -> None:
        """Bring the model to a clean state, whether it needs one or not."""
        self._recycle()

    def close(self) -> None:
        """End the process, whatever it does."""
        self._release(self._process)

    def _begin(self) -> None:
        if time.monotonic() - self._worked_at > IDLE_S:
            self._write(WAKE)
        if self._worn(RECYCLE_NOW_S):
            self._recycle()
        self._process.resets.clear()
        self._start = self._process.written
        self._process.on_text = self._hear

    def _write(self, data: bytes) -> None:
        self._process.write(data)
        self._worked_at = time.monotonic()

    def _hear(self, text: str, read: int) -> None:
        self._quiet_from = read
        until = (read - self._start) / BYTES_PER_SECOND - DELAY_S
        increment = Increment(text, min(max(until, 0.0), to_seconds(self._fed)))
        self._heard.add(increment)
        self._on_text(increment)

    def _doubt(self) -> str:
        """Whether the model was reset before it was through with the utterance."""
        # A symbol may be seen when the process has already read what waited in the pipe.
        through = self._start + (to_seconds(self._fed) + self._tail_s) * BYTES_PER_SECOND + PIPE_BYTES
        lossy = [*self._process.losses, *(self._process.resets if self._heard.text else ())]
        if any(at <= through for at in lossy):
            return "the model was reset in the middle of speech"
        return ""

    def _worn(self, after_s: float) -> bool:
        """Whether the model has been at it for so long, swallowed speech, or would reset itself soon."""
        written = self._process.written
        used, quiet = written - self._fresh_at, written - self._quiet_from
        return (
            used >= after_s * BYTES_PER_SECOND
            or quiet > QUIET_S * BYTES_PER_SECOND
            or bool(self._process.losses)
        )

    def _recycle(self) -> None:
        """Give the model silence until it starts afresh, and little more: it would do so again.

        Raises:
            TranscriptionFailed: also if it does not: another process will have to do.
        """
        resets = len(self._process.resets)
        limit = self._process.written + blocks(SILENCE_S + self._tail_s)
        while len(self._process.resets) == resets:
            if self._process.written > limit:
                raise TranscriptionFailed("voxtral did not start afresh in a silence")
            self._write(bytes(2 * BLOCK))
            self._process.settle()
        self._process.losses.clear()
        self._process.resets.clear()
        self._fresh_at = self._quiet_from = self._process.written
