"""`echopanel bench` with real servers in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from echopanel.bench.figures import COLUMNS
from tests.helpers.speech import load_two_cities


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """The recording that every machine has, as a corpus."""
    speech = load_two_cities()
    directory = tmp_path / "corpus"
    directory.mkdir()
    rows = {
        "manifest.jsonl": {"file": str(speech.path), "kind": "read", "text": speech.text},
        "word_times.jsonl": {"file": str(speech.path), "words": speech.word_times},
    }
    for name, row in rows.items():
        (directory / name).write_text(json.dumps(row) + "\n", encoding="utf-8")
    return directory


@pytest.mark.e2e
@pytest.mark.slow
def test_bench_measures_a_fresh_server(corpus: Path, tmp_path: Path) -> None:
    """Two sources and a silent one: text, latencies, costs; nothing lost or made up; JSON and chart."""
    rows_file, chart_file = tmp_path / "rows.json", tmp_path / "chart.svg"
    result = subprocess.run(
        (
            *(sys.executable, "-m", "echopanel", "bench", "--corpus", corpus, "--sources", "2"),
            *("--seconds", "5", "--stagger", "0.5", "--idle", "1", "--offline"),
            *("--json", rows_file, "--chart", chart_file),
        ),
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
    assert result.returncode == 0, result.stderr
    assert "first shown" in result.stdout
    (row,) = json.loads(rows_file.read_text(encoding="utf-8"))
    assert set(COLUMNS) <= set(row)
    assert (row["sources"], row["idle"], row["failed_sessions"], row["troubles"]) == (2, 1, 0, [])
    assert row["words"] > 10
    assert row["wer"] < 0.5
    assert row["offline_wer"] < 0.3
    assert (row["dropped_s"], row["words_lost"], row["stable_changes"], row["idle_words"]) == (0, 0, 0, 0)
    assert row["first_shown_p50"] <= row["first_shown_p95"]
    assert row["final_p50"] <= row["final_p95"]
    assert row["cpu_per_audio_s"] > 0
    assert row["rss_mb"] > 50
    assert row["model_calls"] > 0
    assert row["ready_s"] > 0
    ET.parse(chart_file)  # noqa: S314 - our own file
