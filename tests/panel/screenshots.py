"""Pictures of the panel for the documentation: the real program, real speech, a real browser.

`make screenshots` writes them to docs/images. Takes about three minutes.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import av.filter
from playwright.async_api import Browser, Page, ViewportSize, expect

from tests.e2e.programs import ECHOPANEL, Server, echopanel, environment, serving
from tests.helpers.speech import REPOSITORY, Speech, load_corpus
from tests.panel.conftest import chromium
from tests.panel.dialogue import Track, dialogue

IMAGES = REPOSITORY / "docs" / "images"
DIALOGUE_S = {"quiet": 75.0, "degraded": 240.0}
SPEED = "8"
CROWD = 40
HALF_A_MACHINE = (
    *("--model", "base", "--set", "engine.max_inference=1"),
    *("--set", "limits.sessions=100", "--set", "limits.sessions_per_client=100"),
)
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
        with serving(data, "--record", "--port", str(server.port)) as again:
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
        await page.get_by_role("button", name="Improve text").click()
        await page.get_by_role("dialog").get_by_role("button", name="Improve text").click()
        await expect(page.locator("#edition")).to_be_visible(timeout=60_000)
        await expect(page.locator("#past-lines > li").first).to_be_visible()
        await expect(page.locator("#note")).to_be_hidden(timeout=60_000)
        await shoot(page, "meeting")


async def degraded(studio: Studio, data: Path) -> None:
    """Half a machine with the bigger model, and many others who talk without a pause."""
    crowd: list[subprocess.Popen[bytes]] = []
    with serving(data, *HALF_A_MACHINE) as server:
        try:
            async with studio.page(server.url, SIDE) as page:
                await studio.start(page)
                await expect(page.locator("#lines > .speech")).to_have_count(3, timeout=60_000)
                for _ in range(CROWD):
                    crowd.append(talk_on(server.url))
                    await asyncio.sleep(1)
                spoken_behind = page.locator(".gap ~ .speech[data-source=mic]").last
                await expect(spoken_behind).to_be_in_viewport(timeout=120_000)
                await shoot(page, "degraded")
                await page.set_viewport_size(DESK)
                await page.locator("#vitals").click()
                await shoot(page, "vitals")
        finally:
            for one in crowd:
                one.kill()
                one.wait()
        server.stop(signal.SIGKILL)  # what it put off is a quarter of an hour of work


def talk_on(url: str) -> subprocess.Popen[bytes]:
    """Somebody else's meeting, in which both sides talk all the time."""
    longest = str(max(load_corpus(), key=lambda speech: len(speech.load())).path)
    command = [*ECHOPANEL, "stream", longest, longest, "--url", url]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, stdout=quiet, stderr=quiet, env=environment())


async def quiet(studio: Studio, data: Path) -> None:
    """A machine that keeps up."""
    with serving(data, "--record") as server:
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
        for name, scene in {"quiet": quiet, "degraded": degraded}.items():
            if name in scenes or not scenes:
                mic, others = dialogue(directory, DIALOGUE_S[name])
                async with chromium(mic.path, "--use-fake-ui-for-media-stream") as browser:
                    await scene(Studio(browser, mic, others), directory / name)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
