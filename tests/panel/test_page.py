"""The page in a real browser, in front of a server that does what the test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from echopanel.audio import SAMPLE_RATE, Source
from echopanel.errors import ErrorCode
from echopanel.transcript import Coverage, Final, Gap, GapStatus, Partial, Revision, Segment, Word
from echopanel.wire import messages as m
from tests.client.scripted import listening
from tests.panel.axe import check
from tests.panel.stage import Stage
from tests.panel.waiting import PATIENCE, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

MIC, SYSTEM = Source.MIC, Source.SYSTEM


@dataclass
class Visit:
    """A page, the server it talks to, and what went wrong in it."""

    page: Page
    stage: Stage
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    async def open(self, fragment: str = "") -> None:
        """Load the page."""
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda said: self.complaints.append(f"{said.type}: {said.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        await self.page.goto(f"{self.stage.url}/{fragment}")

    async def choose(self, mic: str = "microphone", system: str = "off") -> None:
        """Choose the sources."""
        await self.page.locator(f"input[name=mic][value={mic}]").check()
        await self.page.locator(f"input[name=system][value={system}]").check()

    async def start(self) -> None:
        """Start with the microphone alone."""
        await self.choose()
        await self.button("Start captions").click()
        await expect(self.status).to_have_text("Live")

    def button(self, name: str) -> Locator:
        """A button by what is written on it."""
        return self.page.get_by_role("button", name=name)

    @property
    def status(self) -> Locator:
        """The words that say how things stand."""
        return self.page.locator("#status-text")

    @property
    def lines(self) -> Locator:
        """The captions."""
        return self.page.locator("#lines > li")


@pytest_asyncio.fixture(loop_scope="session")
async def stage() -> AsyncIterator[Stage]:
    """A server that is told what to say."""
    scripted = Stage()
    async with listening(scripted):
        yield scripted


@pytest_asyncio.fixture(loop_scope="session")
async def visit(stage: Stage, browser: Browser) -> AsyncIterator[Visit]:
    """The page, just opened."""
    async with visiting(browser, stage) as visit:
        await visit.open()
        yield visit


@asynccontextmanager
async def visiting(
    browser: Browser, stage: Stage, width: int = 1000, height: int = 700, **options: Any
) -> AsyncIterator[Visit]:
    """A page in a new profile."""
    context = await browser.new_context(viewport={"width": width, "height": height}, **options)
    context.set_default_timeout(PATIENCE)
    yield Visit(await context.new_page(), stage)
    await context.close()


def final(event: int, text: str, source: Source = MIC, start: float = 0.0, name: str = "") -> m.FinalMessage:
    """An utterance of one second."""
    sample = round(start * SAMPLE_RATE)
    segment = Segment(
        name or f"{source}-{event}", source, start, start + 1, text, sample, sample + SAMPLE_RATE
    )
    return m.FinalMessage(event, Final(segment))


def partial(
    revision: int, stable: str, tail: str, name: str = "mic-p", start: float = 1.0
) -> m.PartialMessage:
    """What is heard of an utterance of the microphone."""
    return m.PartialMessage(Partial(name, MIC, revision, start, stable, tail))


async def test_stable_text_is_solid_and_the_rest_grey_until_it_is_final(visit: Visit) -> None:
    """A partial shows both kinds of text apart; its final is all solid; one without text disappears."""
    await visit.start()
    await visit.stage.say(partial(1, "it was", "the best"), partial(1, "", "uh", "mic-q", 5.0))
    await expect(visit.lines.first.locator(".stable")).to_have_text("it was")
    await expect(visit.lines.first.locator(".tail")).to_have_text("the best")
    solid, grey = [
        await visit.lines.first.locator(css).evaluate("e => getComputedStyle(e).color")
        for css in (".stable", ".tail")
    ]
    assert solid != grey
    await visit.stage.say(
        final(1, "It was the best.", start=1.0, name="mic-p"), partial(2, "", "", "mic-q", 5.0)
    )
    await expect(visit.lines).to_have_count(1)
    await expect(visit.lines.locator(".said")).to_have_text("It was the best.")
    await expect(visit.lines.locator(".tail")).to_have_count(0)


async def test_both_sources_share_one_timeline_and_are_told_apart(visit: Visit) -> None:
    """Lines are in the order they were spoken, not that they came in; each says and shows who spoke."""
    await visit.start()
    await visit.stage.say(final(1, "Fine.", MIC, 4.0), final(2, "How are you?", SYSTEM, 2.0))
    await expect(visit.lines.locator(".said")).to_have_text(["How are you?", "Fine."])
    await expect(visit.lines.locator(".who")).to_have_text(["Others", "You"])
    await expect(visit.lines.locator(".when")).to_have_text(["0:02", "0:04"])
    looks = await visit.lines.locator(".said").evaluate_all(
        "all => all.map(e => getComputedStyle(e).borderLeftColor)"
    )
    assert len(set(looks)) == 2


LATER = "12 s being recognised later: this computer has too much to do"
NEVER = "2.0 s could not be recognised: the sound never arrived"


async def test_a_gap_is_shown_and_filled_when_its_text_comes(visit: Visit) -> None:
    """What is put off says so in place; a revision takes its place, and replaces what it names."""
    await visit.start()
    pending = Gap(MIC, 4 * SAMPLE_RATE, 16 * SAMPLE_RATE, "overload", GapStatus.PENDING)
    lost = Gap(MIC, 20 * SAMPLE_RATE, 22 * SAMPLE_RATE, "not_received", GapStatus.LOST)
    await visit.stage.say(final(1, "One."), m.GapMessage(2, pending), m.GapMessage(3, lost))
    said = visit.lines.locator(".said")
    await expect(said).to_have_text(["One.", LATER, NEVER])
    first = Segment("mic-1r", MIC, 0.0, 1.0, "One!", 0, SAMPLE_RATE)
    late = Segment("mic-2", MIC, 4.0, 16.0, "Two.", 4 * SAMPLE_RATE, 16 * SAMPLE_RATE)
    await visit.stage.say(m.RevisionMessage(4, Revision(("mic-1",), (first, late), "repair")))
    await expect(said).to_have_text(["One!", "Two.", NEVER])


async def test_what_the_microphone_overheard_is_hidden_and_can_be_shown(visit: Visit) -> None:
    """A line that is only echo is not there, echo within a line neither, until somebody wants to see it."""
    await visit.start()
    await expect(visit.button("Echo")).to_be_hidden()
    said = [Word(5 + i, 5.5 + i, text, bleed=i > 0) for i, text in enumerate(("Yes.", "Hello", "there."))]
    mixed = Segment("mic-2", MIC, 5, 8, "Yes. Hello there.", 80_000, 128_000, tuple(said))
    echo = Segment("mic-1", MIC, 2, 4, "Hello there.", 32_000, 64_000, tuple(said[1:]))
    finals = [m.FinalMessage(number, Final(segment)) for number, segment in ((2, echo), (3, mixed))]
    await visit.stage.say(final(1, "Hello there.", SYSTEM, 2.0), *finals)
    await expect(visit.lines.filter(visible=True)).to_have_count(2)
    assert await visit.lines.nth(2).locator(".said").inner_text() == "Yes."
    await expect(visit.lines.nth(2).locator(".who")).to_be_visible()
    await visit.button("Echo").click()
    await expect(visit.lines.filter(visible=True)).to_have_count(3)
    assert await visit.lines.nth(2).locator(".said").inner_text() == "Yes. Hello there."
    await check(visit.page, 1000)


async def test_an_echo_does_not_flash_by_while_it_is_spoken(visit: Visit) -> None:
    """Text that only repeats the others so far is not there; what turns out to be more is, and whole."""
    await visit.start()
    echo = Partial("mic-p", MIC, 1, 2.0, "hello", "there", bleed=True)
    await visit.stage.say(final(1, "Hello there.", SYSTEM, 2.0), m.PartialMessage(echo))
    await expect(visit.lines).to_have_count(2)
    await expect(visit.lines.filter(visible=True)).to_have_count(1)
    more = replace(echo, revision=2, tail="there and good morning", bleed=False)
    await visit.stage.say(m.PartialMessage(more))
    await expect(visit.lines.last.locator(".said")).to_have_text("hello there and good morning")
    await expect(visit.lines.filter(visible=True)).to_have_count(2)
    mixed = replace(more, revision=3, bleed_words=3)
    await visit.stage.say(m.PartialMessage(mixed))
    await expect(visit.lines.last.locator(".said")).to_have_text("good morning", use_inner_text=True)


async def test_nothing_moves_while_a_reader_has_scrolled_up(visit: Visit) -> None:
    """New lines come below, a late one or a banner above, and what is read stays; "jump to now" goes on."""
    await visit.start()
    await visit.stage.say(*(final(n, f"Line {n}.", start=10.0 * n) for n in range(1, 60)))
    await expect(visit.lines.last).to_be_in_viewport()
    await expect(visit.button("Jump to now")).to_be_hidden()
    await visit.page.locator("#captions").evaluate("e => { e.scrollTop = 600 }")
    await expect(visit.button("Jump to now")).to_be_visible()
    read = visit.lines.filter(has_text="Line 30.")
    await expect(read).to_be_in_viewport()
    before = await read.bounding_box()
    await visit.stage.say(
        final(60, "Late.", start=11.0), final(61, "New.", start=900.0), partial(1, "and", "on")
    )
    await expect(visit.lines).to_have_count(62)
    assert await read.bounding_box() == pytest.approx(before, abs=1)
    await visit.stage.say(REDUCED)
    await expect(visit.page.locator("#banner")).to_be_visible()
    await visit.page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert await read.bounding_box() == pytest.approx(before, abs=1)
    await visit.button("Jump to now").click()
    await expect(visit.lines.filter(has_text="New.")).to_be_in_viewport()
    await visit.stage.say(final(62, "Newest.", start=910.0))
    await expect(visit.lines.filter(has_text="Newest.")).to_be_in_viewport()


async def test_a_cut_is_told_and_healed_without_losing_a_sample(visit: Visit) -> None:
    """The page says that it reconnects; the server gets every sample once, up to where stop says."""
    await visit.start()
    await until(lambda: visit.stage.seconds(MIC) > 1)
    visit.stage.http = (503, "gone for a while\n", {})
    visit.stage.cut()
    await expect(visit.status).to_contain_text("Reconnecting in")
    await expect(visit.page.locator("#banner-text")).to_contain_text("Nothing is lost")
    visit.stage.http = None
    await expect(visit.status).to_have_text("Live")
    await until(lambda: visit.stage.seconds(MIC) > 4)
    await visit.button("Stop").click()
    await expect(visit.page.locator("#summary")).to_have_text(
        "Everything that was heard is in the transcript."
    )
    [stop] = [message for message in visit.stage.received if isinstance(message, m.Stop)]
    session = visit.stage.session
    assert session.holes == []
    assert stop.captured == {MIC: len(session.audio[MIC]) // 2, SYSTEM: 0}
    assert len(visit.stage.sessions) == 1


async def test_what_is_sent_is_what_the_microphone_heard(visit: Visit) -> None:
    """Frames of 50 ms, or more in arrears, follow each other in index and capture time, and hold sound."""
    await visit.start()
    await until(lambda: len(visit.stage.frames()) > 40)
    frames = visit.stage.frames()
    assert all(800 <= frame.count <= SAMPLE_RATE for frame in frames)
    first = frames[0]
    for frame, following in pairwise(frames):
        assert following.start == frame.end
        expected = first.captured_ms + (following.start - first.start) * 1000 / SAMPLE_RATE
        assert following.captured_ms == pytest.approx(expected, abs=1.0)
    assert max(abs(sample) for frame in frames for sample in memoryview(frame.pcm).cast("h")) > 1000


async def test_the_browser_is_given_time_so_that_it_loses_no_sound(stage: Stage, browser: Browser) -> None:
    """Chromium keeps ten times its latency of a microphone; the 10 ms it takes by itself are too few."""
    async with visiting(browser, stage) as visit:
        await visit.page.add_init_script("""
          const Plain = AudioContext;
          AudioContext = class extends Plain {
            constructor(options) {
              super(options);
              window.latency = this.baseLatency;
            }
          };
        """)
        await visit.open()
        await visit.start()
        assert 0.04 <= await visit.page.evaluate("latency") <= 0.1


async def test_a_muted_source_is_left_out_and_no_gap(visit: Visit) -> None:
    """Nothing is sent while muted; what follows jumps by that long and says that it was skipped."""
    await visit.start()
    await until(lambda: len(visit.stage.frames()) > 10)
    await visit.page.locator(".strip[data-source=mic] button").click()
    await expect(visit.page.locator(".strip[data-source=mic] .note")).to_have_text("Muted: not recorded")
    await asyncio.sleep(0.5)
    await visit.page.locator(".strip[data-source=mic] button").click()
    await until(lambda: bool(visit.stage.session.holes))
    [(source, hole)] = visit.stage.session.holes
    assert (source, hole.skipped) == (MIC, True)
    assert (hole.end - hole.start) / SAMPLE_RATE >= 0.5


async def test_a_server_that_wants_a_token_is_given_one(stage: Stage, browser: Browser) -> None:
    """The page asks when the server refuses, and goes on with the right one; the address can bring it too."""
    stage.refusal = m.Error(ErrorCode.UNAUTHORIZED, "the token is wrong")
    async with visiting(browser, stage) as visit:
        await visit.open("#token=wrong-token")
        await give_token(visit)
    offered = [request.headers["Sec-WebSocket-Protocol"] for request in stage.requests]
    assert "echopanel.token.d3JvbmctdG9rZW4" in offered[0]
    assert "echopanel.token.Y29ycmVjdC1ob3JzZQ" in offered[-1]


async def give_token(visit: Visit) -> None:
    """Start, be refused, and give the right token."""
    assert "token" not in visit.page.url
    await visit.choose()
    await visit.button("Start captions").click()
    await expect(visit.page.get_by_role("dialog")).to_contain_text("That token was not accepted.")
    visit.stage.refusal = None
    await visit.page.get_by_label("Token", exact=True).fill("correct-horse")
    await visit.page.keyboard.press("Enter")
    await expect(visit.status).to_have_text("Live")
    await expect(visit.page.get_by_role("dialog")).to_be_hidden()


async def test_a_busy_or_loading_server_is_waited_for(visit: Visit) -> None:
    """The page says in plain words what it waits for, and goes live by itself."""
    visit.stage.refusal = m.Error(ErrorCode.NOT_READY, "the model is loading", retry_after=1.0)
    await visit.choose()
    await visit.button("Start captions").click()
    await expect(visit.status).to_have_text("Warming up")
    visit.stage.refusal = m.Error(ErrorCode.SESSION_LIMIT, "10 of 10 sessions are open", retry_after=3.0)
    await expect(visit.status).to_contain_text("Server busy: trying in")
    await expect(visit.page.locator("#banner-text")).to_have_text("10 of 10 sessions are open")
    visit.stage.refusal = None
    await expect(visit.status).to_have_text("Live")


@pytest.mark.parametrize(
    ("mic", "system", "told"),
    [
        ("microphone", "off", "The browser may not use the microphone. Allow it"),
        ("off", "display", "Nothing was shared. Try again and pick the tab of your call, or choose Off"),
    ],
)
async def test_what_is_not_allowed_is_explained(
    stage: Stage, strict_browser: Browser, mic: str, system: str, told: str
) -> None:
    """A microphone that is refused, a tab that nobody picked: what to do; then it can be started again."""
    async with visiting(strict_browser, stage) as visit:
        await visit.open()
        await visit.choose(mic, system)
        await visit.button("Start captions").click()
        await expect(visit.page.get_by_role("alert")).to_contain_text(told)
        await expect(visit.button("Start captions")).to_be_enabled()
        await expect(visit.status).to_have_text("Ready")
    assert stage.received == []


async def test_a_question_of_the_browser_is_pointed_at(visit: Visit) -> None:
    """While it waits for an answer, and no longer when somebody has closed it; a running meeting goes on."""
    asked = """
        navigator.mediaDevices.%s = () => new Promise((_, reject) => {
          window.close_question = () => reject(new DOMException("Permission dismissed", "NotAllowedError"));
        });
        null;
    """
    await visit.page.evaluate(asked % "getUserMedia")
    await visit.choose()
    await visit.button("Start captions").click()
    await expect(visit.page.locator("#banner-text")).to_contain_text("Your browser is asking")
    await visit.page.evaluate("close_question()")
    await expect(visit.page.get_by_role("alert")).to_contain_text(
        "The question about the microphone was closed"
    )
    await visit.page.reload()
    await visit.start()
    await visit.page.evaluate(asked % "getDisplayMedia")
    await visit.page.locator(".strip[data-source=system]").get_by_role("button", name="Add").click()
    await visit.page.evaluate("close_question()")
    await expect(visit.page.locator("#note")).to_contain_text("Nothing was shared")
    await expect(visit.status).to_have_text("Live")


SHARING = """
    const { mediaDevices } = navigator;
    const share = mediaDevices.getDisplayMedia.bind(mediaDevices);
    mediaDevices.getDisplayMedia = async (options) => {
      const stream = await share(options);
      if (window.silently) for (const track of stream.getAudioTracks()) stream.removeTrack(track);
      return (window.shared = stream);
    };
