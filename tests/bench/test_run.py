"""A benchmark as a whole, against a server that says "word1", "word2", ... after each second of audio."""

from __future__ import annotations

import json
import os
import wave
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from echopanel.audio import SAMPLE_RATE
from echopanel.bench.figures import COLUMNS
from echopanel.bench.fresh import Target, command, fresh_server
from echopanel.bench.play import Load
from echopanel.bench.run import Plan, Speech, bench, to_json
from echopanel.bench.script import Timing
from echopanel.errors import EchoPanelError, ErrorCode
from echopanel.wire.messages import Error
from tests.client.scripted import Scripted, listening

TIMING = Timing(1.2, stagger=0.0, run_out=0.0)


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    """A server on loopback."""
    scripted = Scripted()
    async with listening(scripted):
        yield scripted


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """One recording of two seconds in which "word1" is said, which the normaliser takes for two words."""
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(bytes(4 * SAMPLE_RATE))
    rows = {
        "manifest.jsonl": {"file": "a.wav", "kind": "read", "text": "Word1."},
        "word_times.jsonl": {"file": "a.wav", "words": [["word1", 0.9]]},
    }
    for name, row in rows.items():
        (tmp_path / name).write_text(json.dumps(row) + "\n", encoding="utf-8")
    return tmp_path


def plan(server: Scripted, corpus: Path, *loads: Load) -> Plan:
    """To be measured on the scripted server, which runs in this process."""
    return Plan(Speech(corpus), loads, Target(server.url, os.getpid()))


async def test_each_load_becomes_a_row(server: Scripted, corpus: Path) -> None:
    """Two sources that talk and one that is silent: everything heard right, a tenth of a second late."""
    told: list[str] = []
    (result,) = await bench(plan(server, corpus, Load(2, TIMING, idle=1)), told.append)
    figures = result.figures
    assert told == ["2 sources and 1 silent ones: 1 s"]
    assert (figures["sources"], figures["words"], figures["wer"]) == (2, 4, 0)
    assert figures["first_shown_p50"] is not None
    assert figures["first_shown_p50"] >= 0.1  # the word ends at 0.9 s, its text comes at 1 s
    assert figures["idle_words"] == 2  # this server says words whatever it hears
    assert figures["dropped_s"] == 0
    assert figures["client_cores"] is not None
    assert figures["rss_mb"] is not None
    assert figures["final_p50"] is None  # no metrics there


async def test_repeated_runs_become_medians_with_the_runs_kept(server: Scripted, corpus: Path) -> None:
    """The JSON is a list of rows, each with its runs and with errors and words of each recording."""
    results = await bench(replace(plan(server, corpus, Load(1, TIMING)), repeat=2), lambda line: None)
    (row,) = json.loads(to_json(results))
    assert set(COLUMNS) <= set(row)
    assert (row["sources"], row["repeat"], len(row["runs"])) == (1, 2, 2)
    assert row["recordings"] == {"a.wav": [0, 4]}
    assert row["troubles"] == []


async def test_a_session_that_ends_early_is_told_with_the_servers_last_words(
    server: Scripted, corpus: Path, tmp_path: Path
) -> None:
    """So the cause need not be searched for; the row is there all the same."""
    server.cut_after_ready = True
    told: list[str] = []
    with (tmp_path / "log").open("w+b") as log:
        log.write(b"starting\nthe disk is full\n")
        target = Target(server.url, os.getpid(), log=log)
        (result,) = await bench(Plan(Speech(corpus), (Load(1, TIMING),), target), told.append)
    assert told[-1] == "the server's last words: the disk is full"
    assert any(line.startswith("trouble: ") for line in told)
    assert result.figures["failed_sessions"] == 1


async def test_a_session_that_is_refused_is_counted(server: Scripted, corpus: Path) -> None:
    """If all are, there is nothing to measure."""
    server.refusal = Error(ErrorCode.OVERLOADED, "too busy", retry_after=1.0)
    with pytest.raises(EchoPanelError, match="no session could be opened: overloaded: too busy"):
        await bench(plan(server, corpus, Load(1, TIMING)), lambda line: None)


def test_a_fresh_server_has_room_and_keeps_to_itself() -> None:
    """Its own port and data, as many sessions as needed; what the user adds comes last."""
    words = command(Path("data"), ("--model", "base"), 61)
    assert words[1:4] == ("-m", "echopanel", "serve")
    assert "limits.sessions=61" in words
    assert "limits.sessions_per_client=61" in words
    assert words[-2:] == ("--model", "base")


@pytest.mark.e2e
async def test_a_server_that_cannot_start_says_why() -> None:
    """Its last line is the message."""
    with pytest.raises(EchoPanelError, match=r"the server did not start: echopanel: .*no-such-option"):
        async with fresh_server(("--set", "engine.no-such-option=1"), 1):
            pass
