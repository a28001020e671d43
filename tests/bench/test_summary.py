"""From what was seen to a row of figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from echopanel.audio import SAMPLE_RATE, Source
from echopanel.bench.figures import COLUMNS
from echopanel.bench.fresh import Target
from echopanel.bench.overload import Reading
from echopanel.bench.play import Costs, Load, Measurement
from echopanel.bench.process import Sample, Usage
from echopanel.bench.record import SessionRecord, SourceRecord
from echopanel.bench.reference import spoken_words
from echopanel.bench.scrape import parse
from echopanel.bench.script import Timing, silence
from echopanel.bench.summary import Reference, Run, summarise
from echopanel.engine.metrics import Metrics
from echopanel.transcript import Coverage, Gap, GapStatus
from echopanel.wire.messages import Flow
from tests.bench.speech import Screen, recording, script_of

ONE = recording("one", "a b c d")
TWO = recording("two", "e f g h")
TIMING = Timing(4.0, stagger=1.0, run_out=1.0)
ORIGIN = 100.0
FLOW = Flow(0, "full", "", 0.5, 0.1, 0.1, 0.2, 1.0, 0, {})


def reference(offline: dict[str, tuple[int, ...]] | None = None) -> Reference:
    """The words of both recordings."""
    return Reference({made.name: spoken_words(made, str) for made in (ONE, TWO)}, str, offline)


def session(record: SourceRecord, *flows: tuple[float, Flow]) -> SessionRecord:
    """A session with one source, well ended."""
    record.sent = record.script.count
    record.coverage = Coverage(record.sent, record.sent, record.sent)
    return SessionRecord({Source.MIC: record}, flows=list(flows), stopped_at=ORIGIN + 6.5)


@pytest.fixture
def seen() -> Measurement:
    """Two sources: the first begins 1 s before the window, the second with it; and a silent one."""
    first, second = Screen(script_of(ONE, TWO)), Screen(script_of(TWO))
    first.final("m1", 4.5, "a b x d", 0.0, 4.0)
    first.final("m2", 9.0, "e f g h", 4.0, 8.0)
    second.final("m1", 5.0, "e f g h", 0.0, 4.0)
    flows = [
        (ORIGIN + at, replace(FLOW, load=load, level=level))
        for at, load, level in ((0.5, 9.0, 4), (2, 0.6, 1))
    ]
    return Measurement(
        load=Load(2, TIMING, idle=1),
        target=Target("http://127.0.0.1:1", 42, 1.5),
        talking=[session(first.record, *flows), session(second.record)],
        silent=[session(SourceRecord(silence(6.0)))],
        begins=[{Source.MIC: 0.0}, {Source.MIC: 1.0}],
        origin=ORIGIN,
        finished=ORIGIN + 7.0,
    )


def figures(run: Run) -> dict[str, float]:
    """Those that were measured."""
    return {name: value for name, value in run.figures.items() if value is not None}


def test_a_row_has_all_columns(seen: Measurement) -> None:
    """In their order, also those that nobody measured."""
    assert list(summarise(seen, reference()).figures) == list(COLUMNS)


def test_words_of_the_window_are_scored_in_each_sources_own_time(seen: Measurement) -> None:
    """The window is seconds 1 to 5 after the first began: b c d e of the first, all of the second."""
    run = summarise(seen, reference())
    found = figures(run)
    assert found["words"] == 8
    assert found["wer"] == pytest.approx(1 / 8)
    assert found["wer_worst"] == pytest.approx(1 / 4)
    assert run.recordings == {"one": (1, 3), "two": (0, 5)}


def test_latencies_are_over_all_words_of_all_sources(seen: Measurement) -> None:
    """b and d after 2.5 and 0.5 s, e after 4 s; the second source's after 4, 3, 2, 1 s."""
    found = figures(summarise(seen, reference()))
    assert found["first_shown_p50"] == pytest.approx(2.5)
    assert found["shown_share"] == pytest.approx(7 / 8)
    assert found["first_shown_p95_worst"] == pytest.approx(3.85)
    assert found["final_seen_p50"] == pytest.approx(0.75)


def test_offline_errors_are_summed_over_the_same_words(seen: Measurement) -> None:
    """Also twice, where two sources played the same words."""
    found = figures(summarise(seen, reference({"one": (9, 0, 0, 1), "two": (1, 0, 0, 0)})))
    assert found["offline_wer"] == pytest.approx(3 / 8)


def test_load_and_level_are_those_of_the_window(seen: Measurement) -> None:
    """What was before it, or comes behind it, is another load."""
    found = figures(summarise(seen, reference()))
    assert (found["load"], found["level_max"]) == (0.6, 1)