"""


async def test_a_shared_tab_is_heard_and_can_be_shared_again(stage: Stage, browser: Browser) -> None:
    """When sharing ends the rest goes on; shared again, it goes on where time is, without a gap."""
    async with visiting(browser, stage) as visit:
        await visit.page.add_init_script(SHARING)
        await visit.open()
        await visit.choose(system="display")
        await visit.button("Start captions").click()
        await until(lambda: min(stage.seconds(MIC), stage.seconds(SYSTEM)) > 0.5)
        await visit.page.evaluate(
            "for (const track of shared.getTracks()) track.dispatchEvent(new Event('ended'))"
        )
        strip = visit.page.locator(".strip[data-source=system]")
        await expect(strip.locator(".note")).to_contain_text("No longer shared")
        await strip.get_by_role("button", name="Add").click()
        await until(lambda: bool(stage.session.holes))
        assert [(source, hole.skipped) for source, hole in stage.session.holes] == [(SYSTEM, True)]
        assert len(stage.sessions) == 1


async def test_a_tab_that_is_shared_without_its_sound_is_explained(stage: Stage, browser: Browser) -> None:
    """The page says what to switch on, and nothing is left shared."""
    async with visiting(browser, stage) as visit:
        await visit.page.add_init_script(f"window.silently = true;{SHARING}")
        await visit.open()
        await visit.choose(system="display")
        await visit.button("Start captions").click()
        await expect(visit.page.get_by_role("alert")).to_contain_text("shared without its sound")
        assert await visit.page.evaluate("shared.getTracks().every(track => track.readyState === 'ended')")
    assert stage.received == []


async def test_a_device_that_goes_away_is_told_and_can_be_replaced(stage: Stage, browser: Browser) -> None:
    """Unplugged, or muted by a switch of its own: the strip says so, and the session goes on."""
    async with visiting(browser, stage) as visit:
        await visit.page.add_init_script(LISTENING)
        await visit.open()
        await visit.start()
        strip = visit.page.locator(".strip[data-source=mic]")
        await visit.page.evaluate("heard.getTracks()[0].dispatchEvent(new Event('mute'))")
        await expect(strip.locator(".note")).to_contain_text("Muted by the system")
        await visit.page.evaluate("heard.getTracks()[0].dispatchEvent(new Event('unmute'))")
        await expect(strip.locator(".note")).to_have_text("")
        await visit.page.evaluate("heard.getTracks()[0].dispatchEvent(new Event('ended'))")
        await expect(strip.locator(".note")).to_contain_text("Unplugged")
        await expect(visit.status).to_have_text("Live")
        count = len(stage.frames())
        await strip.get_by_role("button", name="Add").click()
        await until(lambda: len(stage.frames()) > count)


async def test_a_server_that_loads_or_is_gone_is_told_before_anything_starts(
    stage: Stage, browser: Browser
) -> None:
    """The page looks for it, and says when it is ready."""
    stage.loaded = False
    async with visiting(browser, stage) as visit:
        await visit.open()
        await expect(visit.status).to_have_text("Warming up")
        await visit.page.route("**/health/ready", lambda route: route.abort())
        await expect(visit.status).to_have_text("No server")
        await visit.page.unroute("**/health/ready")
        stage.loaded = True
        await expect(visit.status).to_have_text("Ready")


async def test_marked_lines_are_found_again(visit: Visit) -> None:
    """By mouse and by keyboard, over a reload of text, and when better text takes their place."""
    await visit.start()
    await visit.stage.say(*(final(n, f"Line {n}.", start=10.0 * n, name=f"mic-{n}") for n in range(1, 60)))
    await visit.lines.nth(20).hover()
    await visit.lines.nth(20).locator(".mark").click()
    await expect(visit.lines.nth(20)).to_have_class("line speech marked")
    await visit.page.keyboard.press("ArrowUp")
    await visit.page.keyboard.press("Enter")
    await expect(visit.lines.nth(19).locator(".mark")).to_have_attribute("aria-pressed", "true")
    better = Segment("mic-20r", MIC, 200.0, 201.0, "Better.", 3_200_000, 3_216_000)
    await visit.stage.say(m.RevisionMessage(60, Revision(("mic-20",), (better,), "repair")))
    await visit.page.locator("#captions").evaluate("e => { e.scrollTop = 0 }")
    await visit.button("Marked").click()
    found = visit.page.locator("#marked-menu li")
    await expect(found).to_have_text(["3:20YouBetter.", "3:30YouLine 21."])
    await found.last.locator("button").click()
    await expect(visit.lines.nth(20)).to_be_in_viewport()
    await expect(visit.button("Jump to now")).to_be_visible()


LEDGER = Coverage(captured=16_000, received=16_000, pending=16_000)
SLOW = m.SourceFlow(1.0, 1, 100, 0.01, 2.4, 960_000, LEDGER)
REDUCED = m.Flow(2, "smaller model", "load 1.1 for 10 s", 1.1, 0.1, 0.1, 0.2, 1.5, 3, {MIC: SLOW})


async def test_lag_quality_and_load_are_told_and_drawn(visit: Visit) -> None:
    """At a glance in the dock, with more behind it; a step of degradation is said with its reason."""
    await visit.start()
    await visit.stage.say(replace(REDUCED, level=0, plan="full quality", load=0.4), REDUCED)
    await expect(visit.page.locator("#vitals")).to_have_text("2.4 s behind")
    await expect(visit.status).to_have_text("Live, at reduced quality")
    await expect(visit.page.locator("#banner-text")).to_contain_text("a quicker model listens")
    await visit.page.locator("#vitals").click()
    details = visit.page.locator("#vitals-panel")
    for told in ("Quicker model", "load 1.1 for 10 s", "110 %", "tiny"):
        await expect(details).to_contain_text(told)
    drawn = await details.locator(".lag-chart polyline").get_attribute("points")
    assert drawn is not None
    assert len(drawn.split()) == 2


async def test_a_long_transcript_is_drawn_piece_by_piece(visit: Visit) -> None:
    """Two hours of lines come at once, all are shown in order, and the page answers meanwhile."""
    await visit.start()
    texts = [final(n, f"Line {n} says something of a usual length.", start=2.4 * n) for n in range(1, 3001)]
    await visit.stage.say(*texts)
    await expect(visit.lines).to_have_count(3000)
    await expect(visit.lines.last).to_be_in_viewport()
    whens = await visit.lines.locator("time").evaluate_all(
        "all => all.map(e => parseFloat(e.dateTime.slice(2)))"
    )
    assert whens == sorted(whens)


LISTENING = """
    const { mediaDevices } = navigator;
    const listen = mediaDevices.getUserMedia.bind(mediaDevices);
    mediaDevices.getUserMedia = async (options) => (window.heard = await listen(options));
