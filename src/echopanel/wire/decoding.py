"""From JSON objects to messages: strict about what is known, blind to what is not."""

from __future__ import annotations

from collections.abc import Callable

from echopanel.audio import SAMPLE_RATE
from echopanel.errors import ErrorCode
from echopanel.transcript import Coverage, Final, Gap, GapStatus, LostRange, Partial, Revision, Segment, Word
from echopanel.wire import messages as m
from echopanel.wire.fields import MAX_ID, Fields

MAX_LANGUAGE = 16
MAX_TITLE = 200
MAX_HINT = 4_000  # prompt, hotwords; Whisper reads 223 tokens of prompt
MAX_REASON = 1_000
MAX_LAG_S = 1e9


def from_json(value: object) -> m.Message:
    """The message in a JSON object; `Unknown` for a type that this version does not have.

    Raises:
        RemoteProtocolError: naming the field that is wrong.
    """
    name = Fields(value).text("type", MAX_ID)
    decode = _DECODERS.get(name)
    if decode is None:
        return m.Unknown(name)
    return decode(Fields(value, name, ErrorCode.INVALID_START if name == "start" else ErrorCode.MALFORMED))


def _start(fields: Fields) -> m.Start:
    version = _version(fields)
    if fields.integer("sample_rate", default=SAMPLE_RATE) != SAMPLE_RATE:
        raise fields.error("sample_rate", f"must be {SAMPLE_RATE}; resample the audio before it is sent")
    session = fields.identifier("session") if fields.has("session") else None
    resume_token = fields.identifier("resume_token") if fields.has("resume_token") else None
    if (session is None) != (resume_token is None):
        raise fields.error("", "must give both session and resume_token, or neither")
    return m.Start(
        sources=fields.sources("sources"),
        version=version,
        language=fields.optional_text("language", MAX_LANGUAGE),
        prompt=fields.text("prompt", MAX_HINT, default=""),
        hotwords=fields.text("hotwords", MAX_HINT, default=""),
        partials=fields.flag("partials", default=True),
        title=fields.text("title", MAX_TITLE, default=""),
        session=session,
        resume_token=resume_token,
        last_event=fields.integer("last_event", default=0),
        continues=fields.identifier("continues") if fields.has("continues") else None,
    )


def _ready(fields: Fields) -> m.Ready:
    version = _version(fields)
    sources = fields.by_source("sources").items()
    return m.Ready(
        session=fields.identifier("session"),
        resume_token=fields.identifier("resume_token"),
        resumed=fields.flag("resumed"),
        sources={name: m.SourceReady(at.integer("next"), at.integer("credit")) for name, at in sources},
        limits=_limits(fields.child("limits")),
        provider=fields.identifier("provider"),
        model=fields.identifier("model"),
        last_event=fields.integer("last_event") if fields.has("last_event") else None,
        version=version,
    )


def _version(fields: Fields) -> int:
    """The version, looked at before anything else: another version's fields are another matter."""
    version = fields.integer("version")
    if version != m.VERSION:
        complaint = f"has version {version}, this is version {m.VERSION}"
        raise fields.error("", complaint, ErrorCode.UNSUPPORTED_VERSION)
    return version


def _limits(fields: Fields) -> m.Limits:
    return m.Limits(
        max_message_bytes=fields.integer("max_message_bytes", 1),
        max_frame_samples=fields.integer("max_frame_samples", 1),
        max_frames_per_second=fields.integer("max_frames_per_second", 1),
        max_utterance_s=fields.number("max_utterance_s"),
        resume_window_s=fields.number("resume_window_s"),
    )


def _stop(fields: Fields) -> m.Stop:
    return m.Stop(fields.samples_by_source("captured"), fields.flag("wait_repair", default=True))


def _ack(fields: Fields) -> m.Ack:
    return m.Ack(fields.source("source"), fields.integer("sample"), fields.integer("credit"))


def _partial(fields: Fields) -> m.PartialMessage:
    return m.PartialMessage(
        Partial(
            segment_id=fields.identifier("segment"),
            source=fields.source("source"),
            revision=fields.integer("revision"),
            start=fields.number("start"),
            stable=fields.text("stable"),
            tail=fields.text("tail"),
            bleed=fields.flag("bleed", default=False),
            bleed_words=fields.integer("bleed_words", default=0),
        )
    )


def _final(fields: Fields) -> m.FinalMessage:
    return m.FinalMessage(fields.integer("event", 1), Final(_segment(fields)))


