"""Fixtures for tests of the page: a browser, and services."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from browsing import KEY, MAX_BYTES, opened
from pictures import MINUS, POINT, drawing, encode, number
from services import serving

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
# More than the default of 5 s: the first picture starts the service's decoders.
expect.set_options(timeout=20_000)
# Which of the 500 digits are typeset.
CHOSEN = {"0": 0, "1": 50, "2": 120, "3": 150, "4": 215, "5": 250, "7": 350}
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-frame-rate-limit",  # or a move of the mouse waits for the next frame
]


# Not for longer: Playwright keeps an event loop running.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM and not os.environ.get("CI"):
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    with serving(DIGITS_MAX_UPLOAD_BYTES=str(MAX_BYTES)) as (_, url):
        yield url


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """The folder of corrections."""
    return tmp_path_factory.mktemp("corrections")


@pytest.fixture(scope="session")
def locked_url(folder) -> Iterator[str]:
    """A service that needs an API key and stores up to three corrections."""
    settings = {
        "DIGITS_API_KEYS": KEY,
        "DIGITS_CORRECTIONS_DIR": str(folder),
        "DIGITS_MAX_CORRECTIONS": "3",
    }
    with serving(**settings) as (_, url):
        yield url


@pytest.fixture
def page(browser, url) -> Iterator[Page]:
    with opened(browser, url) as page:
        yield page


@pytest.fixture(scope="session")
def three(digits) -> bytes:
    return encode(drawing(digits[150]))


@pytest.fixture(scope="session")
def typeset(digits) -> Callable[..., Image.Image]:
    """A function that writes lines of text with real digits and marks."""
    signs = {".": POINT, "-": MINUS}
    for sign, index in CHOSEN.items():
        signs[sign] = digits[index]

    def write(text: str, scale: int = 3) -> Image.Image:
        lines = [[signs[sign] for sign in line] for line in text.split()]
        return number(*lines, scale=scale)

    return write


@pytest.fixture(scope="session")
def sheet(typeset) -> Image.Image:
    """A page with four lines. The first and the third may be phone numbers."""
    page = Image.new("L", (900, 1270), 255)
    page.paste(typeset("725 10 42.50 -35", scale=2), (100, 100))
    return page