"""


async def test_it_works_with_the_keyboard_alone(visit: Visit) -> None:
    """Choosing, starting, scrolling, muting and stopping, without a mouse."""
    await visit.page.locator("input[name=mic]:checked").focus()
    await visit.page.keyboard.press("Tab")
    for _ in range(2):
        if await visit.page.evaluate("document.activeElement.name") != "system":
            await visit.page.keyboard.press("Tab")
    await visit.page.keyboard.press("ArrowRight")
    await visit.page.keyboard.press("ArrowRight")
    assert await visit.page.evaluate("document.activeElement.value") == "off"
    await visit.page.keyboard.press("Tab")
    await visit.page.keyboard.press("Enter")
    await expect(visit.status).to_have_text("Live")
    await expect(visit.page.locator("#captions")).to_be_focused()
    await visit.page.keyboard.press("Tab")
    await visit.page.keyboard.press("Space")
    await expect(visit.page.locator(".strip[data-source=mic] button")).to_have_text("Unmute")
    for _ in range(2):
        await visit.page.keyboard.press("Tab")
    await visit.page.keyboard.press("Enter")
    await expect(visit.page.locator("#summary")).to_be_visible()


async def test_finished_text_is_announced_and_what_may_change_is_not(visit: Visit) -> None:
    """A screen reader hears each final once, with who said it."""
    await visit.start()
    await visit.stage.say(partial(1, "it was", "the"), final(1, "Hello.", SYSTEM))
    announcer = visit.page.locator("#announcer")
    await expect(announcer).to_have_text("Others: Hello.")
    assert await announcer.get_attribute("aria-live") == "polite"


@pytest.mark.parametrize(("width", "theme"), [(1000, "light"), (380, "dark")])
async def test_every_view_is_accessible_and_fits(
    stage: Stage, browser: Browser, width: int, theme: str
) -> None:
    """No finding of the rules of accessibility, nothing to scroll sideways."""
    async with visiting(browser, stage, width, color_scheme=theme) as visit:
        await visit.open()
        await check(visit.page, width)
        await visit.start()
        await check(visit.page, width)
        gap = Gap(MIC, 5 * SAMPLE_RATE, 6 * SAMPLE_RATE, "overload", GapStatus.LOST)
        await stage.say(
            final(1, "Hello there, " * 20, SYSTEM), m.GapMessage(2, gap), partial(1, "it was", "the")
        )
        await expect(visit.lines).to_have_count(3)
        await check(visit.page, width)
        await stage.say(REDUCED)
        for name in ("Save", "Marked", "Text is 2.4 s behind"):
            await visit.button(name).click()
            await check(visit.page, width)
            await visit.page.keyboard.press("Escape")
        stage.refusal = m.Error(ErrorCode.OVERLOADED, "no room", retry_after=60.0)
        stage.cut()
        await expect(visit.status).to_contain_text("Server busy")
        await check(visit.page, width)


async def test_no_request_leaves_the_server_and_nothing_breaks_its_policy(visit: Visit) -> None:
    """Everything comes from the server's own address, under a policy without inline scripts and styles."""
    await visit.start()
    await visit.stage.say(final(1, "Hello."))
    await visit.button("Stop").click()
    await expect(visit.page.locator("#summary")).to_be_visible()
    assert {url.split("/")[2] for url in visit.requests} == {f"127.0.0.1:{visit.stage.port}"}
    assert visit.complaints == []
