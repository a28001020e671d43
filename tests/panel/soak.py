"""A long meeting in a real browser, with figures: `python -m tests.panel.soak SECONDS DIRECTORY`.

Microphone and a recording, real server and model; a transcript of two hours is loaded beside it, and the
server is killed and started again in the middle. Prints one JSON object. What was played, sent and heard
stays in DIRECTORY.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from playwright.async_api import CDPSession, Page, expect

from echopanel.audio import SAMPLE_RATE, Samples, Source
from echopanel.bench.align import align, blocks
from echopanel.bench.shown import shown_since
from echopanel.client.media import decode
from echopanel.store.transcripts import SessionRecord, SessionState, StoredEvent, TranscriptStore
from echopanel.transcript import Coverage, Final, Segment
from tests.e2e.programs import echopanel, serving
from tests.helpers.speech import load_two_cities, normalised, wer
from tests.panel.conftest import chromium
from tests.panel.dialogue import Track, dialogue
from tests.panel.lateness import lateness

LONG, LONG_S, LONG_LINES = "0123456789abcdef", 7200, 3000
TOO_LONG_MS = 100
SAMPLE_EVERY_S = 10.0

# What the page shows and when; when each source began; what kept the page from answering. Times in ms.
SPY = """
  window.spied = {lines: [], began: {}, tasks: [], states: []};
  const numbers = new WeakMap();
  const note = (item) => {
    if (!numbers.has(item)) numbers.set(item, spied.lines.push({source: item.dataset.source, texts: []}) - 1);
    const {texts} = spied.lines[numbers.get(item)];
    const text = item.querySelector(".said")?.textContent ?? "";
    if (texts.at(-1)?.[1] !== text) texts.push([performance.now(), text]);
  };
  const changed = (all) => {
    for (const {target} of all) {
      const item = (target.nodeType === 1 ? target : target.parentElement)?.closest("li");
      if (item) note(item);
    }
  };
  addEventListener("DOMContentLoaded", () => {
    new MutationObserver(changed).observe(lines, {subtree: true, childList: true, characterData: true});
    const status = document.getElementById("status-text");
    const state = () => {
      if (spied.states.at(-1) !== status.textContent) spied.states.push(status.textContent);
    };
    new MutationObserver(state).observe(status, {childList: true, characterData: true, subtree: true});
  });
  new PerformanceObserver((list) => {
    for (const {startTime, duration} of list.getEntries()) spied.tasks.push([startTime, duration]);
  }).observe({type: "longtask", buffered: true});
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    if (data instanceof ArrayBuffer) {
      const view = new DataView(data);
      const began = view.getFloat64(12, true) - Number(view.getBigUint64(4, true)) / 16;
      spied.began[["mic", "system"][view.getUint8(1)]] ??= began;
    }
    return send.call(this, data);
  };
"""


def remember_long(data: Path) -> None:
    """Two hours of somebody else's meeting."""
    words = load_two_cities().text.split()
    ended = datetime.now(UTC) - timedelta(hours=1)
    with TranscriptStore(data) as store:
        store.create_session(SessionRecord(LONG, ended - timedelta(seconds=LONG_S), "Two hours"))
        step = LONG_S / LONG_LINES
        events = []
        for n in range(LONG_LINES):
            text = " ".join(words[(7 * n + k) % len(words)] for k in range(14))
            sample = round(n * step * SAMPLE_RATE)
            source = Source.SYSTEM if n % 3 else Source.MIC
            segment = Segment(f"s{n}", source, n * step, n * step + 2, text, sample, sample + 2 * SAMPLE_RATE)
            events.append(StoredEvent(n + 1, Final(segment)))
        store.add_events(LONG, events)
        samples = LONG_S * SAMPLE_RATE
        store.save_coverage(LONG, {Source.MIC: Coverage(samples, samples, samples)})
        store.end_session(LONG, ended, SessionState.ENDED)


