"""What the client still has to say, in order: audio as credit allows, flushes behind theirs, stop last."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import count

from echopanel.audio import SAMPLE_BYTES, SAMPLE_RATE, AudioFrame, Source, to_samples, to_seconds
from echopanel.errors import AudioError, LocalProtocolError
from echopanel.policy.framing import LEAST_S, least_s
from echopanel.policy.replay import Replay, ReplayLimits
from echopanel.wire.client import ClientConnection
from echopanel.wire.messages import ClientMessage, Flush, Ready, Stop
from echopanel.wire.states import State

FRAME_SAMPLES = SAMPLE_RATE // 10


@dataclass(slots=True)
class Track:
    """One source: its next sample, when its sample 0 was captured, and its audio that is not acknowledged.

    `captured` is where its captured audio ends; `next` may be beyond that, where the source is muted.
    `skipped` and `leap` say that the next frame to be added or sent jumps over what was never captured.
    `looked` is how far it was sent when the server last said how it is doing, `overdue` that it had stood
    there since the time before.
    """

    replay: Replay
    next: int = 0
    captured: int = 0
    zero_ms: float | None = None
    skipped: bool = False
    leap: bool = False
    looked: int = 0
    overdue: bool = False


@dataclass(slots=True)
class Asked:
    """A flush without answer: behind which samples it belongs, and whether this connection has sent it."""

    marks: dict[Source, int]
    sent: bool = False


class Outgoing:
    """Audio and requests of a meeting; they outlive connections."""

    def __init__(self, sources: tuple[Source, ...], limits: ReplayLimits) -> None:
        self.tracks = {source: Track(Replay(limits)) for source in sources}
        self._least = to_samples(LEAST_S)  # callers may bring crumbs; servers limit frames per second
        self.stopping = False
        self.wait_repair = True
        self._flushes: dict[str, Asked] = {}
        # Answers to a process that was killed must not pass for answers to this one.
        self._prefix = secrets.token_hex(3)
        self._names = count(1)

    def __repr__(self) -> str:
        replays = " ".join(f"{source} {track.replay!r}" for source, track in self.tracks.items())
        return f"<Outgoing {replays} [{len(self._flushes)} flushes]{' stopping' if self.stopping else ''}>"

    @property
    def buffered_s(self) -> float:
        """Seconds of audio that are not acknowledged, of all sources."""
        return to_seconds(sum(track.replay.samples for track in self.tracks.values()))

    @property
    def dropped_s(self) -> float:
        """Seconds of audio that were dropped before they were acknowledged."""
        return to_seconds(sum(track.replay.dropped for track in self.tracks.values()))

    @property
    def unsent(self) -> int:
        """Samples that wait to be sent, of the source that has most."""
        return max(track.replay.unsent for track in self.tracks.values())

    def track(self, source: Source) -> Track:
        """The track of a source.

        Raises:
            LocalProtocolError: `connect` was not told of this source.
        """
        if source not in self.tracks:
            raise LocalProtocolError(f"{source} is not among the sources given to connect()")
        return self.tracks[source]

    def restore(self, source: Source, frames: Iterable[AudioFrame], now: float) -> None:
        """Take up the audio of an earlier process."""
        track = self.tracks[source]
        for frame in frames:
            track.replay.append(frame, now)
            track.next = track.captured = frame.end

    def add(
        self, source: Source, pcm: bytes, now: float, start: int | None, captured_ms: float | None
    ) -> list[AudioFrame]:
        """Append audio to a source, cut into frames of at most 100 ms.

        Args:
            source: which.
            pcm: s16le mono 16 kHz.
            now: seconds on the monotonic clock.
            start: its sample index, when it does not follow what came before.
            captured_ms: when its first sample was recorded, on the clock of `now`; by default sources are
                taken to be recorded in one go, ending now when they are first heard of.

        Returns:
            The frames.

        Raises:
            AudioError: not whole samples.
            LocalProtocolError: after `stop`, or `start` lies before what was sent.
        """
        track = self.track(source)
        if len(pcm) % SAMPLE_BYTES:
            raise AudioError(f"{len(pcm)} bytes are not whole 16-bit samples")
        if self.stopping:
            raise LocalProtocolError("stop() was called; no audio can follow")
        begin = track.next if start is None else start
        if begin < track.next:
            raise LocalProtocolError(f"{source} audio at sample {begin} was sent already, up to {track.next}")
        samples = len(pcm) // SAMPLE_BYTES
        if track.zero_ms is None:
            track.zero_ms = max(0.0, (now - to_seconds(samples)) * 1000) - begin * 1000 / SAMPLE_RATE
        first_ms = track.zero_ms + begin * 1000 / SAMPLE_RATE if captured_ms is None else captured_ms
        frames: list[AudioFrame] = []
        for at in range(0, samples, FRAME_SAMPLES):
            part = pcm[at * SAMPLE_BYTES : (at + FRAME_SAMPLES) * SAMPLE_BYTES]
            when_ms = first_ms + at * 1000 / SAMPLE_RATE
            frame = AudioFrame(source, begin + at, part, when_ms, track.skipped)
            track.replay.append(frame, now)
            track.next, track.skipped = frame.end, False
            track.captured = frame.end
            frames.append(frame)
        return frames

    def skip(self, source: Source, samples: int) -> None:
        """Leave out samples that were never captured.

        Raises:
            ValueError: fewer than none.
        """
        if samples < 0:
            raise ValueError(f"cannot skip {samples} samples")
        track = self.track(source)
        track.next += samples
        track.skipped = track.skipped or samples > 0

    def flush(self) -> str:
        """Ask for everything so far to become final; the id of the request."""
        name = f"{self._prefix}-{next(self._names)}"
        self._flushes[name] = Asked({source: track.captured for source, track in self.tracks.items()})
        return name

    def flushed(self, name: str) -> None:
        """A flush was answered."""
        self._flushes.pop(name, None)

    def acknowledge(self, source: Source, sample: int) -> None:
        """The server keeps everything of a source before `sample`."""
        self.tracks[source].replay.acknowledge(sample)

    def follow(self, chunk_interval_s: float) -> None:
        """Collect more audio for a frame while the server decodes rarely, but let none wait for a second."""
        self._least = to_samples(least_s(chunk_interval_s))
        for track in self.tracks.values():
            position = track.replay.position
            track.overdue, track.looked = position == track.looked, position

    def restart(self, ready: Ready) -> None:
        """A new connection: go on from where the server stands, and ask again what was not answered."""
        self._least = to_samples(LEAST_S)
        for source, at in ready.sources.items():
            track = self.tracks[source]
            if not ready.resumed:
                track.replay.settle()  # an earlier session has it
            track.replay.acknowledge(at.next)
            track.replay.rewind(at.next)
            # A new session in the middle of a meeting never captured what came before it.
            track.leap = not ready.resumed and track.replay.position > at.next
            # A process that was killed had sent more than it could spool: what comes now comes behind that.
            track.next = max(track.next, at.next)
            track.captured = max(track.captured, at.next)
        for asked in self._flushes.values():
            asked.sent = False

    def next_message(self, wire: ClientConnection, max_samples: int) -> ClientMessage | None:
        """What to send now; None when there is nothing, or no credit for it."""
        if wire.state is not State.LIVE:
            return None
        for name, asked in self._flushes.items():
            if not asked.sent and self._reached(asked.marks):
                asked.sent = True
                return Flush(name)
        ends = {source: track.captured for source, track in self.tracks.items()}
        if self.stopping and self._reached(ends):
            return Stop(ends, self.wait_repair)
        return self._next_audio(wire, max_samples)

    def _next_audio(self, wire: ClientConnection, max_samples: int) -> AudioFrame | None:
        """A piece of the source that is furthest behind among those with credit."""
        crumbs = self.stopping or bool(self._flushes)
        waiting = [
            (frame.captured_ms, source)
            for source, track in self.tracks.items()
            if (frame := track.replay.peek())
            and (crumbs or track.overdue or track.replay.unsent >= self._least)
            and wire.allowance(source, track.replay.position)
        ]
        if not waiting:
            return None
        source = min(waiting)[1]
        track = self.tracks[source]
        piece = track.replay.take(min(max_samples, wire.allowance(source, track.replay.position)))
        track.overdue = False
        if piece is not None and track.leap:
            piece, track.leap = replace(piece, skipped=True), False
        return piece

    def _reached(self, marks: dict[Source, int]) -> bool:
        return all(self.tracks[source].replay.position >= mark for source, mark in marks.items())
