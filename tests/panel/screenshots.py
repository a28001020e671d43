"""Pictures of the panel for the documentation: the real program, real speech, a real browser.

`make screenshots` writes them to docs/images. Takes about three minutes.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from math import exp, sin
from pathlib import Path
from typing import Literal

import av
import av.filter
from playwright.async_api import Browser, Page, ViewportSize, expect

from echopanel.audio import Source, to_samples
from echopanel.transcript import Coverage, Final, Gap, GapStatus, Partial, Segment
from echopanel.wire import messages as m
from tests.client.scripted import listening
from tests.e2e.programs import Server, echopanel, serving
from tests.helpers.speech import REPOSITORY, Speech, load_corpus
from tests.panel.conftest import chromium
from tests.panel.dialogue import Track, dialogue
from tests.panel.stage import Stage
from tests.panel.waiting import until

IMAGES = REPOSITORY / "docs" / "images"
DIALOGUE_S = 75.0
SPEED = "8"
CALL = (
    (Source.MIC, "Can everybody see the plan for the spring release?"),
    (Source.SYSTEM, "Yes. I still think that the second week of March is too early for the mobile part."),
    (Source.MIC, "What would you need to make it?"),
    (Source.SYSTEM, "Two more people for testing, and the new devices a week before."),
    (Source.MIC, "That should be possible. I will ask for both today."),
)
PLANS = ("full quality", "text comes less often", "smaller model", "second source later")
PHONE: ViewportSize = {"width": 380, "height": 780}
SIDE: ViewportSize = {"width": 460, "height": 700}
DESK: ViewportSize = {"width": 1040, "height": 760}
TITLES = {
    "long_lj001_printing.flac": "Printing class, lesson 1",
    "librivox_sense_and_sensibility.flac": "Reading circle",
    "spont_mfa_acoustic_corpus.flac": "Microphone check",
    "two_cities.wav": "A tale of two cities",
}

Scheme = Literal["dark", "light"]


@dataclass(frozen=True, slots=True)
class Studio:
    """A browser, and what is said to it."""

    browser: Browser
    mic: Track
    others: Track

    @asynccontextmanager
    async def page(self, url: str, size: ViewportSize, scheme: Scheme = "light") -> AsyncIterator[Page]:
        """A page in a new profile, at two pixels a point."""
        context = await self.browser.new_context(
            viewport=size,
            color_scheme=scheme,
            device_scale_factor=2,
            locale="en-GB",
        )
        page = await context.new_page()
        await page.goto(url)
        yield page
        await context.close()

    async def start(self, page: Page) -> None:
        """Begin with both sources."""
        await page.locator("input[name=system][value=file]").check()
        await page.locator("#file").set_input_files(self.others.path)
        await page.get_by_role("button", name="Start captions").click()
        await expect(page.locator("#status-text")).to_have_text("Live", timeout=60_000)


async def shoot(page: Page, name: str) -> None:
    """Take a picture, with few colours so that it stays small."""
    path = IMAGES / f"{name}.png"
    await page.screenshot(path=path, animations="disabled")
    shrink(path)
    sys.stdout.write(f"{path.relative_to(REPOSITORY)}  {path.stat().st_size / 1000:.0f} kB\n")


def shrink(path: Path) -> None:
    """The same picture with a palette, which makes it a third of the size."""
    with av.open(str(path)) as file:
        frame = next(file.decode(video=0))
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1)
    )
    split, palette = graph.add("split"), graph.add("palettegen", "max_colors=128:reserve_transparent=0")
    use, sink = graph.add("paletteuse", "dither=none"), graph.add("buffersink")
    source.link_to(split)
    split.link_to(use)
    split.link_to(palette, 1)
    palette.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    frame.pts, frame.time_base = 0, Fraction(1, 1)
    graph.push(frame)
    graph.push(None)
    shrunk = graph.pull()
    assert isinstance(shrunk, av.VideoFrame)
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "pal8"
    encoder.time_base = Fraction(1, 1)
    path.write_bytes(b"".join(bytes(packet) for packet in encoder.encode(shrunk)))


def remember(server: Server, speech: Speech) -> None:
    """A meeting of an earlier hour."""
    title = TITLES[speech.name]
    sent = echopanel("stream", speech.path, "--url", server.url, "--speed", SPEED, "--title", title, "--json")
    assert sent.returncode == 0, sent.stderr


async def first_run(studio: Studio, server: Server) -> None:
    """Before anything."""
    async with studio.page(server.url, DESK) as page:
        await expect(page.locator("#status-text")).to_have_text("Ready")
        await shoot(page, "first-run")


async def live(studio: Studio, server: Server, data: Path) -> None:
    """Both sides, dark and light, then a server that is gone for a while."""
    async with studio.page(server.url, DESK) as page:
        await studio.start(page)
        await expect(page.locator("#lines > .speech")).to_have_count(9, timeout=90_000)
        await page.locator("#lines > .speech").nth(5).hover()
        await page.locator("#lines > .speech .mark").nth(5).click()
        await page.mouse.move(5, 300)
        await expect(page.locator(".stable:not(:empty) ~ .tail").last).to_be_visible()
        await shoot(page, "live")
        await page.emulate_media(color_scheme="dark")
        await shoot(page, "dark")
        await page.set_viewport_size(PHONE)
        await shoot(page, "phone")
        await page.emulate_media(color_scheme="light")
        await page.set_viewport_size(SIDE)
        server.stop(signal.SIGKILL)
        await expect(page.locator("#status-text")).to_contain_text("Reconnecting in")
        await asyncio.sleep(0.5)
        await shoot(page, "reconnecting")
        with serving(data, "--port", str(server.port)) as again:
            await expect(page.locator("#status-text")).to_have_text("Live", timeout=60_000)
            await page.get_by_role("button", name="Stop").click()
            await expect(page.locator("#summary")).to_be_visible(timeout=60_000)
            await page.get_by_role("link", name="Name it").click()
            await page.get_by_label("Title").fill("Call with the team")
            await page.keyboard.press("Enter")
            await history(studio, again)


async def history(studio: Studio, server: Server) -> None:
    """What was said before, searched."""
    async with studio.page(f"{server.url}#/history", DESK) as page:
        await expect(page.locator(".meeting")).not_to_have_count(0)
        await page.get_by_role("searchbox").fill("some")
        await expect(page.locator(".hit mark").first).to_be_visible()
        await shoot(page, "history")
        await page.locator(".open").first.click()
        await expect(page.locator("#past-lines > li").first).to_be_visible()
        await asyncio.sleep(1)
        await shoot(page, "meeting")


async def degraded(studio: Studio, _data: Path) -> None:
    """A machine with too much to do. The page is the real one; its server is told what to say."""
    stage = Stage()
    async with listening(stage), studio.page(stage.url, SIDE) as page:
        await studio.start(page)
        await stage.say(*rising_load(), *put_off())
        await expect(page.locator(".gap")).to_be_visible()
        await until(lambda: stage.seconds(Source.MIC) > 3)  # so that its meter shows something
        await shoot(page, "degraded")
        await page.set_viewport_size(DESK)
        await page.locator("#vitals").click()
        await shoot(page, "vitals")


def put_off() -> Iterator[m.ServerMessage]:
    """What both said up to now, but the last words of the others: those are put off."""
    at = 41.0
    for number, (source, text) in enumerate(CALL, 1):
        until_s = at + len(text) / 15
        first, end = to_samples(at), to_samples(until_s)
        yield m.FinalMessage(number, Final(Segment(f"s{number}", source, at, until_s, text, first, end)))
        at = until_s + 0.7
    gap = Gap(Source.SYSTEM, to_samples(at), to_samples(at + 12), "backlog_full", GapStatus.PENDING)
    yield m.GapMessage(len(CALL) + 1, gap)
    yield m.PartialMessage(Partial("p", Source.MIC, 1, at + 12.6, "Sorry, could you say", "that once more"))


def rising_load() -> Iterator[m.Flow]:
    """Two minutes of it."""
    for second in range(120):
        rise = 1 / (1 + exp((60 - second) / 9))
        wave = sin(second / 3)
        load, lag = 0.35 + 0.95 * rise + 0.05 * wave, 0.5 + 1.6 * rise + 0.2 * wave
        level = min(len(PLANS) - 1, round(3.4 * rise))
        reason = f"load {load:.2f} for 10 s" if level else ""
        one = m.SourceFlow(1.0, 1, 100, 0.01, lag, 960_000, Coverage())
        sources = dict.fromkeys(Source, one)
        yield m.Flow(level, PLANS[level], reason, load, 0.1, 0.1, 0.2, 1.5, 3, sources)


async def quiet(studio: Studio, data: Path) -> None:
    """A machine that keeps up."""
    with serving(data) as server:
        await first_run(studio, server)
        for speech in load_corpus():
            if speech.name in TITLES:
                await asyncio.to_thread(remember, server, speech)
        await live(studio, server, data)


async def main(scenes: Sequence[str]) -> None:
    """Take the pictures of some scenes, or all."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        mic, others = dialogue(directory, DIALOGUE_S)
        for name, scene in {"quiet": quiet, "degraded": degraded}.items():
            if name in scenes or not scenes:
                async with chromium(mic.path, "--use-fake-ui-for-media-stream") as browser:
                    await scene(Studio(browser, mic, others), directory / name)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