def test_levels_and_recovery_are_told_from_the_beginning_and_the_end(seen: Measurement) -> None:
    """The load ends 6 s after it began: level 0 comes 3 s later, the normal interval 1 s."""
    unseen = figures(summarise(seen, reference()))
    assert "level_0_s" not in unseen
    assert "recovery_s" not in unseen
    seen.readings = [
        Reading(ORIGIN + at, level, interval)
        for at, level, interval in ((0, 0, 0.5), (2, 1, 8.0), (7, 1, 2.0), (9, 0, 1.0))
    ]
    run = summarise(seen, reference())
    found = figures(run)
    assert list(run.levels) == [(2.0, 1), (9.0, 0)]
    assert (found["level_0_s"], found["recovery_s"]) == (3.0, 1.0)


def test_how_long_microphones_waited_for_text(seen: Measurement) -> None:
    """The first from 0 to 4.5 s and on to 9, the second 5 s."""
    found = figures(summarise(seen, reference()))
    assert (found["wait_p50"], found["wait_worst"]) == (4.75, 5.0)


def test_audio_that_is_neither_text_nor_silence_is_dropped(seen: Measurement) -> None:
    """Lost and pending alike, and everything of a session that failed."""
    lost, cut = seen.talking[0].sources[Source.MIC], seen.talking[1].sources[Source.MIC]
    lost.coverage = Coverage(8 * SAMPLE_RATE, 8 * SAMPLE_RATE, 5 * SAMPLE_RATE, SAMPLE_RATE, 2 * SAMPLE_RATE)
    lost.gaps.append(Gap(Source.MIC, 0, 9, "backlog_full", GapStatus.PENDING))
    cut.coverage, seen.talking[1].trouble = None, "storage_failed: the disk is full"
    run = summarise(seen, reference())
    found = figures(run)
    assert found["dropped_s"] == pytest.approx(2.0 + 4.0)
    assert (found["gaps"], found["failed_sessions"]) == (1, 1)
    assert run.troubles == ("storage_failed: the disk is full",)


def test_a_session_that_never_ended_has_nothing_to_drain(seen: Measurement) -> None:
    """The drain is that of the sessions that did end."""
    assert figures(summarise(seen, reference()))["drain_s"] == pytest.approx(0.5)
    for record in (*seen.talking, *seen.silent):
        record.stopped_at = None
    assert "drain_s" not in figures(summarise(seen, reference()))


def test_text_out_of_silence_is_made_up(seen: Measurement) -> None:
    """Every word of it."""
    screen = Screen(silence(6.0))
    screen.final("m1", 3.0, "thank you", 1.0, 2.0)
    seen.silent = [session(screen.record)]
    assert figures(summarise(seen, reference()))["idle_words"] == 2


def test_costs_are_per_second_of_audio_and_per_second(seen: Measurement) -> None:
    """Of the server, of the client, and of everybody else; memory is the most there was."""
    seen.costs = (Costs(1.0, 2.0, 10.0), Costs(2.8, 2.7, 13.2))
    seen.samples = [Sample(ORIGIN + at, Usage(at / 4, 100 + at)) for at in range(7)]
    found = figures(summarise(seen, reference()))
    assert found["audio_s"] == 8 + 4 + 6
    assert found["cpu_per_audio_s"] == pytest.approx(1.8 / 18)
    assert found["client_cores"] == pytest.approx(0.1)
    assert found["other_cores"] == pytest.approx(0.1)
    assert found["server_cores"] == pytest.approx(0.25)
    assert found["rss_mb"] == 106
    assert found["rss_slope"] == pytest.approx(60)
    assert found["ready_s"] == 1.5


def test_a_server_elsewhere_has_no_costs(seen: Measurement) -> None:
    """What cannot be known is not guessed."""
    seen.costs = (Costs(None, 2.0, None), Costs(None, 2.7, None))
    found = figures(summarise(seen, reference()))
    assert {"cpu_per_audio_s", "rss_mb", "server_cores", "other_cores"} & set(found) == set()
    assert found["client_cores"] == pytest.approx(0.1)


def test_the_servers_histograms_are_those_since_the_beginning(seen: Measurement) -> None:
    """Finals, batches, and how busy the workers were."""
    metrics = Metrics()
    metrics.final_seconds.observe(20.0)
    metrics.workers_replaced.inc()
    before = parse(metrics.exposition().decode())
    metrics.workers_replaced.inc()
    metrics.final_seconds.observe(0.02)
    for seconds in (0.3, 0.4):
        metrics.decode_seconds.observe(seconds)
        metrics.batch_size.observe(3)
    seen.metrics = (before, parse(metrics.exposition().decode()))
    found = figures(summarise(seen, reference()))
    assert found["final_p95"] < 0.1
    assert (found["model_calls"], found["batch_mean"], found["workers_replaced"]) == (2, 3, 1)
    assert found["workers_busy"] == pytest.approx(0.1)


def test_two_channels_of_a_session_are_two_sources() -> None:
    """Sources are counted, not sessions."""
    assert [list(group.values()) for group in Load(3, TIMING, pairs=True).groups()] == [[0, 1], [2]]
    assert Load(3, TIMING, idle=2, pairs=True).sessions == 4
    assert Load(3, TIMING).sessions == 3
