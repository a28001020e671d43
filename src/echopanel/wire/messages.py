"""Every message of protocol v1 as a frozen value. `codec` turns them into bytes and back.

Client to server: Start, AudioFrame (binary), Flush, Stop, Ping.
Server to client: Ready, Ack, PartialMessage, FinalMessage, RevisionMessage, GapMessage, Flow, Flushed,
Stopped, Watching, Pong, Error.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from echopanel.audio import AudioFrame, Source
from echopanel.errors import ErrorCode
from echopanel.transcript import Coverage, Final, Gap, Partial, Revision

VERSION = 1


@dataclass(frozen=True, slots=True)
class Start:
    """Open a session, or resume one with its `resume_token`.

    `sources` lists the channels that will send. To resume, give `session`, `resume_token` and the number
    of the newest event seen. `continues` names an earlier session that could not be resumed.
    """

    sources: tuple[Source, ...]
    version: int = VERSION
    language: str | None = None
    prompt: str = ""
    hotwords: str = ""
    partials: bool = True
    title: str = ""
    session: str | None = None
    resume_token: str | None = None
    last_event: int = 0
    continues: str | None = None


@dataclass(frozen=True, slots=True)
class Flush:
    """Turn everything sent so far into final text, then answer `Flushed` with the same id."""

    id: str


@dataclass(frozen=True, slots=True)
class Stop:
    """No more audio; finish everything, then answer `Stopped`.

    `captured` is where each source ended, as a sample index. Without `wait_repair` the answer comes as soon
    as the server keeps everything; what is pending then is recognised later.
    """

    captured: dict[Source, int] = field(default_factory=dict)
    wait_repair: bool = True


@dataclass(frozen=True, slots=True)
class Ping:
    """Are you there? Answered by `Pong` with the same id."""

    id: str


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to `Ping`."""

    id: str


@dataclass(frozen=True, slots=True)
class SourceReady:
    """Where a source stands: the next expected sample, and the index below which the client may send."""

    next: int
    credit: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server takes from one session."""

    max_message_bytes: int
    max_frame_samples: int
    max_frames_per_second: int
    max_utterance_s: float
    resume_window_s: float


@dataclass(frozen=True, slots=True)
class Ready:
    """The session is open; audio may flow.

    `last_event`, of a resumed session: the newest event that server and client both have.
    """

    session: str
    resume_token: str
    resumed: bool
    sources: dict[Source, SourceReady]
    limits: Limits
    provider: str
    model: str
    last_event: int | None = None
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class Ack:
    """The server keeps everything before `sample`; `credit` is the index below which the client may send."""

    source: Source
    sample: int
    credit: int


@dataclass(frozen=True, slots=True)
class SourceFlow:
    """How one source is doing. `lag_s`: now minus the capture time of the newest shown word, if any."""

    backlog_s: float
    queued: int
    queue_bound: int
    fill: float
    lag_s: float | None
    credit: int
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class Flow:
    """How the server is doing, at each change and about once a second."""

    level: int
    plan: str
    reason: str
    load: float
    rtf_last: float
    rtf_mean: float
    rtf_p95: float
    chunk_interval_s: float
    queue_depth: int
    sources: dict[Source, SourceFlow]


@dataclass(frozen=True, slots=True)
class PartialMessage:
    """Text of an open segment."""

    partial: Partial


@dataclass(frozen=True, slots=True)
class FinalMessage:
    """A finished segment. `event` numbers what must not be missed, from 1, for resuming."""

    event: int
    final: Final


@dataclass(frozen=True, slots=True)
class RevisionMessage:
    """A better recognition of finished segments."""

    event: int
    revision: Revision


@dataclass(frozen=True, slots=True)
class GapMessage:
    """A range without text, and why."""

    event: int
    gap: Gap


@dataclass(frozen=True, slots=True)
class Flushed:
    """Everything sent before `Flush` with this id is final text now."""

    id: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The session takes no more audio; the ledger says what became of every sample, or that it is pending."""

    session: str
    coverage: dict[Source, Coverage]


@dataclass(frozen=True, slots=True)
class Watching:
    """The first word to a spectator. `last_event`: the newest event that it has seen and the server has."""

    session: str
    last_event: int


@dataclass(frozen=True, slots=True)
class Error:
    """Something went wrong. `fatal`: the connection ends now, with the code's close code."""

    code: ErrorCode
    message: str
    fatal: bool = True
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message type that this version does not know; to be ignored."""

    type: str


ClientMessage = Start | AudioFrame | Flush | Stop | Ping
ServerMessage = (
    Ready
    | Ack
    | PartialMessage
    | FinalMessage
    | RevisionMessage
    | GapMessage
    | Flow
    | Flushed
    | Stopped
    | Watching
    | Pong
    | Error
)
Message = ClientMessage | ServerMessage | Unknown


class Kind(StrEnum):
    """What the state table and the JSON field `type` tell apart; a fatal `error` is a kind of its own."""

    START = "start"
    AUDIO = "audio"
    FLUSH = "flush"
    STOP = "stop"
    PING = "ping"
    READY = "ready"
    ACK = "ack"
    PARTIAL = "partial"
    FINAL = "final"
    REVISION = "revision"
    GAP = "gap"
    FLOW = "flow"
    FLUSHED = "flushed"
    STOPPED = "stopped"
    WATCHING = "watching"
    PONG = "pong"
    ERROR = "error"
    FATAL_ERROR = "fatal error"
    UNKNOWN = "unknown"

    @property
    def json_type(self) -> str:
        """The value of `type` on the wire."""
        return "error" if self is Kind.FATAL_ERROR else self.value


_KINDS: dict[type[Message], Kind] = {
    Start: Kind.START,
    AudioFrame: Kind.AUDIO,
    Flush: Kind.FLUSH,
    Stop: Kind.STOP,
    Ping: Kind.PING,
    Ready: Kind.READY,
    Ack: Kind.ACK,
    PartialMessage: Kind.PARTIAL,
    FinalMessage: Kind.FINAL,
    RevisionMessage: Kind.REVISION,
    GapMessage: Kind.GAP,
    Flow: Kind.FLOW,
    Flushed: Kind.FLUSHED,
    Stopped: Kind.STOPPED,
    Watching: Kind.WATCHING,
    Pong: Kind.PONG,
    Unknown: Kind.UNKNOWN,
}


def kind_of(message: Message) -> Kind:
    """The kind of a message."""
    if isinstance(message, Error):
        return Kind.FATAL_ERROR if message.fatal else Kind.ERROR
    return _KINDS[type(message)]
