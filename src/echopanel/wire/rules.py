"""What must hold between the messages of one connection, beyond their order.

Both ends check the same rules on the same messages, whoever sent them. What is under way cannot break them:
a client's view of credit and acknowledgements is never ahead of the server's.
"""

from __future__ import annotations

from collections.abc import Iterable

from echopanel.audio import AudioFrame, Source
from echopanel.errors import ErrorCode, LocalProtocolError
from echopanel.wire import messages as m
from echopanel.wire.credit import Credit


class Rules:
    """The memory of one connection: sources, credit, acknowledgements, event numbers, open flushes."""

    def __init__(self) -> None:
        self.start: m.Start | None = None
        self.credit: dict[Source, Credit] = {}
        self.acked: dict[Source, int] = {}
        self.last_event = 0
        self._flushes: set[str] = set()

    def observe(self, message: m.Message) -> None:
        """Check a message and remember what later ones depend on.

        Raises:
            LocalProtocolError: a rule is broken; nothing was changed.
        """
        self._check_sources(message)
        self._observe_client(message)
        self._observe_server(message)

    def _observe_client(self, message: m.Message) -> None:
        match message:
            case m.Start():
                self.start = message
            case AudioFrame():
                self._audio(message)
            case m.Flush(name):
                self._flush(name)
            case m.Stop(captured):
                for source, end in captured.items():
                    self.credit[source].spend(end, end)

    def _observe_server(self, message: m.Message) -> None:
        match message:
            case m.Ready():
                self._ready(message)
            case m.Ack():
                self._ack(message)
            case m.Flow():
                for source, flow in message.sources.items():
                    self.credit[source].grant(flow.credit)
            case m.FinalMessage(event) | m.RevisionMessage(event) | m.GapMessage(event):
                self._event(event)
            case m.Flushed(name):
                self._flushed(name)

    @property
    def _resumed(self) -> bool:
        return self.start is not None and self.start.resume_token is not None

    def _check_sources(self, message: m.Message) -> None:
        known = self.start.sources if self.start else ()
        for source in _sources_of(message):
            if source not in known:
                raise _broken(
                    f"{m.kind_of(message)} is about {source}, which start did not name", _UNKNOWN_SOURCE
                )

    def _ready(self, ready: m.Ready) -> None:
        assert self.start is not None, "the state table lets ready only follow start"
        if set(ready.sources) != set(self.start.sources):
            raise _broken("ready.sources are not those of start")
        asked = self._resumed
        if ready.resumed != asked:
            raise _broken(
                f"ready.resumed is {ready.resumed} where start asked for {'a resume' if asked else 'none'}"
            )
        if asked and ready.session != self.start.session:
            raise _broken("ready.session is another one than start asked to resume")
        self.credit = {name: Credit(source.next, source.credit) for name, source in ready.sources.items()}
        self.acked = {name: source.next for name, source in ready.sources.items()}
        self.last_event = self._known(self.start.last_event, ready) if asked else 0

    def _known(self, seen: int, ready: m.Ready) -> int:
        """The newest event that both have; a server that does not say has all that the client saw."""
        if ready.last_event is None:
            return seen
        if ready.last_event > seen:
            raise _broken(f"ready.last_event is {ready.last_event}, and start.last_event was {seen}")
        return ready.last_event

    def _audio(self, frame: AudioFrame) -> None:
        credit = self.credit[frame.source]
        if frame.count > credit.allowance(frame.start):
            raise _broken(
                f"{frame.source} audio up to sample {frame.end} is beyond the credit of {credit.limit}",
                ErrorCode.RATE_EXCEEDED,
            )
        credit.spend(frame.start, frame.end)

    def _ack(self, ack: m.Ack) -> None:
        if ack.sample < self.acked[ack.source]:
            raise _broken(f"ack of {ack.source} goes back from {self.acked[ack.source]} to {ack.sample}")
        self.acked[ack.source] = ack.sample
        self.credit[ack.source].grant(ack.credit)

    def _event(self, event: int) -> None:
        if event <= self.last_event:
            raise _broken(f"event {event} comes after event {self.last_event}")
        self.last_event = event

    def _flush(self, name: str) -> None:
        if name in self._flushes:
            raise _broken(f"flush {name!r} is already under way")
        self._flushes.add(name)

    def _flushed(self, name: str) -> None:
        # A flush that was asked on an earlier connection may be answered on this one.
        if name not in self._flushes and not self._resumed:
            raise _broken(f"flushed {name!r} answers no flush")
        self._flushes.discard(name)


_UNKNOWN_SOURCE = ErrorCode.UNKNOWN_SOURCE


def _sources_of(message: m.Message) -> Iterable[Source]:
    """The sources that a message is about and that `start` must have named."""
    match message:
        case AudioFrame(source) | m.Ack(source):
            return (source,)
        case m.PartialMessage(part):
            return (part.source,)
        case m.FinalMessage(_, final):
            return (final.segment.source,)
        case m.RevisionMessage(_, revision):
            return [segment.source for segment in revision.segments]
        case m.GapMessage(_, gap):
            return (gap.source,)
        case m.Stop(by_source) | m.Stopped(_, by_source):
            return by_source
        case m.Flow():
            return message.sources
    return ()


def _broken(text: str, code: ErrorCode = ErrorCode.UNEXPECTED_MESSAGE) -> LocalProtocolError:
    return LocalProtocolError(text, code)
