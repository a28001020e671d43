"""From messages to JSON objects: flat, and without the fields that say nothing."""

from __future__ import annotations

from typing import Any

from echopanel.audio import AudioFrame
from echopanel.errors import LocalProtocolError
from echopanel.transcript import Coverage, Segment
from echopanel.wire import messages as m

Json = dict[str, Any]


def to_json(message: m.Message) -> Json:
    """The JSON object of any message but audio.

    Raises:
        LocalProtocolError: the message has no JSON form.
    """
    if isinstance(message, m.Unknown | AudioFrame):
        raise LocalProtocolError(f"a message of type {m.kind_of(message)} cannot be sent as JSON")
    return {"type": m.kind_of(message).json_type} | _body(message)


def _body(message: m.Message) -> Json:
    match message:
        case m.Start():
            return _start(message)
        case m.Ready():
            return _ready(message)
        case m.Flow():
            return _flow(message)
        case m.PartialMessage(partial):
            shown = {"stable": partial.stable, "tail": partial.tail, "text": partial.text}
            where = {"segment": partial.segment_id, "source": partial.source, "revision": partial.revision}
            bleed: Json = {"bleed": True} if partial.bleed else {}
            bleed |= {"bleed_words": partial.bleed_words} if partial.bleed_words else {}
            return where | {"start": partial.start} | shown | bleed
        case m.FinalMessage(event, final):
            return {"event": event} | _segment(final.segment)
        case m.RevisionMessage(event, revision):
            segments = [_segment(segment) for segment in revision.segments]
            replaced = {"replaces": list(revision.replaces), "segments": segments}
            return {"event": event, "reason": revision.reason} | replaced
        case m.GapMessage(event, gap):
            where = {"source": gap.source, "start_sample": gap.start_sample, "end_sample": gap.end_sample}
            return {"event": event} | where | {"reason": gap.reason, "status": gap.status}
        case _:
            return _small(message)


def _small(message: m.Message) -> Json:
    match message:
        case m.Flush(name) | m.Flushed(name) | m.Ping(name) | m.Pong(name):
            return {"id": name}
        case m.Stop(captured, wait_repair):
            return {"captured": dict(captured)} | ({} if wait_repair else {"wait_repair": False})
        case m.Ack():
            return {"source": message.source, "sample": message.sample, "credit": message.credit}
        case m.Stopped(session, coverage):
            ledgers = {source: _coverage(ledger) for source, ledger in coverage.items()}
            return {"session": session, "coverage": ledgers}
        case m.Watching(session, last_event):
            return {"session": session, "last_event": last_event}
        case _:
            assert isinstance(message, m.Error), "every other kind has its case"
            body = {"code": message.code, "message": message.message, "fatal": message.fatal}
            return body | _present(retry_after=message.retry_after)


def _start(start: m.Start) -> Json:
    options = {
        "prompt": start.prompt,
        "hotwords": start.hotwords,
        "partials": start.partials,
        "title": start.title,
    }
    body = {"version": start.version, "sources": list(start.sources)} | options
    resume = {} if start.resume_token is None else {"last_event": start.last_event}
    asked = _present(language=start.language, session=start.session, resume_token=start.resume_token)
    return body | asked | resume | _present(continues=start.continues)


def _ready(ready: m.Ready) -> Json:
    limits = {name: getattr(ready.limits, name) for name in m.Limits.__slots__}
    sources = {name: {"next": source.next, "credit": source.credit} for name, source in ready.sources.items()}
    session = {"session": ready.session, "resume_token": ready.resume_token, "resumed": ready.resumed}
    model = {"provider": ready.provider, "model": ready.model}
    events = {} if ready.last_event is None else {"last_event": ready.last_event}
    return {"version": ready.version} | session | {"sources": sources, "limits": limits} | model | events


def _flow(flow: m.Flow) -> Json:
    body = {name: getattr(flow, name) for name in m.Flow.__slots__}
    return body | {"sources": {name: _source_flow(source) for name, source in flow.sources.items()}}


def _source_flow(source: m.SourceFlow) -> Json:
    body = {name: getattr(source, name) for name in m.SourceFlow.__slots__}
    return body | {"coverage": _coverage(source.coverage)}


def _segment(segment: Segment) -> Json:
    body: Json = {"segment": segment.id, "source": segment.source, "start": segment.start, "end": segment.end}
    samples = {"start_sample": segment.start_sample, "end_sample": segment.end_sample}
    words = [
        {"start": word.start, "end": word.end, "text": word.text, "probability": word.probability}
        | ({"bleed": True} if word.bleed else {})
        for word in segment.words
    ]
    return body | {"text": segment.text} | samples | {"words": words} | _present(language=segment.language)


def _coverage(ledger: Coverage) -> Json:
    counts = ("captured", "received", "transcribed", "silence", "pending", "lost")
    ranges = [{"start": lost.start, "end": lost.end, "reason": lost.reason} for lost in ledger.lost_ranges]
    return {name: getattr(ledger, name) for name in counts} | {"lost_ranges": ranges}


def _present(**fields: object) -> Json:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}
