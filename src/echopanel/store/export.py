"""Transcripts as files: plain text, SubRip, WebVTT, Markdown, JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Final as Constant

from pydantic import TypeAdapter

from echopanel.audio import Source, to_seconds
from echopanel.store.cues import Cue, cut_cues, one_line
from echopanel.transcript import Gap, GapStatus, LostRange, Segment, Transcript

LABELS: Constant[Mapping[Source, str]] = {Source.MIC: "You", Source.SYSTEM: "Others"}
Labels = Mapping[Source, str]

_JSON: Constant = TypeAdapter(Transcript)
_MARKDOWN = re.compile(r"([\\`*_\[\]<>&#|~$])")


class Format(StrEnum):
    """Kinds of files; the value is the suffix of the file's name."""

    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"
    JSON = "json"
    MD = "md"

    @property
    def media_type(self) -> str:
        """For the header Content-Type."""
        return _MEDIA_TYPES[self]


_MEDIA_TYPES: Constant[Mapping[Format, str]] = {
    Format.TXT: "text/plain; charset=utf-8",
    Format.SRT: "application/x-subrip; charset=utf-8",
    Format.VTT: "text/vtt; charset=utf-8",
    Format.JSON: "application/json",
    Format.MD: "text/markdown; charset=utf-8",
}


def export(
    transcript: Transcript,
    format: Format,  # noqa: A002 - the word of the API
    labels: Labels = LABELS,
    *,
    show_bleed: bool = False,
) -> str:
    """Write a transcript as a file's text; sources are labelled where there is more than one.

    `show_bleed`: also the words that the microphone only heard out of the loudspeakers.
    """
    shown = transcript if show_bleed else transcript.without_bleed()
    return _WRITERS[format](shown, labels if len(sources(transcript)) > 1 else {})


def sources(transcript: Transcript) -> list[Source]:
    """The sources that a transcript knows of."""
    known = {segment.source for segment in transcript.segments}
    known |= {gap.source for gap in transcript.gaps} | set(transcript.coverage)
    return [source for source in Source if source in known]


def clock(seconds: float, fraction: str = "") -> str:
    """hh:mm:ss, with milliseconds behind `fraction` where that is given."""
    milliseconds = max(0, round(seconds * 1000))
    whole, rest = divmod(milliseconds, 1000)
    text = f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{text}{fraction}{rest:03}" if fraction else text


def missing(transcript: Transcript, labels: Labels) -> Iterator[str]:
    """One line for every source that has audio without text, and how much."""
    for source in Source:
        name = labels.get(source, "Audio")
        ledger = transcript.coverage.get(source)
        gaps = [gap for gap in transcript.gaps if gap.source is source]
        pending = ledger.pending if ledger else sum(_ranges(gaps, GapStatus.PENDING).values())
        lost = ledger.lost if ledger else sum(_ranges(gaps, GapStatus.LOST).values())
        if pending:
            yield f"{name}: {to_seconds(pending):.1f} s are not transcribed yet"
        if lost:
            ranges = ledger.lost_ranges if ledger else tuple(_ranges(gaps, GapStatus.LOST))
            yield f"{name}: {to_seconds(lost):.1f} s are lost" + _where(ranges)


def _ranges(gaps: Iterable[Gap], status: GapStatus) -> dict[LostRange, int]:
    """The ranges of one status and their lengths in samples."""
    return {
        LostRange(gap.start_sample, gap.end_sample, gap.reason): gap.end_sample - gap.start_sample
        for gap in gaps
        if gap.status is status
    }


def _where(ranges: tuple[LostRange, ...]) -> str:
    places = [
        f"{clock(to_seconds(one.start))} to {clock(to_seconds(one.end))} ({one_line(one.reason)})"
        for one in ranges
    ]
    return f", {', '.join(places)}" if places else ""


def _spoken(transcript: Transcript) -> Iterator[tuple[Segment, str]]:
    """Segments that say something, and what."""
    for segment in transcript.segments:
        if text := one_line(segment.text):
            yield segment, text


def _txt(transcript: Transcript, labels: Labels) -> str:
    lines = [
        f"[{clock(segment.start)}] {_prefix(segment.source, labels)}{text}"
        for segment, text in _spoken(transcript)
    ]
    if notes := list(missing(transcript, labels)):
        lines += ["", "Missing from this transcript:", *notes]
    return "".join(f"{line}\n" for line in lines)


def _prefix(source: Source, labels: Labels) -> str:
    return f"{labels[source]}: " if source in labels else ""


def _md(transcript: Transcript, labels: Labels) -> str:
    about = [
        transcript.created.strftime("%Y-%m-%d %H:%M %Z") if transcript.created else "",
        f"{transcript.provider} {transcript.model}".strip(),
        transcript.language or "",
    ]
    blocks = [f"# {_escape_md(one_line(transcript.title)) or 'Transcript'}"]
    blocks += [_escape_md(", ".join(filter(None, about)))] if any(about) else []
    for segment, text in _spoken(transcript):
        label = f" {_escape_md(labels[segment.source])}:" if segment.source in labels else ""
        blocks.append(f"**\\[{clock(segment.start)}\\]{label}** {_escape_md(text)}")
    if notes := list(missing(transcript, labels)):
        blocks += [
            "---",
            "Missing from this transcript:",
            "\n".join(f"- {_escape_md(note)}" for note in notes),
        ]
    return "\n\n".join(blocks) + "\n"


def _escape_md(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)


def _srt(transcript: Transcript, labels: Labels) -> str:
    """SubRip has no escapes: an arrow inside the text would read as a time line, so it gets a space."""
    indent = max((len(f"{label}: ") for label in labels.values()), default=0)
    blocks = []
    for number, cue in enumerate(cut_cues(transcript.segments, indent), 1):
        text = "\n".join(cue.lines).replace("-->", "-- >")
        blocks.append(f"{number}\n{_span(cue, ',')}\n{_prefix(cue.source, labels)}{text}\n")
    return "\n".join(blocks)


def _vtt(transcript: Transcript, labels: Labels) -> str:
    blocks = ["WEBVTT\n"]
    if notes := list(missing(transcript, labels)):
        blocks.append("\n".join(["NOTE", "Missing from this transcript:", *map(_escape_vtt, notes)]) + "\n")
    for cue in cut_cues(transcript.segments):
        voice = f"<v {_escape_vtt(labels[cue.source])}>" if cue.source in labels else ""
        blocks.append(f"{_span(cue, '.')}\n{voice}{_escape_vtt(chr(10).join(cue.lines))}\n")
    return "\n".join(blocks)


def _escape_vtt(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _span(cue: Cue, fraction: str) -> str:
    return f"{clock(cue.start / 1000, fraction)} --> {clock(cue.end / 1000, fraction)}"


def _json(transcript: Transcript, labels: Labels) -> str:  # noqa: ARG001 - all writers have one shape
    return _JSON.dump_json(transcript, indent=2).decode() + "\n"


_WRITERS: Constant[Mapping[Format, Callable[[Transcript, Labels], str]]] = {
    Format.TXT: _txt,
    Format.SRT: _srt,
    Format.VTT: _vtt,
    Format.JSON: _json,
    Format.MD: _md,
}
