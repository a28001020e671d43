"""One plain message of every kind, and connections brought to every state with them."""

from __future__ import annotations

from echopanel.audio import AudioFrame, Source
from echopanel.errors import ErrorCode
from echopanel.transcript import Coverage, Final, Gap, GapStatus, Partial, Revision, Segment
from echopanel.wire import messages as m
from echopanel.wire.client import ClientConnection
from echopanel.wire.messages import Kind
from echopanel.wire.server import ServerConnection
from echopanel.wire.states import State

MIC, SYSTEM = Source.MIC, Source.SYSTEM
LIMITS = m.Limits(65_536, 16_000, 200, 20.0, 300.0)
CREDIT = 160_000


def frame(start: int, count: int = 1600, source: Source = MIC, skipped: bool = False) -> AudioFrame:
    """Audio whose samples tell their own index, modulo 2**16."""
    pcm = b"".join((index % 65_536).to_bytes(2, "little") for index in range(start, start + count))
    return AudioFrame(source, start, pcm, start / 16, skipped)


def start(*sources: Source, token: str | None = None, last_event: int = 0) -> m.Start:
    """A `start` for `sources`, by default mic and system; with a token it resumes session s1."""
    session = "s1" if token else None
    return m.Start(sources or (MIC, SYSTEM), session=session, resume_token=token, last_event=last_event)


def ready(*sources: Source, resumed: bool = False, next_sample: int = 0, credit: int = CREDIT) -> m.Ready:
    """The answer to `start`."""
    at = {source: m.SourceReady(next_sample, credit) for source in sources or (MIC, SYSTEM)}
    return m.Ready("s1", "t1", resumed, at, LIMITS, "fake", "tiny")


def segment(name: str = "mic-1", source: Source = MIC) -> Segment:
    """A second of speech."""
    return Segment(name, source, 0.0, 1.0, "hello", 0, 16_000)


def final(event: int = 1, source: Source = MIC) -> m.FinalMessage:
    """A final."""
    return m.FinalMessage(event, Final(segment(f"{source}-{event}", source)))


def gap(event: int = 1) -> m.GapMessage:
    """A gap."""
    return m.GapMessage(event, Gap(MIC, 0, 1600, "overload", GapStatus.PENDING))


def flow(credit: int = CREDIT) -> m.Flow:
    """A flow about mic."""
    source = m.SourceFlow(0.5, 1, 100, 0.01, None, credit, Coverage())
    return m.Flow(0, "full", "", 0.1, 0.05, 0.05, 0.06, 1.0, 1, {MIC: source})


EXAMPLES: dict[Kind, m.Message] = {
    Kind.START: start(),
    Kind.AUDIO: frame(0),
    Kind.FLUSH: m.Flush("f2"),
    Kind.STOP: m.Stop({MIC: 1600}),
    Kind.PING: m.Ping("p"),
    Kind.READY: ready(),
    Kind.ACK: m.Ack(MIC, 0, CREDIT),
    Kind.PARTIAL: m.PartialMessage(Partial("mic-1", MIC, 1, 0.0, "hel", "lo", bleed=True)),
    Kind.FINAL: final(),
    Kind.REVISION: m.RevisionMessage(1, Revision(("mic-0",), (segment(),), "repair")),
    Kind.GAP: gap(),
    Kind.FLOW: flow(),
    Kind.FLUSHED: m.Flushed("f1"),
    Kind.WATCHING: m.Watching("s1", 7),
    Kind.STOPPED: m.Stopped("s1", {MIC: Coverage()}),
    Kind.PONG: m.Pong("p"),
    Kind.ERROR: m.Error(ErrorCode.INTERNAL, "one chunk failed", fatal=False),
    Kind.FATAL_ERROR: m.Error(ErrorCode.INTERNAL, "the end"),
}


class Pair:
    """A client and a server joined in memory; what one sends the other has received."""

    def __init__(self) -> None:
        self.client = ClientConnection()
        self.server = ServerConnection()

    def up(self, *sent: m.ClientMessage) -> None:
        """Messages from the client."""
        for message in sent:
            assert self.server.receive(self.client.send(message)) == [message]

    def down(self, *sent: m.ServerMessage) -> None:
        """Messages from the server."""
        for message in sent:
            assert self.client.receive(self.server.send(message)) == [message]


def pair_in(state: State) -> Pair:
    """A pair in `state`, with flush f1 under way once it is live."""
    pair = Pair()
    if state is State.OPEN:
        return pair
    pair.up(start())
    if state is State.STARTING:
        return pair
    pair.down(ready())
    pair.up(m.Flush("f1"))
    if state is State.LIVE:
        return pair
    pair.up(m.Stop())
    if state is State.CLOSED:
        pair.down(m.Stopped("s1", {}))
    return pair
