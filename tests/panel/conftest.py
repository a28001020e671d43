"""A real browser with a fake microphone."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from echopanel.audio import SAMPLE_RATE
from tests.e2e.sounds import write_wav
from tests.helpers.speech import Speech
from tests.panel.waiting import PATIENCE

expect.set_options(timeout=PATIENCE)

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# No request of the browser's own, so that a test sees only the panel's.
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")


@dataclass(frozen=True, slots=True)
class Clip:
    """A piece of a recording, as a file, and what is said in it."""

    path: Path
    text: str
    seconds: float


def executable() -> str:
    """The machine's Chromium; tests do not download browsers."""
    for name in CHROMIUM:
        if path := shutil.which(name):
            return path
    pytest.skip("no Chromium on this machine; on Debian: apt-get install chromium")


def clip(speech: Speech, start: float, end: float, path: Path) -> Clip:
    """Cut a piece out, between words; a second of silence comes before."""
    samples = speech.load()[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]
    silence = np.zeros(SAMPLE_RATE, np.float32)
    said = [word for word, until in speech.word_times if start < until <= end]
    return Clip(write_wav(path, np.concatenate([silence, samples])), " ".join(said), 1 + end - start)


@pytest.fixture(scope="session")
def heard(tmp_path_factory: pytest.TempPathFactory, two_cities: Speech) -> Clip:
    """What the microphone hears."""
    return clip(two_cities, 0.0, 8.4, tmp_path_factory.mktemp("speech") / "mic.wav")


@pytest.fixture(scope="session")
def call(tmp_path_factory: pytest.TempPathFactory, two_cities: Speech) -> Clip:
    """What the others say."""
    return clip(two_cities, 20.5, 28.6, tmp_path_factory.mktemp("speech") / "call.wav")


@asynccontextmanager
async def chromium(heard: Path, permission: str) -> AsyncIterator[Browser]:
    """A browser whose microphone hears the recording `heard`, once, from the moment it is opened."""
    arguments = [
        "--headless=new",
        "--no-sandbox",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={heard}%noloop",
        permission,
        *QUIET,
    ]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable(), args=arguments)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(heard: Clip) -> AsyncIterator[Browser]:
    """One for all tests; its user agrees to everything, and shares a tab with its sound."""
    async with chromium(heard.path, "--use-fake-ui-for-media-stream") as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def strict_browser(heard: Clip) -> AsyncIterator[Browser]:
    """One whose user agrees to nothing."""
    async with chromium(heard.path, "--use-fake-ui-for-media-stream=deny") as browser:
        yield browser
