"""Hypothesis strategies for every message of the protocol."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from echopanel.audio import AudioFrame, Source
from echopanel.errors import ErrorCode
from echopanel.transcript import (
    Coverage,
    Final,
    Gap,
    GapStatus,
    LostRange,
    Partial,
    Revision,
    Segment,
    Word,
)
from echopanel.wire import messages as m
from echopanel.wire.fields import MAX_SAMPLE

ids = st.text(min_size=1, max_size=128)
texts = st.text(max_size=300)
numbers = st.floats(min_value=0, max_value=1e15)
samples = st.integers(min_value=0, max_value=MAX_SAMPLE)
counts = st.integers(min_value=1, max_value=MAX_SAMPLE)
sources = st.sampled_from(Source)
source_lists = st.lists(sources, min_size=1, unique=True).map(tuple)
times = st.tuples(numbers, numbers).map(sorted)
ranges = st.tuples(samples, samples).map(sorted)

frames: SearchStrategy[AudioFrame] = st.builds(
    AudioFrame,
    source=sources,
    start=st.integers(min_value=0, max_value=MAX_SAMPLE - 400),
    pcm=st.binary(min_size=1, max_size=400).map(lambda half: half + half),
    captured_ms=numbers,
    skipped=st.booleans(),
)
coverages = st.builds(
    Coverage,
    *[samples] * 6,
    st.lists(st.builds(lambda at, why: LostRange(at[0], at[1], why), ranges, texts), max_size=3).map(tuple),
)
words = st.builds(
    lambda at, text, p, bleed: Word(at[0], at[1], text, p, bleed),
    times,
    texts,
    st.floats(min_value=0, max_value=1),
    st.booleans(),
)


def _segment(
    name: str,
    source: Source,
    at: list[float],
    text: str,
    where: list[int],
    said: list[Word],
    language: str | None,
) -> Segment:
    return Segment(name, source, at[0], at[1], text, where[0], where[1], tuple(said), language)


languages = st.none() | st.text(max_size=16)
segments = st.builds(_segment, ids, sources, times, texts, ranges, st.lists(words, max_size=4), languages)

fresh_starts = st.builds(
    m.Start,
    sources=source_lists,
    language=languages,
    prompt=texts,
    hotwords=texts,
    partials=st.booleans(),
    title=st.text(max_size=200),
    continues=st.none() | ids,
)
resuming_starts = st.builds(m.Start, sources=source_lists, session=ids, resume_token=ids, last_event=samples)
limits = st.builds(m.Limits, counts, counts, counts, numbers, numbers)
readies = st.builds(
    m.Ready,
    session=ids,
    resume_token=ids,
    resumed=st.booleans(),
    sources=st.dictionaries(sources, st.builds(m.SourceReady, samples, samples)),
    limits=limits,
    provider=ids,
    model=ids,
    last_event=st.none() | samples,
)
gaps = st.builds(
    lambda source, where, why, status: Gap(source, where[0], where[1], why, status),
    sources,
    ranges,
    texts,
    st.sampled_from(GapStatus),
)
revisions = st.builds(
    Revision, st.lists(ids, max_size=3).map(tuple), st.lists(segments, max_size=3).map(tuple), texts
)
source_flows = st.builds(
    m.SourceFlow,
    backlog_s=numbers,
    queued=samples,
    queue_bound=samples,
    fill=numbers,
    lag_s=st.none() | st.floats(min_value=-1e9, max_value=1e15),
    credit=samples,
    coverage=coverages,
)
flows = st.builds(
    m.Flow,
    level=samples,
    plan=texts,
    reason=texts,
    load=numbers,
    rtf_last=numbers,
    rtf_mean=numbers,
    rtf_p95=numbers,
    chunk_interval_s=numbers,
    queue_depth=samples,
    sources=st.dictionaries(sources, source_flows),
)

client_messages: SearchStrategy[m.ClientMessage] = st.one_of(
    fresh_starts,
    resuming_starts,
    frames,
    st.builds(m.Flush, ids),
    st.builds(m.Stop, st.dictionaries(sources, samples), st.booleans()),
    st.builds(m.Ping, ids),
)
server_messages: SearchStrategy[m.ServerMessage] = st.one_of(
    readies,
    st.builds(m.Ack, sources, samples, samples),
    st.builds(
        lambda *fields: m.PartialMessage(Partial(*fields)),
        ids,
        sources,
        samples,
        numbers,
        texts,
        texts,
        st.booleans(),
        samples,
    ),
    st.builds(m.FinalMessage, counts, st.builds(Final, segments)),
    st.builds(m.RevisionMessage, counts, revisions),
    st.builds(m.GapMessage, counts, gaps),
    flows,
    st.builds(m.Flushed, ids),
    st.builds(m.Watching, ids, counts),
    st.builds(m.Stopped, ids, st.dictionaries(sources, coverages)),
    st.builds(m.Pong, ids),
    st.builds(m.Error, st.sampled_from(ErrorCode), texts, st.booleans(), st.none() | numbers),
)
messages: SearchStrategy[m.Message] = client_messages | server_messages