def _revision(fields: Fields) -> m.RevisionMessage:
    segments = tuple(_segment(item) for item in fields.objects("segments"))
    revision = Revision(fields.identifiers("replaces"), segments, fields.text("reason", MAX_REASON))
    return m.RevisionMessage(fields.integer("event", 1), revision)


def _gap(fields: Fields) -> m.GapMessage:
    start, end = _range(fields, "start_sample", "end_sample")
    reason, status = fields.text("reason", MAX_REASON), fields.choice("status", GapStatus)
    return m.GapMessage(fields.integer("event", 1), Gap(fields.source("source"), start, end, reason, status))


def _flow(fields: Fields) -> m.Flow:
    return m.Flow(
        level=fields.integer("level"),
        plan=fields.text("plan", MAX_REASON),
        reason=fields.text("reason", MAX_REASON),
        load=fields.number("load"),
        rtf_last=fields.number("rtf_last"),
        rtf_mean=fields.number("rtf_mean"),
        rtf_p95=fields.number("rtf_p95"),
        chunk_interval_s=fields.number("chunk_interval_s"),
        queue_depth=fields.integer("queue_depth"),
        sources={name: _source_flow(source) for name, source in fields.by_source("sources").items()},
    )


def _source_flow(fields: Fields) -> m.SourceFlow:
    return m.SourceFlow(
        backlog_s=fields.number("backlog_s"),
        queued=fields.integer("queued"),
        queue_bound=fields.integer("queue_bound"),
        fill=fields.number("fill"),
        # Clocks are fitted, not read, so a lag near 0 may come out below it.
        lag_s=fields.optional_number("lag_s", low=-MAX_LAG_S),
        credit=fields.integer("credit"),
        coverage=_coverage(fields.child("coverage")),
    )


def _stopped(fields: Fields) -> m.Stopped:
    coverage = {name: _coverage(ledger) for name, ledger in fields.by_source("coverage").items()}
    return m.Stopped(fields.identifier("session"), coverage)


def _error(fields: Fields) -> m.Error:
    return m.Error(
        code=fields.choice("code", ErrorCode),
        message=fields.text("message", MAX_REASON),
        fatal=fields.flag("fatal", default=True),
        retry_after=fields.optional_number("retry_after"),
    )


def _segment(fields: Fields) -> Segment:
    start_sample, end_sample = _range(fields, "start_sample", "end_sample")
    start, end = _times(fields)
    return Segment(
        id=fields.identifier("segment"),
        source=fields.source("source"),
        start=start,
        end=end,
        text=fields.text("text"),
        start_sample=start_sample,
        end_sample=end_sample,
        words=tuple(_word(word) for word in fields.objects("words")),
        language=fields.optional_text("language", MAX_LANGUAGE),
    )


def _word(fields: Fields) -> Word:
    start, end = _times(fields)
    probability = fields.number("probability", high=1.0, default=1.0)
    return Word(start, end, fields.text("text"), probability, fields.flag("bleed", default=False))


def _coverage(fields: Fields) -> Coverage:
    lost = tuple(
        LostRange(*_range(item, "start", "end"), item.text("reason", MAX_REASON))
        for item in fields.objects("lost_ranges")
    )
    return Coverage(
        captured=fields.integer("captured"),
        received=fields.integer("received"),
        transcribed=fields.integer("transcribed"),
        silence=fields.integer("silence"),
        pending=fields.integer("pending"),
        lost=fields.integer("lost"),
        lost_ranges=lost,
    )


def _times(fields: Fields) -> tuple[float, float]:
    start, end = fields.number("start"), fields.number("end")
    if end < start:
        raise fields.error("end", "is before start")
    return start, end


def _range(fields: Fields, first: str, last: str) -> tuple[int, int]:
    start, end = fields.integer(first), fields.integer(last)
    if end < start:
        raise fields.error(last, f"is before {first}")
    return start, end


_DECODERS: dict[str, Callable[[Fields], m.Message]] = {
    "start": _start,
    "flush": lambda fields: m.Flush(fields.identifier("id")),
    "stop": _stop,
    "ping": lambda fields: m.Ping(fields.identifier("id")),
    "ready": _ready,
    "ack": _ack,
    "partial": _partial,
    "final": _final,
    "revision": _revision,
    "gap": _gap,
    "flow": _flow,
    "watching": lambda fields: m.Watching(fields.identifier("session"), fields.integer("last_event")),
    "flushed": lambda fields: m.Flushed(fields.identifier("id")),
    "stopped": _stopped,
    "pong": lambda fields: m.Pong(fields.identifier("id")),
    "error": _error,
}
