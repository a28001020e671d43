"""Exports: nothing is lost, what is missing is said, and other programs can read the files."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pydantic import TypeAdapter

from echopanel.audio import Source
from echopanel.store.cues import LINES, MAX_MS, WIDTH, cut_cues
from echopanel.store.export import LABELS, Format, export
from echopanel.transcript import Coverage, Gap, GapStatus, LostRange, Segment, Transcript, Word

SRT = re.compile(r"(\d+)\n(\d\d):(\d\d):(\d\d),(\d{3}) --> (\d\d):(\d\d):(\d\d),(\d{3})\n((?:.+\n)+)(?:\n|$)")
VTT = re.compile(r"(\d\d):(\d\d):(\d\d)\.(\d{3}) --> (\d\d):(\d\d):(\d\d)\.(\d{3})\n((?:.+\n)+)(?:\n|$)")
VOICE = re.compile(r"<v ([^>]*)>")

# Everything but control characters, which no recogniser writes.
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
spoken = st.lists(
    texts | st.sampled_from(["so.", "-->", "<b>&amp;</b>", "a" * 100, "今天天气很好。"]), max_size=40
)
seconds = st.floats(0, 30, allow_nan=False)


@st.composite
def segments(draw: st.DrawFn, name: str = "0") -> Segment:
    """A segment whose words spell its text, or do not, with times in or out of order."""
    text = draw(st.sampled_from([" ", ""])).join(pieces := draw(spoken))
    start = draw(st.floats(0, 90_000))
    times = draw(st.lists(seconds, min_size=2 * len(pieces), max_size=2 * len(pieces)))
    if draw(st.booleans()):
        times.sort()
    pairs = zip(times[::2], times[1::2], pieces, strict=True)
    words = tuple(Word(start + a, start + b, piece.strip()) for a, b, piece in pairs)
    source = draw(st.sampled_from(Source))
    kept = words if draw(st.booleans()) else words[:-1]
    return Segment(name, source, start, start + draw(seconds), text, 0, 1, kept)


transcripts = st.lists(segments(), max_size=5).map(lambda found: Transcript(segments=tuple(found)))


def say(*texts: str, source: Source = Source.MIC) -> Transcript:
    """One segment of 5 s for each text."""
    return Transcript(
        segments=tuple(
            Segment(str(i), source, 5.0 * i, 5.0 * i + 5, text, 0, 1) for i, text in enumerate(texts)
        )
    )


def characters(text: str) -> Counter[str]:
    """What is said, whatever the order of sources and the white space."""
    return Counter("".join(text.split()))


def said(transcript: Transcript) -> str:
    """All text of a transcript."""
    return " ".join(segment.text for segment in transcript.segments)


def milliseconds(numbers: tuple[str, ...]) -> int:
    """The value of hours, minutes, seconds and milliseconds."""
    hours, minutes, seconds_, rest = map(int, numbers)
    return ((hours * 60 + minutes) * 60 + seconds_) * 1000 + rest


def check_times(times: list[tuple[int, int]]) -> None:
    """Cues last, end after they begin, and are in order."""
    assert [(a, b) for a, b in times if not a < b <= a + MAX_MS] == []
    assert times == sorted(times, key=lambda time: time[0])


@given(transcripts)
def test_subrip_parses_back_without_loss(transcript: Transcript) -> None:
    """All text is there, numbered, in time, and the whole file is made of cues."""
    text = export(transcript, Format.SRT, {})
    cues = SRT.findall(text)
    assert SRT.sub("", text) == ""
    assert [int(cue[0]) for cue in cues] == list(range(1, len(cues) + 1))
    assert characters("".join(cue[9] for cue in cues)) == characters(said(transcript))
    check_times([(milliseconds(cue[1:5]), milliseconds(cue[5:9])) for cue in cues])


@given(transcripts)
def test_webvtt_parses_back_without_loss(transcript: Transcript) -> None:
    """All text is there once tags are taken out and escapes resolved, and no text looks like a tag."""
    text = export(transcript, Format.VTT, {})
    assert text.startswith("WEBVTT\n")
    body = text.removeprefix("WEBVTT\n").removeprefix("\n")
    cues = VTT.findall(body)
    assert VTT.sub("", body) == ""
    payload = "".join(cue[8] for cue in cues)
    assert "<" not in payload
    assert "-->" not in payload
    assert characters(unescape_vtt(payload)) == characters(said(transcript))
    check_times([(milliseconds(cue[:4]), milliseconds(cue[4:8])) for cue in cues])


def unescape_vtt(text: str) -> str:
    """The three escapes that we write; anything else stays as it is."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


