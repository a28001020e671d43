"""The page in a real browser with the real server and its model, on speech."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.programs import serving
from tests.helpers.proxy import Proxy, proxied
from tests.helpers.speech import wer
from tests.panel.conftest import Clip
from tests.panel.waiting import PATIENCE, STATES, told

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

TOKEN = "correct-horse"
MAX_WER = 0.1  # "we're" for "we were" twice, in 25 words


@asynccontextmanager
async def page_at(browser: Browser, url: str) -> AsyncIterator[Page]:
    """The page in a new profile."""
    context = await browser.new_context(accept_downloads=True)
    context.set_default_timeout(PATIENCE)
    page = await context.new_page()
    await page.add_init_script(STATES)
    await page.goto(url)
    yield page
    await context.close()


async def start(page: Page, recording: Path | None = None) -> None:
    """Start with the microphone, and a recording as the others."""
    await page.locator(f"input[name=system][value={'file' if recording else 'off'}]").check()
    if recording:
        await page.locator("#file").set_input_files(recording)
    await page.get_by_role("button", name="Start captions").click()
    await expect(page.locator("#status-text")).to_have_text("Live")


async def stop(page: Page) -> None:
    """Stop, and wait until everything has become text."""
    await page.get_by_role("button", name="Stop").click()
    await expect(page.locator("#summary")).to_have_text("Everything that was heard is in the transcript.")


async def said(page: Page, source: str) -> str:
    """The captions of a source."""
    return " ".join(await page.locator(f"#lines > [data-source={source}] .said").all_inner_texts())


async def save(page: Page, kind: str, directory: Path) -> str:
    """Save the transcript by the menu; its text."""
    await page.get_by_role("button", name="Save").click()
    async with page.expect_download() as download:
        await page.locator(f"[data-format={kind}]").click()
    path = directory / (await download.value).suggested_filename
    await (await download.value).save_as(path)
    assert path.suffix == f".{kind}"
    return path.read_text(encoding="utf-8")


async def test_both_sources_become_captions_and_files(
    browser: Browser, heard: Clip, call: Clip, tmp_path: Path
) -> None:
    """A microphone and a recording are written down, each as itself, behind a token; every format saves."""
    with serving(tmp_path / "data", "--token", TOKEN) as server:
        async with page_at(browser, f"{server.url}#token={TOKEN}") as page:
            await start(page, call.path)
            await expect(page.locator(".strip[data-source=system] .note")).to_have_text("Has ended")
            await expect(page.locator("#lines")).to_contain_text("foolishness", ignore_case=True)
            await stop(page)
            assert wer(heard.text, await said(page, "mic")) <= MAX_WER
            assert wer(call.text, await said(page, "system")) <= MAX_WER
            files = {kind: await save(page, kind, tmp_path) for kind in ("txt", "md", "srt", "vtt", "json")}
    assert all("heaven" in text and "wisdom" in text for text in files.values())
    assert "You: " in files["txt"]
    assert "Others: " in files["txt"]


async def test_a_server_that_is_killed_and_started_again_costs_no_word(
    browser: Browser, heard: Clip, tmp_path: Path
) -> None:
    """In the middle of a sentence: the page says what is going on, goes on by itself, and has every word."""
    with serving(tmp_path / "data") as server:
        async with page_at(browser, server.url) as page:
            await start(page)
            await expect(page.locator("#lines")).to_contain_text("best of times", ignore_case=True)
            server.stop(signal.SIGKILL)
            await expect(page.locator("#status-text")).to_contain_text("Reconnecting")
            with serving(tmp_path / "data", "--port", str(server.port)):
                await expect(page.locator("#status-text")).to_have_text("Live")
                await expect(page.locator("#lines")).to_contain_text("foolishness", ignore_case=True)
                await stop(page)
                assert wer(heard.text, await said(page, "mic")) <= MAX_WER
                assert await page.locator(".gap").count() == 0


async def test_who_reads_along_misses_nothing_over_a_cut_and_a_kill(
    browser: Browser, heard: Clip, tmp_path: Path
) -> None:
    """Its network is cut, then the server is killed: it says so, and has the same lines as the speaker."""
    with serving(tmp_path / "data") as server:
        proxy = Proxy(server.port, Random(1), plain=True)
        async with (
            page_at(browser, server.url) as speaker,
            proxied(proxy),
            page_at(browser, f"{proxy.url}/#/history") as reader,
        ):
            await start(speaker)
            await reader.get_by_role("link", name="Untitled meeting").click()
            await told(reader, "Reading along")
            await expect(reader.locator("#past-lines")).to_contain_text("best of times", ignore_case=True)
            await comes_back_after(reader, proxy.cut)
            server.stop(signal.SIGKILL)
            await told(reader, "Reconnecting")
            with serving(tmp_path / "data", "--port", str(server.port)):
                await expect(reader.locator("#status-text")).to_have_text("Reading along")
                await expect(reader.locator("#past-lines")).to_contain_text("foolishness", ignore_case=True)
                await stop(speaker)
                await expect(reader.locator("#status-text")).to_have_text("Saved")
                lines = await speaker.locator("#lines .said").all_inner_texts()
                assert wer(heard.text, " ".join(lines)) <= MAX_WER
                await expect(reader.locator("#past-lines .said")).to_have_text(lines)


async def comes_back_after(reader: Page, cut: Callable[[], None]) -> None:
    """A page that reads along tells of a cut, and that it is there again; what it told of is forgotten."""
    await reader.evaluate("states.length = 0")
    cut()
    await told(reader, "Reconnecting")
    await told(reader, "Reading along")
    await reader.evaluate("states.length = 0")
