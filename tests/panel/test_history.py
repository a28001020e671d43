"""The history in a real browser, with the real server: searching, reading, renaming, deleting, watching."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from echopanel.asr.fake import Script
from echopanel.audio import SAMPLE_RATE, Source
from echopanel.errors import ErrorCode
from echopanel.store.transcripts import SessionRecord, SessionState, StoredEvent, TranscriptStore
from echopanel.transcript import Coverage, Final, LostRange, Refined, Segment
from echopanel.wire.messages import Error
from tests.panel.axe import check
from tests.panel.waiting import PATIENCE, STATES, told
from tests.server.rig import Served, meeting, quicken, serving, settings_of, talk

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

TOKEN = "correct-horse-battery"
BUDGET, STANDUP = "0123456789abcdef", "fedcba9876543210"
SAID = ("Good morning everybody.", "The budget is <b>too</b> high.", "Good, then we cut it.")


def remember(store: TranscriptStore) -> None:
    """Two meetings: a complete one of today without a title, and an old one of which something is lost."""
    now = datetime.now(UTC)
    meetings = ((BUDGET, "", 0, SAID, 0), (STANDUP, "Standup", 40, SAID[:1], 32_000))
    for session, title, days, texts, lost in meetings:
        began = now - timedelta(days=days, minutes=1)
        store.create_session(SessionRecord(session, began, title, "en", "fake", "tiny.en"))
        store.add_events(session, [utterance(number, text) for number, text in enumerate(texts, 1)])
        ranges = (LostRange(0, lost, "not_received"),) if lost else ()
        ledger = Coverage(960_000, 960_000, 960_000 - lost, 0, 0, lost, ranges)
        store.save_coverage(session, {Source.MIC: ledger})
        store.end_session(session, began, SessionState.ENDED)


def utterance(number: int, text: str) -> StoredEvent:
    """Said by both in turn, every ten seconds."""
    start = number * 10
    source = Source.MIC if number % 2 else Source.SYSTEM
    first, last = start * SAMPLE_RATE, (start + 2) * SAMPLE_RATE
    return StoredEvent(number, Final(Segment(f"s{number}", source, start, start + 2, text, first, last)))


@asynccontextmanager
async def running(
    path: Path, monkeypatch: pytest.MonkeyPatch, token: str | None = None, *, record: bool = False
) -> AsyncIterator[Served]:
    """A server with two meetings in its history."""
    fake = quicken(monkeypatch)
    settings = settings_of(path, server={"token": token}, store={"record": record})
    async with serving(settings, fake) as served:
        await served.server.keeper.store(remember, served.server.keeper.transcripts)
        yield served


@pytest_asyncio.fixture(loop_scope="session")
async def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    """Without a token."""
    async with running(tmp_path, monkeypatch) as served:
        yield served


@asynccontextmanager
async def opened(browser: Browser, served: Served, route: str, width: int = 1000) -> AsyncIterator[Page]:
    """The page at one of its addresses, in a new profile."""
    context = await browser.new_context(viewport={"width": width, "height": 700}, accept_downloads=True)
    context.set_default_timeout(PATIENCE)
    page = await context.new_page()
    await page.add_init_script(STATES)
    await page.goto(f"http://127.0.0.1:{served.port}/{route}")
    yield page
    await context.close()


async def test_meetings_are_listed_by_day_with_what_became_of_them(served: Served, browser: Browser) -> None:
    """Newest first; a click opens one, and Back goes back."""
    async with opened(browser, served, "") as page:
        await page.get_by_role("link", name="History").click()
        await expect(page.locator(".open")).to_have_text(["Untitled meeting", "Standup"])
        await expect(page.locator(".day h3").first).to_have_text("Today")
        await expect(page.locator(".meeting .facts").first).to_contain_text("1 min · Complete")
        await expect(page.locator(".meeting .facts").last).to_contain_text("2.0 s could not be recognised")
        await page.get_by_role("link", name="Untitled meeting").click()
        await expect(page.locator("#past-lines .said")).to_have_text(list(SAID))
        await expect(page.locator("#past-lines .who")).to_have_text(["You", "Others", "You"])
        await expect(page.locator("#status-text")).to_have_text("Saved")
        await page.go_back()
        await expect(page.locator(".meeting")).to_have_count(2)


async def test_the_list_stays_true_while_it_is_open(served: Served, browser: Browser) -> None:
    """Meetings that begin, are renamed and end appear as they are; nobody loses their place by it."""
    store = served.server.keeper.transcripts
    async with opened(browser, served, "#/history") as page:
        await page.get_by_role("link", name="Standup").focus()
        async with served.started(Source.MIC, Source.SYSTEM, title="Weekly") as client:
            await expect(page.locator(".open")).to_have_text(["Weekly", "Untitled meeting", "Standup"])
            await expect(page.locator(".badge")).to_have_text("Running now")
            await expect(page.get_by_role("link", name="Standup")).to_be_focused()
            await client.stop()
        await expect(page.locator(".badge")).to_have_count(0)
        await served.server.keeper.store(store.rename, BUDGET, "Budget")
        await served.server.keeper.store(store.delete, STANDUP)
        await expect(page.locator(".open")).to_have_text(["Weekly", "Budget"])


async def test_search_marks_what_it_found_and_leads_there(served: Served, browser: Browser) -> None:
    """While somebody types; what was said is text, whatever it looks like; nothing found is said."""
    async with opened(browser, served, "#/history") as page:
        query = page.get_by_role("searchbox")
        await query.press_sequentially("budg")
        await expect(page.locator(".meeting")).to_have_count(1)
        await expect(page.locator(".hit mark")).to_have_text(["budget"])
        await expect(page.locator(".hit")).to_contain_text("The budget is <b>too</b> high.")
        await page.locator(".hit").click()
        sought = page.locator("#past-lines .sought")
        await expect(sought.locator(".said")).to_have_text(SAID[1])
        await expect(sought).to_be_in_viewport()
        await page.go_back()
        await query.fill("nobody said this")
        await expect(page.locator("#nothing")).to_contain_text("Nothing found for “nobody said this”")


async def test_a_meeting_is_renamed_saved_and_deleted(
    served: Served, browser: Browser, tmp_path: Path
) -> None:
    """With the keyboard; the file is named after it; deleting asks first."""
    async with opened(browser, served, f"#/session/{BUDGET}") as page:
        title = page.get_by_label("Title")
        await title.fill("Budget 2027")
        await title.press("Enter")
        await expect(page.locator("#delete-what")).to_contain_text("Budget 2027")
        assert served.server.keeper.transcripts.session(BUDGET).title == "Budget 2027"
        await page.get_by_role("button", name="Save").click()
        async with page.expect_download() as download:
            await page.locator("[data-format=txt]").click()
        file = await download.value
        assert file.suggested_filename.startswith("Budget 2027 ")
        await file.save_as(tmp_path / "saved.txt")
        assert SAID[2] in (tmp_path / "saved.txt").read_text(encoding="utf-8")
        await page.get_by_role("button", name="Delete").click()
        await page.get_by_role("button", name="Keep it").click()
        await expect(page.locator("#past-lines .said")).to_have_count(3)
        await page.get_by_role("button", name="Delete").click()
        await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        await expect(page.locator(".open")).to_have_text(["Standup"])


async def test_a_meeting_that_was_heard_once_more_has_several_texts(
    served: Served, browser: Browser, tmp_path: Path
) -> None:
    """The better one at first, the live one where a search leads; what is shown is what is saved."""
    better = Segment("mic-second-1", Source.MIC, 10.0, 12.0, "Good morning, every body.", 160_000, 192_000)
    heard = {Source.MIC: ((0, 28 * SAMPLE_RATE),)}
    refined = Refined(datetime.now(UTC), "fake", "base", (better,), heard)
    await served.server.keeper.store(served.server.keeper.transcripts.save_refined, BUDGET, refined)
    async with opened(browser, served, f"#/session/{BUDGET}") as page:
        lines, choice = page.locator("#past-lines .said"), page.get_by_label("Which text")
        await expect(lines).to_have_text([better.text, *SAID[1:]])
        await expect(page.locator("#status-text")).to_have_text("Saved")
        await check(page, 1000)
        for name, shown in (
            ("refined", [better.text]),
            ("live", list(SAID)),
            ("merged", [better.text, *SAID[1:]]),
        ):
            await choice.select_option(name)
            await expect(lines).to_have_text(shown)
            await expect(page.locator("#facts")).to_contain_text("tiny.en" if name == "live" else "base")
            await page.get_by_role("button", name="Save").click()
            async with page.expect_download() as download:
                await page.locator("[data-format=txt]").click()
            await (await download.value).save_as(tmp_path / "saved.txt")
            saved = (tmp_path / "saved.txt").read_text(encoding="utf-8").splitlines()
            assert [re.sub(r"^\S+ (?:You: |Others: )?", "", line) for line in saved] == shown
        await page.goto(f"http://127.0.0.1:{served.port}/#/session/{BUDGET}/10.0")
        await expect(lines).to_have_text(list(SAID))
        await expect(page.locator(".sought .said")).to_have_text(SAID[0])


async def test_a_recorded_meeting_is_heard_once_more_at_the_press_of_a_button(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, browser: Browser
) -> None:
    """A model is chosen, the page tells how far it is, and shows the better text when it is there."""
    async with running(tmp_path, monkeypatch, record=True) as served:
        served.model._script = Script(text=lambda _: "mumbling")
        session = (await meeting(served)).session
        served.model._script = Script()
        monkeypatch.setattr("echopanel.engine.engine.IDLE_BELOW", -1.0)
        async with opened(browser, served, f"#/session/{session}") as page:
            lines, facts = page.locator("#past-lines .said"), page.locator("#facts")
            await expect(lines.first).to_have_text("mumbling")
            await page.get_by_role("button", name="Improve text").click()
            await check(page, 1000)
            dialog = page.get_by_role("dialog")
            await dialog.get_by_label("Model").select_option("tiny.en")
            await dialog.get_by_role("button", name="Improve text").click()
            await expect(facts).to_contain_text("second pass with tiny.en: 0 %")
            await expect(page.get_by_role("progressbar", name="Second pass")).to_be_visible()
            await expect(page.locator("#refine")).to_be_hidden()
            await check(page, 1000)
            monkeypatch.setattr("echopanel.engine.engine.IDLE_BELOW", 10.0)
            await expect(lines.first).to_contain_text("w0")
            await expect(page.locator("#note")).to_contain_text("This is the improved text")
            await expect(page.get_by_label("Which text")).to_have_value("merged")
            await expect(page.get_by_role("progressbar")).to_have_count(0)
            await expect(page.get_by_role("button", name="Improve again")).to_be_visible()
            await page.set_viewport_size({"width": 380, "height": 700})
            await check(page, 380)


async def test_what_was_not_recorded_cannot_be_heard_once_more(served: Served, browser: Browser) -> None:
    """And so it is not offered."""
    async with opened(browser, served, f"#/session/{BUDGET}") as page:
        await expect(page.locator("#delete")).to_be_visible()
        await expect(page.locator("#refine")).to_be_hidden()


async def test_another_text_begins_at_its_beginning(served: Served, browser: Browser) -> None:
    """Also where the one before was read to its end."""
    store = served.server.keeper.transcripts
    more = [utterance(number, f"And number {number}.") for number in range(4, 40)]
    heard = {Source.MIC: ((0, 28 * SAMPLE_RATE),)}
    refined = Refined(datetime.now(UTC), "fake", "base", (), heard)
    await served.server.keeper.store(store.add_events, BUDGET, more)
    await served.server.keeper.store(store.save_refined, BUDGET, refined)
    async with opened(browser, served, f"#/session/{BUDGET}") as page:
        await page.get_by_label("Which text").select_option("live")
        await expect(page.locator("#past-lines .said")).to_have_count(39)
        await page.locator("#past").evaluate("(all) => { all.scrollTop = all.scrollHeight; }")
        await expect(page.locator("#past-lines > li").last).to_be_in_viewport()
        await page.get_by_label("Which text").select_option("merged")
        await expect(page.locator("#past-lines .said")).not_to_have_count(39)
        await expect(page.locator("#past-lines > li").first).to_be_in_viewport()


async def test_a_note_does_not_move_what_is_about_to_be_pressed(served: Served, browser: Browser) -> None:
    """It comes while somebody presses a button, which stays where it is and takes the click."""
    async with opened(browser, served, f"#/session/{BUDGET}") as page:
        delete = page.get_by_role("button", name="Delete")
        await delete.hover()
        await page.mouse.down()
        await page.evaluate("document.querySelector('[data-copy=marked]').click()")
        await expect(page.locator("#note")).to_have_text("There is nothing to copy yet.")
        await page.mouse.up()
        await expect(page.get_by_role("dialog")).to_be_visible()


async def test_a_running_meeting_is_read_along_by_a_second_page(served: Served, browser: Browser) -> None:
    """From the beginning to the end, over a cut; the page cannot change it."""
    async with served.started(Source.MIC, Source.SYSTEM, title="Weekly") as client:
        await client.speak(talk(0.25))
        await client.flush()
        async with opened(browser, served, "#/history") as page:
            await expect(page.locator(".badge")).to_have_text("Running now")
            await page.get_by_role("link", name="Weekly").click()
            await expect(page.locator("#status-text")).to_have_text("Reading along")
            await expect(page.locator("#past-lines .said")).to_have_count(1)
            await expect(page.locator("#delete")).to_be_hidden()
            entry = served.sessions.roster.get(client.ready.session)
            assert entry is not None
            entry.session.audience.tell(Error(ErrorCode.INTERNAL, "a test"))
            await told(page, "Reconnecting")
            await client.speak(talk(0.5))
            await client.flush()
            await expect(page.locator("#past-lines .said")).to_have_count(2)
            await client.stop()
            await expect(page.locator("#status-text")).to_have_text("Saved")
            await expect(page.locator("#delete")).to_be_visible()
            assert await page.locator("#past-lines .said").all_inner_texts() == client.texts


async def test_a_server_with_a_token_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, browser: Browser
) -> None:
    """Once for everything."""
    async with (
        running(tmp_path, monkeypatch, TOKEN) as served,
        opened(browser, served, "#/history") as page,
    ):
        await page.get_by_label("Token", exact=True).fill(TOKEN)
        await page.keyboard.press("Enter")
        await page.get_by_role("link", name="Standup").click()
        await expect(page.locator("#past-lines .said")).to_have_text(list(SAID[:1]))


async def test_an_address_that_leads_nowhere_is_explained(served: Served, browser: Browser) -> None:
    """A meeting that was deleted, or never was."""
    async with opened(browser, served, f"#/session/{'0' * 16}") as page:
        await expect(page.locator("#status-text")).to_have_text("There is no such meeting")
        await expect(page.locator("#banner-text")).to_contain_text("It was deleted")
        await page.get_by_role("link", name="History").click()
        await expect(page.locator("#status-text")).to_have_text("Ready")


@pytest.mark.parametrize("width", [1000, 380])
async def test_the_history_is_accessible_and_fits(served: Served, browser: Browser, width: int) -> None:
    """List, hits, empty list, a meeting and the question before deleting."""
    async with opened(browser, served, "#/history", width) as page:
        await expect(page.locator(".meeting")).to_have_count(2)
        await check(page, width)
        for query, wanted in (("good", ".hit"), ("xyz", "#nothing-title")):
            await page.get_by_role("searchbox").fill(query)
            await expect(page.locator(wanted).first).to_be_visible()
            await check(page, width)
        await page.goto(f"http://127.0.0.1:{served.port}/#/session/{BUDGET}")
        await expect(page.locator("#past-lines .said")).to_have_count(3)
        await check(page, width)
        await page.get_by_role("button", name="Delete").click()
        await check(page, width)