@given(transcripts, st.integers(0, 12))
def test_cues_can_be_read(transcript: Transcript, indent: int) -> None:
    """Two lines of 42 characters, room for the label, none empty, in the order of the segment's text."""
    cues = cut_cues(transcript.segments, indent)
    assert [cue for cue in cues if not 1 <= len(cue.lines) <= LINES] == []
    assert [line for cue in cues for line in cue.lines if not 1 <= len(line) <= WIDTH] == []
    assert [cue for cue in cues if len(cue.lines[0]) > WIDTH - indent] == []
    for segment in transcript.segments:
        alone = [line for cue in cut_cues([segment], indent) for line in cue.lines]
        assert "".join("".join(alone).split()) == "".join(segment.text.split())


@given(segments())
def test_cues_of_one_source_do_not_overlap(segment: Segment) -> None:
    """A cue ends before the next one of the same voice begins, or lasts a millisecond."""
    assert [(a, b) for a, b in pairwise(cut_cues([segment])) if a.end > b.start and a.end > a.start + 1] == []


def test_words_appear_when_they_are_spoken() -> None:
    """Long segments are cut by the times of their words, at sentences and pauses where there are some."""
    text = "It was the best of times. It was the worst of times, it was the age of wisdom. And then silence."
    words = tuple(
        Word(10 + 0.3 * i + 6 * (i > 17), 10.3 + 0.3 * i + 6 * (i > 17), word)
        for i, word in enumerate(text.split())
    )
    cues = cut_cues([Segment("a", Source.MIC, 10.0, 24.0, text, 0, 1, words)])
    assert [(cue.start, cue.lines) for cue in cues] == [
        (10_000, ("It was the best of times. It was the worst", "of times, it was the age of wisdom.")),
        (21_400, ("And then silence.",)),
    ]


def test_a_segment_without_word_times_is_shared_out_evenly() -> None:
    """Time goes to the characters in proportion."""
    cues = cut_cues([Segment("a", Source.MIC, 0.0, 20.0, "one two " * 20, 0, 1)])
    lengths = [(cue.end - cue.start) / sum(len(line.replace(" ", "")) for line in cue.lines) for cue in cues]
    assert max(lengths) < 1.1 * min(lengths)
    assert cues[-1].end == 20_000


def test_a_short_word_stays_long_enough_to_be_read() -> None:
    """A cue lasts a second unless the next one comes earlier."""
    segments_ = [Segment(str(s), Source.MIC, s, s + 0.2, "Yes.", 0, 1) for s in (1.0, 1.5, 9.0)]
    assert [(cue.start, cue.end) for cue in cut_cues(segments_)] == [
        (1000, 1500),
        (1500, 2500),
        (9000, 10_000),
    ]


def test_times_beyond_an_hour_are_written_out() -> None:
    """Two-hour meetings have three-part times in every format."""
    transcript = Transcript(segments=(Segment("a", Source.MIC, 3723.5, 3725.0, "Hello.", 0, 1),))
    assert export(transcript, Format.TXT) == "[01:02:03] Hello.\n"
    assert export(transcript, Format.SRT) == "1\n01:02:03,500 --> 01:02:05,000\nHello.\n"
    assert export(transcript, Format.VTT) == "WEBVTT\n\n01:02:03.500 --> 01:02:05.000\nHello.\n"


def test_sources_are_labelled_where_there_are_two() -> None:
    """Who speaks is said in each format, with labels of the caller's choice, escaped."""
    one, other = say("Hello."), say("Good morning.", source=Source.SYSTEM)
    both = Transcript(segments=one.segments + other.segments)
    assert export(both, Format.TXT) == "[00:00:00] You: Hello.\n[00:00:00] Others: Good morning.\n"
    assert export(one, Format.TXT) == "[00:00:00] Hello.\n"
    labels = {Source.MIC: "A & B", Source.SYSTEM: "C*"}
    assert "\nA & B: Hello.\n" in export(both, Format.SRT, labels)
    assert "\n<v A &amp; B>Hello.\n" in export(both, Format.VTT, labels)
    assert "**\\[00:00:00\\] C\\*:** Good morning." in export(both, Format.MD, labels)


@given(transcripts)
def test_plain_text_has_a_line_a_segment(transcript: Transcript) -> None:
    """All text in order, one line each, nothing for a segment without text."""
    lines = export(transcript, Format.TXT, {}).splitlines()
    wanted = [" ".join(segment.text.split()) for segment in transcript.segments]
    assert [line.split(" ", 1)[1] for line in lines] == [text for text in wanted if text]


@given(st.lists(texts.filter(lambda text: text.strip()), min_size=1, max_size=4))
def test_markdown_renders_as_what_was_said(said_texts: list[str]) -> None:
    """No text turns into markup: a renderer shows it character by character."""
    transcript = say(*said_texts)
    html = MarkdownIt("commonmark").render(export(transcript, Format.MD))
    shown = re.findall(r"^<p><strong>\[[\d:]+\]</strong> (.*)</p>$", html, re.MULTILINE)
    assert [unescape(text) for text in shown] == [" ".join(text.split()) for text in said_texts]


