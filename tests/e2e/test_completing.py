"""Text that comes after the meeting, with real models: completed sessions, and second passes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

import echopanel
from echopanel.audio import SAMPLE_RATE, Samples
from tests.e2e.conftest import Note
from tests.e2e.programs import PATIENCE_S, Server, serving
from tests.e2e.programs import echopanel as run
from tests.helpers.speech import Speech, wer

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


async def told(server: Server, session: str, path: str = "", **query: str) -> Any:
    """What an endpoint of a session says."""
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=PATIENCE_S) as http:
        return (await http.get(f"v1/sessions/{session}{path}", params=query)).json()


async def until(server: Server, session: str, field: str, value: str) -> Any:
    """Wait until a session says so; what else it says then."""
    async with asyncio.timeout(PATIENCE_S):
        while (now := await told(server, session))[field] != value:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)
        return now


def journaled(data_dir: Path, session: str) -> bool:
    """Whether the audio of a session is still there."""
    return any(data_dir.glob(f"journal/*{session}*"))


def text_of(transcript: Any) -> str:
    """All words of a JSON export."""
    return " ".join(segment["text"] for segment in transcript["segments"])


def opening(speech: Speech, seconds: float) -> tuple[str, Samples]:
    """The words that end in the first so many seconds, and the audio up to the last of them."""
    said = [(word, end) for word, end in speech.word_times if end <= seconds]
    return " ".join(word for word, _ in said), speech.load()[: round(said[-1][1] * SAMPLE_RATE)]


async def test_a_server_that_is_killed_completes_its_sessions_later(
    tmp_path: Path, two_cities: Speech, note: Note
) -> None:
    """`kill -9` behind a stop that did not wait: the next process does the rest, and nobody has to ask."""
    words, speech = opening(two_cities, 20.0)
    with serving(tmp_path) as first:
        async with echopanel.connect(first.url, sources=("mic",)) as meeting:
            await meeting.send("mic", speech)
            stopped = await meeting.stop(wait_repair=False)
        first.process.kill()
        await asyncio.to_thread(first.process.wait)
    assert stopped.coverage[echopanel.Source.MIC].pending > 0
    assert journaled(tmp_path, stopped.session)
    with serving(tmp_path) as second:
        now = await until(second, stopped.session, "state", "ended")
        transcript = await told(second, stopped.session, "/transcript")
        async with asyncio.timeout(PATIENCE_S):
            while journaled(tmp_path, stopped.session):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)
    ledger = now["coverage"]["mic"]
    assert (ledger["captured"], ledger["pending"], ledger["lost"]) == (len(speech), 0, 0)
    errors = wer(words, text_of(transcript))
    assert errors <= 0.1
    pending = stopped.coverage[echopanel.Source.MIC].pending / SAMPLE_RATE
    note(f"pending at the kill: {pending:.1f} s, WER {errors:.1%}")


async def test_a_second_pass_is_the_same_wherever_it_is_made(
    tmp_path: Path, two_cities: Speech, note: Note
) -> None:
    """The server and the command line make the same text of a recording with Whisper base."""
    words, speech = opening(two_cities, 12.0)
    with serving(tmp_path, "--record") as server:
        async with echopanel.connect(server.url, sources=("mic",), language="en") as meeting:
            await meeting.send("mic", speech)
            session = (await meeting.stop()).session
        live = await told(server, session, "/transcript")
        async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=PATIENCE_S) as http:
            asked = await http.post(f"v1/sessions/{session}/refine", json={"model": "base"})
            assert asked.status_code == 202, asked.text
        async with asyncio.timeout(PATIENCE_S):
            while (now := await told(server, session))["refined"]["state"] != "done":
                assert now["refined"]["state"] != "failed", now
                await asyncio.sleep(0.1)
        merged = await told(server, session, "/transcript")
        assert await told(server, session, "/transcript", edition="live") == live
    assert (live["model"], merged["model"]) == ("tiny.en", "base")
    options = (session, "--data-dir", str(tmp_path))
    done = run("sessions", "refine", *options, "--model", "base")
    assert done.returncode == 0, done.stderr
    export = run("sessions", "export", *options, "--edition", "refined", "--format", "json")
    refined = json.loads(export.stdout)
    assert refined == merged
    errors = {name: wer(words, text_of(one)) for name, one in (("live", live), ("refined", refined))}
    assert errors["refined"] <= 0.1
    note(" ".join(f"{name} {error:.1%}" for name, error in errors.items()))