async def heap_mb(cdp: CDPSession) -> float:
    """What the page's objects need when nothing is left to collect."""
    await cdp.send("HeapProfiler.collectGarbage")
    metrics = (await cdp.send("Performance.getMetrics"))["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "JSHeapUsedSize")) / 1e6


async def listen(page: Page, cdp: CDPSession, others: Track, seconds: float) -> list[float]:
    """Let it run until shortly before the end of the recording; memory meanwhile, in MB."""
    await page.locator("input[name=system][value=file]").check()
    await page.locator("#file").set_input_files(others.path)
    await page.get_by_role("button", name="Start captions").click()
    await expect(page.locator("#status-text")).to_have_text("Live", timeout=60_000)
    await page.evaluate(f"location.hash = '#/session/{LONG}'")
    await expect(page.locator("#past-lines > li")).to_have_count(LONG_LINES, timeout=60_000)
    await page.evaluate("location.hash = '#/'")
    heap = []
    for _ in range(int(seconds / SAMPLE_EVERY_S)):
        await asyncio.sleep(SAMPLE_EVERY_S)
        heap.append(round(await heap_mb(cdp), 2))
    return heap


async def soak(seconds: float, directory: Path) -> dict[str, Any]:
    """Run it; the figures."""
    mic, others = dialogue(directory, seconds)
    data = directory / "data"
    remember_long(data)
    async with chromium(mic.path, "--use-fake-ui-for-media-stream") as browser:
        context = await browser.new_context(viewport={"width": 900, "height": 700})
        page = await context.new_page()
        await page.add_init_script(SPY)
        cdp = await context.new_cdp_session(page)
        await cdp.send("Performance.enable")
        with serving(data, "--record") as server:
            await page.goto(server.url)
            heap = await listen(page, cdp, others, 0.5 * seconds)
            server.stop(signal.SIGKILL)
            await expect(page.locator("#status-text")).to_contain_text("Reconnecting", timeout=30_000)
            with serving(data, "--record", "--port", str(server.port)):
                await expect(page.locator("#status-text")).to_have_text("Live", timeout=60_000)
                for _ in range(int(0.5 * seconds / SAMPLE_EVERY_S)):
                    await asyncio.sleep(SAMPLE_EVERY_S)
                    heap.append(round(await heap_mb(cdp), 2))
                if await page.locator("#summary").is_hidden():
                    await page.get_by_role("button", name="Stop").click()
                await expect(page.locator("#summary")).to_be_visible(timeout=60_000)
                summary = await page.locator("#summary").inner_text()
                said = {
                    track.path: " ".join(
                        await page.locator(f"#lines > [data-source={source}] .said").all_inner_texts()
                    )
                    for source, track in (("mic", mic), ("system", others))
                }
                spied = await page.evaluate("spied")
        await context.close()
    return {
        "seconds": seconds,
        "summary": summary,
        "states": spied["states"],
        "heap_mb": heap,
        **long_tasks(spied["tasks"]),
        "mic": figures(mic, "mic", said[mic.path], spied, data),
        "system": figures(others, "system", said[others.path], spied, data),
    }


def long_tasks(tasks: Sequence[Sequence[float]]) -> dict[str, Any]:
    """How often the page did not answer; of the worst, seconds since the page was opened, and ms."""
    durations = [duration for _, duration in tasks]
    return {
        "tasks_over_50_ms": len(durations),
        "longest_task_ms": max(durations, default=0),
        "tasks_over_100_ms": [[round(at / 1000, 1), ms] for at, ms in tasks if ms > TOO_LONG_MS],
    }


def figures(track: Track, source: str, said: str, spied: dict[str, Any], data: Path) -> dict[str, Any]:
    """How right the text is, beside the command line's, and how soon its words were shown, in seconds.

    `wer_cli_sent` is the command line's on what the page has sent: it tells what capture costs from what
    hearing it live does.
    """
    by_file = transcribed(track.path)
    heard = sent(data, source)
    late = lateness(decode_whole(track.path), decode_whole(heard), [end for _, end in track.words])
    lags = first_shown(track, source, spied, late)
    return {
        "wer": round(wer(track.text, said), 4),
        "wer_cli": round(wer(track.text, by_file), 4),
        "wer_cli_sent": round(wer(track.text, transcribed(heard)), 4),
        "words": len(track.text.split()),
        "words_timed": len(lags),
        "sent_late_s": round(late[-1], 2),
        "first_shown_p50_s": round(statistics.median(lags), 2) if lags else None,
        "first_shown_p95_s": round(statistics.quantiles(lags, n=20)[-1], 2) if len(lags) > 1 else None,
        "page_differs": list(differing(by_file, said)),
    }


def transcribed(path: Path) -> str:
    """The command line's text of a recording."""
    alone = echopanel("transcribe", path)
    assert alone.returncode == 0, alone.stderr
    return re.sub(r"\[[\d:]+\]", "", alone.stdout)


def sent(data: Path, source: str) -> Path:
    """What the server got of a source."""
    return next((data / "recordings").glob(f"*.{source}.flac"))


def decode_whole(path: Path) -> Samples:
    """A recording as samples."""
    return np.concatenate(list(decode(path)))


def differing(by_file: str, said: str) -> Iterator[str]:
    """Where the page has other words than the command line: "word before: theirs -> the page's"."""
    theirs, pages = normalised(by_file).split(), normalised(said).split()
    for one, other in blocks(theirs, pages):
        here, there = " ".join(theirs[place] for place in one), " ".join(pages[place] for place in other)
        if here != there:
            yield f"{theirs[one.start - 1] if one.start else ''}: {here} -> {there}"


def first_shown(track: Track, source: str, spied: dict[str, Any], late: Sequence[float]) -> list[float]:
    """For every word that was heard right: seconds from its end to when it was in the page, to stay.

    `late`: by how much each word was sent later than the recording has it.
    """
    heard: list[str] = []
    since: list[float] = []
    for line in spied["lines"]:
        texts = [(at, normal(text)) for at, text in line["texts"]]
        if line["source"] == source and texts and texts[-1][1]:
            heard += texts[-1][1]
            since += shown_since([words for _, words in texts], [at for at, _ in texts])
    found = align([normal(word)[0] for word, _ in track.words], heard)
    began = spied["began"][source]
    # How late it is at first is the page's own doing, and counts.
    ends = [end + behind - late[0] for (_, end), behind in zip(track.words, late, strict=True)]
    return [
        (since[place] - began) / 1000 - end
        for end, place in zip(ends, found.heard_as, strict=True)
        if place is not None
    ]


def normal(text: str) -> list[str]:
    """Words without case and punctuation; one for every word that has a letter or digit."""
    return [word for part in text.lower().split() if (word := re.sub(r"[^\w']", "", part))] or [""]


def main(seconds: str = "300", directory: str | None = None) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as temporary:
        kept = Path(directory or temporary)
        kept.mkdir(parents=True, exist_ok=True)
        result = asyncio.run(soak(float(seconds), kept))
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