def test_markdown_opens_with_title_and_origin() -> None:
    """The heading is the title; below it stand date and model."""
    created = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
    transcript = Transcript("id", "Plan *B*", created, "en", "faster-whisper", "tiny.en")
    assert (
        export(transcript, Format.MD)
        == "# Plan \\*B\\*\n\n2026-05-04 12:00 UTC, faster-whisper tiny.en, en\n"
    )
    assert export(Transcript(), Format.MD) == "# Transcript\n"


LEDGER = Coverage(100_000, 84_000, 60_000, 0, 24_000, 16_000, (LostRange(32_000, 48_000, "not_received"),))
PENDING = "1.5 s are not transcribed yet"
LOST = "1.0 s are lost, 00:00:02 to 00:00:03 (not_received)"


def test_what_is_missing_is_said() -> None:
    """Pending and lost audio appear in every format a person reads, by source, with places and reasons."""
    transcript = Transcript(coverage={Source.MIC: LEDGER, Source.SYSTEM: Coverage()})
    assert export(transcript, Format.TXT).endswith(
        f"Missing from this transcript:\nYou: {PENDING}\nYou: {LOST}\n"
    )
    assert export(transcript, Format.MD).endswith(
        "---\n\nMissing from this transcript:\n\n"
        f"- You: {PENDING}\n- You: {LOST.replace('_', chr(92) + '_')}\n"
    )
    assert f"NOTE\nMissing from this transcript:\nYou: {PENDING}\nYou: {LOST}\n" in export(
        transcript, Format.VTT
    )


def test_gaps_speak_where_there_is_no_ledger() -> None:
    """A transcript that was put together from events alone is no less honest."""
    gaps = (
        Gap(Source.MIC, 0, 24_000, "overload", GapStatus.PENDING),
        Gap(Source.MIC, 32_000, 48_000, "not_received", GapStatus.LOST),
    )
    text = export(Transcript(gaps=gaps), Format.TXT)
    assert text == f"\nMissing from this transcript:\nAudio: {PENDING}\nAudio: {LOST}\n"


def test_a_complete_transcript_says_nothing_about_gaps() -> None:
    """There is no footer where all audio was transcribed or silent."""
    transcript = Transcript(coverage={Source.MIC: Coverage(9, 9, 4, 5)})
    assert [one for one in Format if "Missing" in export(transcript, one)] == []


@given(transcripts)
def test_json_carries_everything(transcript: Transcript) -> None:
    """The whole value can be made again from the file: words, gaps and ledgers included."""
    full = Transcript(
        "id",
        created=datetime(2026, 5, 4, 12, 0, tzinfo=UTC),
        segments=transcript.segments,
        gaps=(Gap(Source.MIC, 0, 5, "overload", GapStatus.PENDING),),
        coverage={Source.MIC: LEDGER},
    )
    text = export(full, Format.JSON)
    assert TypeAdapter(Transcript).validate_json(text) == full
    assert json.loads(text)["coverage"]["mic"]["lost_ranges"] == [
        {"start": 32_000, "end": 48_000, "reason": "not_received"}
    ]


def test_every_format_has_a_media_type_and_takes_an_empty_transcript() -> None:
    """A meeting in which nothing was said is a valid meeting."""
    assert [one for one in Format if "/" not in one.media_type] == []
    empty = {one: export(Transcript(), one) for one in (Format.TXT, Format.SRT, Format.VTT)}
    assert empty == {Format.TXT: "", Format.SRT: "", Format.VTT: "WEBVTT\n"}
    assert set(LABELS) == set(Source)


def test_what_the_microphone_heard_out_of_the_loudspeakers_is_hidden() -> None:
    """Its own words stay, with their times; asked for, all of it is there."""
    words = tuple(Word(i, i + 0.5, text, 1.0, i < 2) for i, text in enumerate(("their", "words", "mine")))
    transcript = Transcript(
        segments=(
            Segment("s", Source.SYSTEM, 0.0, 1.4, "their words", 0, 1, words[:1]),
            Segment("m", Source.MIC, 0.0, 2.5, "their words mine", 0, 1, words),
            Segment("n", Source.MIC, 5.0, 6.0, "their words", 0, 1, words[:2]),
        )
    )
    kept = replace(transcript.segments[0], words=(replace(words[0], bleed=False),))
    transcript = replace(transcript, segments=(kept, *transcript.segments[1:]))
    assert export(transcript, Format.TXT) == "[00:00:00] Others: their words\n[00:00:02] You: mine\n"
    shown = export(transcript, Format.TXT, show_bleed=True)
    assert [line.partition(": ")[2] for line in shown.splitlines()] == [
        "their words",
        "their words mine",
        "their words",
    ]
    assert [one["id"] for one in json.loads(export(transcript, Format.JSON))["segments"]] == ["s", "m"]
    assert '"bleed": true' in export(transcript, Format.JSON, show_bleed=True)
